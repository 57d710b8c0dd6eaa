"""Carries requests to an ACME server: JSON over HTTPS, signed (RFC 8555 §6), and brings its answers or its problem.

- Trust is explicit: the certificates of one file and nothing besides, or the system's store. No switch turns it off.
- Nonces (§6.5): each answer's Replay-Nonce is kept for the next request; a badNonce is answered by another try with
  the nonce that came with it, and the kept ones, of the same age, are thrown away.
- A lost connection and 429, 502, 503, 504 are waited for, as Retry-After says or with growing delays, and the request
  is signed and sent again: every step of the protocol may be repeated (protocol.md, Enrolment). The wait is bounded.
"""

import asyncio
import errno
import json
import logging
import math
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from client.clock import now
from client.config import Patience, Settings, agent
from client.errors import CALL_HELP_DESK, ClientError, TryLater
from client.language import sentence
from keys.algorithms import PrivateKey
from protocol import jws
from protocol.credential import PATH
from protocol.problems import Problem, ProblemType
from protocol.resources import Directory
from protocol.vocabulary import REPLAY_NONCE, RETRY_AFTER, MediaType

MAX_ANSWER: Final = 1_048_576
"""The most octets of an answer that are read."""

_NONCE_TRIES = 5
"""How often a request is sent whose nonce is refused each time: one refusal is a restart, five are a fault."""

_LOG = logging.getLogger(__name__)
_PASSING = (429, 502, 503, 504)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

Tell = Callable[..., None]
"""Shows a sentence and its facts to whoever watches."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer that is no error."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """Return the body's JSON. Raises Problem (malformed) when it is none."""
        return jws.strict_json(self.body)

    @property
    def location(self) -> str:
        """Return the URL of what was made or found. Raises Problem when the server did not say it."""
        location = self.headers.get("Location")
        if location is None:
            raise Problem(ProblemType.BLANK, "The server's answer has no Location (RFC 8555 §7.3, §7.4).")
        return location

    @property
    def retry_after(self) -> float | None:
        """Return the seconds that the server asks to wait (RFC 9110 §10.2.3), None when it does not."""
        return _seconds(self.headers.get(RETRY_AFTER))


