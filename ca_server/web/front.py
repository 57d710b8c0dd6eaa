"""The front: what every request meets on its way in and every answer on its way out.

One middleware gives a request its id, turns every error into a problem document, adds the headers that RFC 8555 §6.5
and §7.1 want, and counts and writes the one log line: the route's name, never its path, for a one-time URL is a secret.
"""

import asyncio
import dataclasses
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ca_server import logs, refusals, tracing
from ca_server.ids import request_id
from ca_server.language import ENGLISH, Sentence, choose, sentence
from ca_server.store import Unavailable
from ca_server.tally import Requests
from ca_server.web.authenticate import Authenticator, Signed, Signer
from ca_server.web.limits import Window, network_of
from ca_server.web.look import preferred
from ca_server.web.nonces import Pool
from ca_server.web.problems import is_unforeseen, problem_of, retry_after
from ca_server.web.render import Answer, Urls
from protocol.problems import Problem, ProblemType
from protocol.vocabulary import REPLAY_NONCE, RETRY_AFTER, MediaType

trouble = logging.getLogger("warifu.trouble")

_SECONDS_FOR_A_BODY = 10
_LONGEST_AGENT = 200
_SHOWN = frozenset({404, 408, 413, 429})
"""Statuses that a person is shown a page for, as for all from 500 on."""


