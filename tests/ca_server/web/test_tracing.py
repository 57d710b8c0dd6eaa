"""Traces: a span for each request and for what was done in it, and never a secret in one."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca_server import tracing
from tests.ca_server.web.caller import Caller
from tests.ca_server.web.office import Office

memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter", reason="pip install .[otel]")


@pytest.fixture
def spans() -> Iterator[Callable[[], list[Any]]]:
    """Trace into memory, and return what gives the spans that have ended."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    exporter = memory.InMemorySpanExporter()
    end = tracing.begin_with(SimpleSpanProcessor(exporter))
    yield lambda: list(exporter.get_finished_spans())
    end()


async def test_an_operation_is_within_the_request_that_asked_for_it_though_it_runs_in_anothers_turn(
    spans: Callable[[], list[Any]], office: Office, holder: Caller
) -> None:
    before = len(spans())
    await holder.enrol()
    found = spans()[before:]
    requests = {each.context.span_id: each for each in found if each.name == "POST /acme/order/{order}/finalize"}
    (finalize,) = requests.values()
    within = {each.name for each in found if each.parent and each.parent.span_id == finalize.context.span_id}
    assert {"write issuance.plan", "write issuance.record", "sign"} <= within
    assert finalize.attributes["http.response.status_code"] == 200
    assert finalize.attributes["http.route"] == "/acme/order/{order}/finalize"


async def test_of_a_refusal_the_problem_and_the_request_id_are_told(
    spans: Callable[[], list[Any]], holder: Caller
) -> None:
    before = len(spans())
    reply = await holder.post("/acme/new-order", b"{}")
    asked = next(each for each in spans()[before:] if each.name == "POST /acme/new-order")
    assert asked.attributes["warifu.request_id"] == reply.headers["Request-Id"]
    assert (asked.attributes["error.type"], asked.attributes["http.response.status_code"]) == ("malformed", 400)


async def test_no_span_holds_a_secret_or_what_a_stranger_sent(
    spans: Callable[[], list[Any]], office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, caller = office.invitation(1), office.caller()
    wrong = dataclasses.replace(pair, password=office.invitation(2).password)
    (await caller.bind(wrong)).must(403)
    (await caller.bind(pair)).must(201)
    await caller.enrol()
    await office.public.get(f"/e/{pair.kid}?canary-of-a-query", headers={"User-Agent": "canary-of-an-agent"})
    await office.public.request("CANARY", "/canary-of-a-path")

    def broken(*_: object) -> None:
        raise ZeroDivisionError(f"canary-of-an-error {pair.password}")

    monkeypatch.setattr("ca_server.operations.enrolment.order", broken)
    (await caller.order()).must(500)
    key = caller.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    told = "\n".join(each.to_json() for each in spans())
    assert len(spans()) > 20
    assert "ZeroDivisionError" in told
    for secret in (pair.kid, pair.password, wrong.password, *key.splitlines()[1:-1]):
        assert secret not in told
    assert "canary" not in told.lower()


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:9/"])
def test_nothing_of_opentelemetry_is_imported_where_no_collector_is_named(endpoint: str | None) -> None:
    script = (
        "import sys; from ca_server import app, tracing; end = tracing.begin();"
        "print(any(name.startswith('opentelemetry') for name in sys.modules)); tracing._tracer = None"
    )
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    if endpoint is not None:
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == str(endpoint is not None)


def test_a_service_without_the_extra_starts_where_a_collector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9/")
    tracing.begin()()
    with tracing.span("request") as span:
        assert span is None