class Deadline:
    """One wait, as long as patience allows."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._ends = time.monotonic() + patience.give_up
        self._delay = patience.first_delay

    def next_delay(self, asked: float | None) -> float:
        """Return the seconds to wait: what the server asked for, else a growing delay, spread so that PCs part."""
        if asked is not None:
            return max(asked, self._patience.first_delay)
        delay, self._delay = self._delay, min(self._delay * 2, self._patience.longest_delay)
        return delay * random.uniform(0.8, 1.2)  # noqa: S311 (no secret)

    async def wait(self, seconds: float, otherwise: ClientError) -> None:
        """Wait. Raises `otherwise` at once when that would be longer than patience allows."""
        if time.monotonic() + seconds > self._ends:
            raise otherwise
        await asyncio.sleep(seconds)


class Transport:
    """One conversation with one server; `connect` first, for all but plain GETs.

    `server_time` is what its last answer was dated with, None as long as none was.
    """

    def __init__(self, session: aiohttp.ClientSession, patience: Patience, tell: Tell) -> None:
        self.patience: Final = patience
        self.directory: Directory
        self.server_time: datetime | None = None
        self._session = session
        self._tell = tell
        self._nonces: list[str] = []

    async def connect(self, directory_url: str) -> None:
        """Fetch the directory (§7.1.1)."""
        self.directory = Directory.parse((await self.get(directory_url)).json())

    async def get(self, url: str) -> Answer:
        """Fetch JSON without a signature. Raises Problem for an error of the server, TryLater when it stays away."""

        async def send() -> Answer:
            return await self._once("GET", url, headers={"Accept": MediaType.JSON})

        return await self._repeated(send)

    async def post(
        self, url: str, key: PrivateKey, payload: Mapping[str, object] | None, account: str | None
    ) -> Answer:
        """Send a payload, or None for a POST-as-GET (§6.3), signed under the account's URL or, without, the key itself.

        Raises Problem for an error of the server, TryLater when it stays away.
        """
        signer = {"jwk": jws.jwk(key.public_key())} if account is None else {"kid": account}
        octets = b"" if payload is None else json.dumps(payload, separators=(",", ":")).encode("ascii")

        async def send() -> Answer:
            protected = {**signer, "nonce": await self._nonce(), "url": url}
            headers = {"Content-Type": MediaType.JOSE, "Accept": f"{MediaType.JSON}, {MediaType.PEM_CHAIN}"}
            return await self._once("POST", url, headers=headers, body=jws.sign(key, octets, protected))

        for tries_left in reversed(range(_NONCE_TRIES)):
            try:
                return await self._repeated(send)
            except Problem as problem:
                if problem.type is not ProblemType.BAD_NONCE or not tries_left:
                    raise
            del self._nonces[:-1]
        raise AssertionError("the last try returns or raises")

    async def _nonce(self) -> str:
        if not self._nonces:
            await self._once("HEAD", self.directory.new_nonce, headers={})
        if not self._nonces:
            raise Problem(ProblemType.BLANK, "The server gives no nonce (RFC 8555 §7.2).")
        return self._nonces.pop()

    async def _repeated(self, send: Callable[[], Awaitable[Answer]]) -> Answer:
        deadline = Deadline(self.patience)
        while True:
            try:
                return await send()
            except aiohttp.ClientConnectorCertificateError as error:
                raise _untrusted(error) from error
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
                later, asked = _unreachable(error), None
            except aiohttp.ClientError as error:
                raise Problem(ProblemType.BLANK, f"The server does not speak HTTP as it should: {error}") from error
            except _Passing as passing:
                later, asked = passing.later, passing.seconds
            seconds = deadline.next_delay(asked)
            self._tell(sentence("{reason} Trying again in {seconds} s."), reason=later, seconds=math.ceil(seconds))
            await deadline.wait(seconds, later)

    async def _once(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        if urlsplit(url).scheme != "https":
            raise ClientError("insecureUrl", sentence("The address does not begin with https://."), CALL_HELP_DESK)
        request = self._session.request(method, url, headers=headers, data=body, allow_redirects=False)
        async with request as response:
            answer = Answer(response.status, response.headers, await _body(response))
        _LOG.debug("%s %s %d", method, _showable(url), answer.status)
        self.server_time = _moment(answer.headers.get("Date")) or self.server_time
        if nonce := answer.headers.get(REPLAY_NONCE):
            self._nonces.append(nonce)
        if answer.status < 300:
            return answer
        problem = Problem.parse(_document(answer.body), answer.status)
        if answer.status in _PASSING:
            raise _Passing(problem, answer.retry_after)
        raise problem


class _Passing(Exception):
    """The server is busy, and says for how long or not."""

    def __init__(self, problem: Problem, seconds: float | None) -> None:
        super().__init__(problem.detail)
        self.seconds = seconds
        self.later = TryLater(
            "rateLimited" if problem.status == HTTPStatus.TOO_MANY_REQUESTS else "busy",
            sentence("The server is busy ({status}): {detail}"),
            sentence("Try again later; nothing is lost."),
            facts={"status": problem.status, "detail": problem.detail},
        )


@asynccontextmanager
async def open_transport(settings: Settings, ca_file: Path | None, server: str, tell: Tell) -> AsyncIterator[Transport]:
    """Open a conversation with the server of a URL, trusting `ca_file` alone or, without, the system's store.

    A proxy that the environment names is used, but not to reach this PC itself.
    """
    headers = {"User-Agent": agent(), "Accept-Language": settings.language}
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trust(ca_file)),
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=settings.patience.answer, sock_connect=10),
        trust_env=urlsplit(server).hostname not in _LOOPBACK,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield Transport(session, settings.patience, tell)


async def post_plainly(url: str, body: bytes, media_type: str, settings: Settings) -> bytes:
    """Send a body to an address that need not be https, once, and return the answer's, which vouches for itself.

    Raises TryLater when there is no good answer within the settings' patience.
    """
    timeout = aiohttp.ClientTimeout(total=min(settings.patience.give_up or 1, settings.patience.answer))
    trust_env = urlsplit(url).hostname not in _LOOPBACK
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=trust_env, headers={"User-Agent": agent()}) as session,
            session.post(url, data=body, headers={"Content-Type": media_type}, allow_redirects=False) as response,
        ):
            _LOG.debug("POST %s %d", _showable(url), response.status)
            response.raise_for_status()
            return await _body(response)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _unreachable(error) from error


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Return who is believed to be the server: the certificates in `ca_file` and no others, or the system's.

    With a file, neither the system's store nor SSL_CERT_FILE is looked at. Raises ClientError for an unusable file.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ClientError(
            "badCaFile",
            sentence("{path} cannot be read as certificates in PEM."),
            facts={"path": ca_file},
            fields={"--ca-file": "PEM"},
        ) from error


def _showable(url: str) -> str:
    """Return a URL for the log, which must not hold a kid."""
    before, path, _ = url.partition(PATH)
    return f"{before}{path}…" if path else url


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise Problem(ProblemType.BLANK, f"The server's answer is longer than {MAX_ANSWER} octets.")
    return bytes(body)


def _document(body: bytes) -> object:
    try:
        return jws.strict_json(body)
    except Problem:
        return None


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    moment = _moment(text)
    return None if moment is None else max(0.0, (moment - now()).total_seconds())


def _moment(text: str | None) -> datetime | None:
    """Return a date of HTTP (RFC 9110 §5.6.7), None when it is none."""
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def _unreachable(error: Exception) -> TryLater:
    return TryLater(
        "unreachable",
        sentence("The server cannot be reached ({reason})."),
        sentence("Check the network and try again; nothing is lost."),
        facts={"reason": why_not(error)},
    )


def why_not(error: Exception) -> object:
    """Return why a server was not reached: a sentence where the way out is known, else the system's words."""
    match error:
        case TimeoutError():
            return sentence("no answer in time")
        case aiohttp.ClientProxyConnectionError():
            return str(error)
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return sentence("its name is not found")
        case aiohttp.ClientResponseError():
            return ClientError("status", sentence("it answers with the error {status}"), facts={"status": error.status})
        case aiohttp.ClientConnectorError(os_error=OSError() as cause):
            return why_not(cause)
        case aiohttp.ServerDisconnectedError() | ConnectionResetError() | BrokenPipeError():
            return sentence("it broke the connection off")
        case OSError(errno=errno.ECONNREFUSED):
            return sentence("nobody answers at its address")
        case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH):
            return sentence("there is no way to it in the network")
        case OSError() if "unreachable" in str(error) or "No route" in str(error):  # one of several addresses
            return sentence("there is no way to it in the network")
        case OSError() if "Connect call failed" in str(error):
            return sentence("nobody answers at its address")
    return str(error) or type(error).__name__


