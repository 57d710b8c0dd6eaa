"""Traces for OpenTelemetry: a span for each request, for each operation on the records and for each signing within it.

Only where the extra `otel` is installed and OTEL_EXPORTER_OTLP_ENDPOINT names a collector; elsewhere nothing of it is
imported, and a span costs a look at a variable. A span's attributes are names of ours alone: method, route, status,
problem and request id. Never a path, a message of an error, or anything that a stranger sent.
"""

import contextlib
import importlib.metadata
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_SECONDS_TO_SEND: Final = 3  # the end of a service waits for it
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NOTHING: Final = contextlib.nullcontext(None)
_tracer: "Tracer | None" = None


def begin() -> Callable[[], None]:
    """Trace from now on, if it is wanted and can be; return what sends the last spans and ends it."""
    if not os.environ.get(_ENDPOINT):
        return lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:  # the variable is often there for other programs
        return lambda: None

    return begin_with(BatchSpanProcessor(OTLPSpanExporter(timeout=_SECONDS_TO_SEND)))


def begin_with(processor: Any) -> Callable[[], None]:
    """Trace from now on into an OpenTelemetry SpanProcessor; return what ends it."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    global _tracer  # noqa: PLW0603 - like a logger: whoever makes a span does not have it handed to it
    attributes = {"service.name": "warifu-ca", "service.version": importlib.metadata.version("warifu")}
    provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer("warifu")

    def end() -> None:
        global _tracer  # noqa: PLW0603
        _tracer = None
        provider.shutdown()

    return end


def span(kind: str, what: Callable[..., object] | None = None) -> "AbstractContextManager[Span | None]":
    """Return a span of a kind, of an operation named as the code names it, or nothing that costs anything."""
    if _tracer is None:
        return _NOTHING
    return _begun(_tracer, kind if what is None else f"{kind} {what.__module__.rpartition('.')[2]}.{what.__qualname__}")


@contextlib.contextmanager
def _begun(tracer: "Tracer", name: str) -> "Iterator[Span]":
    """Begin a span; of an error it tells the class alone, for a message may quote what was sent."""
    quiet: dict[str, Any] = {"record_exception": False, "set_status_on_exception": False}
    with tracer.start_as_current_span(name, **quiet) as begun:
        try:
            yield begun
        except BaseException as error:
            begun.set_attribute("error.type", type(error).__qualname__)
            raise


def tell(begun: "Span | None", request_id: str, method: str, route: str, answered: tuple[int, str | None]) -> None:
    """Say in a request's span what came of it: status, and problem if any."""
    if begun is None:
        return
    status, problem = answered
    method = method if method in _METHODS else "_OTHER"
    begun.update_name(f"{method} {route}")
    begun.set_attributes(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "warifu.request_id": request_id,
        }
    )
    if problem is not None:
        begun.set_attribute("error.type", problem)
