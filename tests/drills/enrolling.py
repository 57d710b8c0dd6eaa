"""A lean asynchronous ACME caller: what a good client does, without what a person would see of it.

Both keys of a `Candidate` are made before the first request and kept, so any lost answer is harmless: newAccount is
sent again with the same key (RFC 8555 §7.3.1), the order polled, the certificate downloaded again. badNonce is tried
again with the nonce that came with it (§6.5), 503 after its Retry-After, and a refused connection waited for.
"""

import asyncio
import collections
import dataclasses
import json
import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from keys.algorithms import PrivateKey
from keys.csr import build_signing_request
from keys.generate import generate
from protocol import base64url, jws
from protocol.credential import mac_key
from tests.end_to_end.agency import Invitation

JOSE = {"Content-Type": "application/jose+json"}
_TRIES_WITH_A_NONCE = 50
_AFTER_A_LOST_ANSWER = 0.05


class Refused(Exception):
    """The service said no for good."""


class ComeBack(Exception):
    """The service asked to come back after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"come back after {seconds} s")
        self.seconds = seconds


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came back, and after how many seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    def members(self) -> dict[str, object]:
        """Return the body as a JSON object."""
        value = json.loads(self.body)
        assert isinstance(value, dict), value
        return value

    @property
    def problem(self) -> str:
        """Return the last word of the problem's type, the empty text for an answer that is none."""
        media_type = self.headers.get("Content-Type", "").partition(";")[0]
        if media_type != "application/problem+json" or not self.body:  # a HEAD's has none
            return ""
        return str(self.members().get("type", "")).rpartition(":")[2]

    @property
    def retry_after(self) -> float:
        """Return the seconds after which to come back, 1 when none are said."""
        return float(self.headers.get("Retry-After", "1"))


@dataclasses.dataclass(frozen=True)
class Signer:
    """Who signs a request: a key, named by its account's URL or, before there is one, by itself."""

    key: PrivateKey
    account_url: str | None = None

    def header(self) -> dict[str, object]:
        """Return the header member that names the key."""
        if self.account_url is not None:
            return {"kid": self.account_url}
        return {"jwk": jws.jwk(self.key.public_key())}


@dataclasses.dataclass
class Candidate:
    """A PC on its way to a certificate: both keys from the beginning, the rest as it was answered.

    `replaces` is the CertID (RFC 9773 §4.1) of what a renewal renews.
    """

    invitation: Invitation
    account_key: PrivateKey = dataclasses.field(default_factory=lambda: generate("P-256"))
    certificate_key: PrivateKey = dataclasses.field(default_factory=lambda: generate("P-256"))
    account_url: str | None = None
    order_url: str | None = None
    chain: bytes | None = None
    replaces: str | None = None

    @property
    def signer(self) -> Signer:
        """Return the account's signer."""
        return Signer(self.account_key, self.account_url)

    def binding(self, url: str) -> dict[str, str]:
        """Return the external account binding for newAccount at `url`."""
        secret = mac_key(self.invitation.kid, self.invitation.password)
        return jws.bind(self.invitation.kid, secret, url, self.account_key.public_key())

    def finalize(self) -> bytes:
        """Return the payload of finalize."""
        request = build_signing_request(self.certificate_key, self.invitation.cn)
        return json.dumps({"csr": base64url.encode(request)}).encode()