def _untrusted(error: aiohttp.ClientConnectorCertificateError) -> ClientError:
    cause, remedy = error.certificate_error, _CHECK_TRUST
    reason, code = str(cause), 0
    if isinstance(cause, ssl.SSLCertVerificationError):
        code = cause.verify_code
        reason = _VERIFICATION.get(code, cause.verify_message)
        remedy = _CHECK_CLOCK if code in OF_TIME else _CHECK_TRUST
    what = sentence("The server {host} cannot prove who it is: {reason}.")
    return ClientError("untrustedServer", what, remedy, facts={"host": error.host, "reason": reason, "code": code})


_STRANGER = sentence("nobody whom this PC trusts vouches for its certificate")
_VERIFICATION: Final[Mapping[int, str]] = MappingProxyType(
    {
        9: sentence("its certificate is not valid yet"),
        10: sentence("its certificate has expired"),
        18: _STRANGER,
        19: _STRANGER,
        20: _STRANGER,
        21: _STRANGER,
        62: sentence("its certificate is for another name"),
    }
)
"""OpenSSL's X509_V_ERR_* → what it means."""

OF_TIME: Final = (9, 10)
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED, in the fact `code` of untrustedServer."""

_CHECK_CLOCK = sentence(
    "Nothing was sent. Check date and time of this PC; if they are right, tell the help desk that the server's "
    "certificate is not valid at this time."
)
_CHECK_TRUST = sentence(
    "Nothing was sent. Check the address; if the operator gave you a file of certificates, name it with "
    "--ca-file. There is no way to go on without."
)