@dataclasses.dataclass(frozen=True)
class Front:
    """Carries requests to their handlers and answers back."""

    urls: Urls
    nonces: Pool
    authenticator: Authenticator
    failures: Window
    trusted_proxies: frozenset[str]
    refusal: Callable[[web.Request, int, str], web.Response]
    """Answers a person, by status and request id, where a program gets the problem document."""
    requests: Requests = dataclasses.field(default_factory=Requests)
    """What was answered, for whoever watches."""

    def signed(self, signer: Signer, handler: Callable[[Signed], Awaitable[Answer]]) -> Handler:
        """Return the handler of a POST that is a JWS (RFC 8555 §6.2).

        Whether its account is valid, every operation sees for itself; here only when something else is refused.
        """

        async def handle(request: web.Request) -> web.Response:
            signed = await self._verified(request, signer)
            try:
                answer = await handler(signed)
            except Exception as error:
                if not is_unforeseen(error):
                    await self.authenticator.require_valid(signed.account_id)
                raise
            return self._response(answer)

        return handle

    async def read(self, request: web.Request, handler: Callable[[], Awaitable[Answer]]) -> web.Response:
        """Answer a GET, or the POST-as-GET that works on every resource."""
        if request.method == "POST":
            signed = await self._verified(request, Signer.ACCOUNT)
            await self.authenticator.require_valid(signed.account_id)
            signed.require_read()
        return self._response(await handler())

    def address(self, request: web.Request) -> str:
        """Return where a request came from; X-Forwarded-For is believed of configured proxies alone."""
        peer = request.remote or ""
        if peer not in self.trusted_proxies:
            return peer
        # A proxy adds its word at the end, of the last header if there are several; all before it anybody can write.
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", [])).rpartition(",")[2].strip()
        try:
            return str(ipaddress.ip_address(forwarded))
        except ValueError:
            return peer

    async def _verified(self, request: web.Request, signer: Signer) -> Signed:
        if request.content_type != MediaType.JOSE:
            raise Problem(ProblemType.MALFORMED, f"The Content-Type must be {MediaType.JOSE}.", status=415)
        body = await _body(request)
        url = self.urls.of(request.raw_path)
        message, key, account_id = await self.authenticator.verify(body, url, signer)
        logs.concerns(account_id, None)
        return Signed(
            message, request.match_info, _query(request), self.address(request), _agent(request), url, key, account_id
        )

    def _response(self, answer: Answer) -> web.Response:
        headers = {
            "Content-Type": answer.media_type,
            "Cache-Control": "no-store",
            REPLAY_NONCE: self.nonces.fresh(),
        }
        if answer.index:
            headers["Link"] = f'<{self.urls.of("/directory")}>;rel="index"'
        if answer.location is not None:
            headers["Location"] = answer.location
        if answer.retry_after is not None:
            headers[RETRY_AFTER] = str(answer.retry_after)
        response = web.Response(body=answer.octets(), status=answer.status, headers=headers)
        for target, relation in answer.links:
            response.headers.add("Link", f'<{target}>;rel="{relation}"')
        return response

    def middleware(self) -> Middleware:
        """Return the one middleware."""

        @web.middleware
        async def front(request: web.Request, handler: Handler) -> web.StreamResponse:
            with tracing.span("request") as span:
                started, errand = time.perf_counter(), logs.begin(request_id())
                address = self.address(request)
                response, problem = await self._answered(request, handler, address, errand.id)
                response.headers["Request-Id"] = errand.id
                name, word = _name(request), problem.type.word if problem else None
                tracing.tell(span, errand.id, request.method, name, (response.status, word))
                seconds = time.perf_counter() - started
                self.requests.count(name, response.status, word, seconds)
                if logs.access.isEnabledFor(logging.INFO):
                    answered = response.status, word, _octets(response)
                    logs.tell(errand, (request.method, name, address), answered, 1000 * seconds)
                return response

        return front

    async def _answered(
        self, request: web.Request, handler: Handler, address: str, request_id: str
    ) -> tuple[web.StreamResponse, Problem | None]:
        """Return the handler's answer, or what is said of its error, and that error's problem."""
        network = network_of(address)
        counts = request.method == "POST"  # whoever only reads shuts nobody of its network out
        try:
            if counts:
                self.failures.require(network)
            return await handler(request), None
        except asyncio.CancelledError:
            raise
        except Exception as error:
            problem = problem_of(error)
            if isinstance(error, Unavailable):  # it says all, and everybody meets it at the same time
                trouble.error("request %s on %s cannot be answered: %s", request_id, _name(request), error)
            elif is_unforeseen(error):
                trouble.error("request %s on %s met %r", request_id, _name(request), type(error), exc_info=error)
            if counts and problem.type is not ProblemType.BAD_NONCE and problem.status < 500:
                self.failures.count(network)
                _tell_refusal(request, problem, error, address)
            return self._refusal(request, problem, error, request_id), problem

    def _refusal(self, request: web.Request, problem: Problem, error: Exception, request_id: str) -> web.Response:
        is_shown = problem.status in _SHOWN or problem.status >= 500
        if is_shown and "text/html" in request.headers.get("Accept", ""):
            response = self.refusal(request, problem.status, request_id)
            if seconds := retry_after(error):
                response.headers[RETRY_AFTER] = str(seconds)
            return response
        location = self.urls.account(error.account_id) if hasattr(error, "account_id") else None
        detail = problem.detail
        if is_unforeseen(error):
            detail = sentence("{detail} Request id: {request_id}", detail=detail, request_id=request_id)
        language = choose(preferred(request) or ENGLISH, {})
        document = {**problem.render(), "detail": language.say(detail)}
        answer = Answer(document, problem.status, MediaType.PROBLEM, location=location, retry_after=retry_after(error))
        response = self._response(answer)
        response.headers["Content-Language"] = language.code if isinstance(detail, Sentence) else ENGLISH
        if isinstance(error, web.HTTPMethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return response


def _tell_refusal(request: web.Request, problem: Problem, error: Exception, address: str) -> None:
    """Write who was refused what, and why in words of ours: a detail may quote what was sent."""
    why, cause = str(problem.extra.get("reason") or problem.type.word), type(error).__name__
    refusals.tell(_name(request), why, cause, address=address, **logs.whom())


def _octets(response: web.StreamResponse) -> int | None:
    """Return the length of an answer's body, None for a file's, which is known when it is sent."""
    body = getattr(response, "body", None)
    return len(body) if isinstance(body, bytes) else None


async def _body(request: web.Request) -> bytes:
    """Return the body, which mostly came with its header.

    Raises HTTPRequestTimeout when it does not arrive in time, or whoever sent it hung up before its end.
    """
    if request.content.is_eof():
        return request.content.read_nowait()
    try:
        async with asyncio.timeout(_SECONDS_FOR_A_BODY):
            return await request.read()
    except (TimeoutError, ConnectionError) as error:
        raise web.HTTPRequestTimeout from error


def _query(request: web.Request) -> Mapping[str, str]:
    """Return the query; of an empty one aiohttp would make a new one for each request."""
    return request.query if request.query_string else {}


def _agent(request: web.Request) -> str:
    """Return the software that asks, cut to what a mail can show; it says so itself."""
    agent = request.headers.get("User-Agent", "")
    if not agent.isprintable():
        agent = "".join(each for each in agent if each.isprintable())
    return agent[:_LONGEST_AGENT]


def _name(request: web.Request) -> str:
    """Return the name of the request's route; a path could hold a kid."""
    resource = request.match_info.route.resource
    return "-" if resource is None else resource.canonical