class Caller:
    """One pool of connections to one service, with its nonces and a tally of what was answered."""

    def __init__(self, public_url: str, trust: ssl.SSLContext, longest_wait: float = 3, connections: int = 16) -> None:
        self.public_url = public_url
        self.longest_wait = longest_wait
        self.tally: collections.Counter[tuple[int, str]] = collections.Counter()
        self._trust = trust
        self._connections = connections
        self._nonces: list[str] = []

    async def __aenter__(self) -> Self:
        """Open the pool."""
        connector = aiohttp.TCPConnector(ssl=self._trust, limit=self._connections)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30))
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close the pool."""
        await self._session.close()

    def url(self, resource: str) -> str:
        """Return the URL of one of the directory's resources, such as new-order."""
        return f"{self.public_url}/acme/{resource}"

    async def exchange(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request as it is and return its answer. Raises aiohttp.ClientError, OSError or TimeoutError."""
        started = time.perf_counter()
        target = URL(url, encoded=True)
        async with self._session.request(method, target, data=body, headers=headers, allow_redirects=False) as got:
            answer = Answer(got.status, got.headers.copy(), await got.read(), time.perf_counter() - started)
        if "Replay-Nonce" in answer.headers and len(self._nonces) < 64:
            self._nonces.append(answer.headers["Replay-Nonce"])
        self.tally[answer.status, answer.problem] += 1
        return answer

    async def nonce(self) -> str:
        """Return a nonce not used yet."""
        if not self._nonces:
            await self.exchange("HEAD", self.url("new-nonce"))
        return self._nonces.pop()

    async def post(self, signer: Signer, url: str, payload: bytes) -> Answer:
        """Send a signed request, again after badNonce, and return the answer."""
        answer: Answer | None = None
        for _ in range(_TRIES_WITH_A_NONCE):
            protected = {**signer.header(), "url": url, "nonce": await self.nonce()}
            answer = await self.exchange("POST", url, jws.sign(signer.key, payload, protected), JOSE)
            if answer.problem != "badNonce":
                return answer
            self._nonces = self._nonces[-1:]
        raise Refused(f"no nonce was good at {url}: {answer}")

    def forget_nonces(self) -> None:
        """Forget what a service that went away gave out."""
        self._nonces.clear()

    def waited(self, seconds: float) -> float:
        """Return how long to wait when told `seconds`."""
        return min(seconds, self.longest_wait)


async def enrol(caller: Caller, candidate: Candidate, seconds: float = 240) -> bytes:
    """Enrol, whatever gets lost on the way, and return the chain as PEM. Raises Refused, or TimeoutError at last."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            candidate.chain = await _steps(caller, candidate)
            return candidate.chain
        except ComeBack as later:
            wait = caller.waited(later.seconds)
        except (aiohttp.ClientError, OSError, TimeoutError):
            caller.forget_nonces()
            wait = _AFTER_A_LOST_ANSWER
        if time.monotonic() > deadline:
            raise TimeoutError(f"{candidate.invitation.cn} has no certificate after {seconds} s")
        await asyncio.sleep(wait)


async def bind(caller: Caller, candidate: Candidate) -> None:
    """Bind the account, or find it again by its key. Raises Refused or ComeBack."""
    url = caller.url("new-account")
    asked = {"termsOfServiceAgreed": True, "externalAccountBinding": candidate.binding(url)}
    answer = await caller.post(Signer(candidate.account_key), url, json.dumps(asked).encode())
    candidate.account_url = _good(answer).headers["Location"]


async def order(caller: Caller, candidate: Candidate) -> dict[str, object]:
    """Open the order, or read the one that was opened. Raises Refused or ComeBack."""
    if candidate.order_url is not None:
        return _good(await caller.post(candidate.signer, candidate.order_url, b"")).members()
    asked: dict[str, object] = {"identifiers": [{"type": "permanent-identifier", "value": candidate.invitation.cn}]}
    if candidate.replaces is not None:
        asked["replaces"] = candidate.replaces
    answer = _good(await caller.post(candidate.signer, caller.url("new-order"), json.dumps(asked).encode()))
    candidate.order_url = answer.headers["Location"]
    return answer.members()


async def _steps(caller: Caller, candidate: Candidate) -> bytes:
    if candidate.account_url is None:
        await bind(caller, candidate)
    opened = await order(caller, candidate)
    if opened["status"] == "ready":
        answer = await caller.post(candidate.signer, str(opened["finalize"]), candidate.finalize())
        if answer.problem == "orderNotReady":  # another try of ours was faster: read it again
            raise ComeBack(_AFTER_A_LOST_ANSWER)
        opened = _good(answer).members()
    if opened["status"] == "processing":
        raise ComeBack(1)
    if opened["status"] != "valid":
        raise Refused(f"the order of {candidate.invitation.cn} is {opened}")
    return _good(await caller.post(candidate.signer, str(opened["certificate"]), b"")).body


def _good(answer: Answer) -> Answer:
    if answer.status in (200, 201):
        return answer
    if answer.status == 503:
        raise ComeBack(answer.retry_after)
    raise Refused(f"{answer.status}: {answer.body.decode()}")
