"""Fuzz: thousands of requests that are nearly right, at every layer, signed anew where that leads deeper.

Each case has its own seed, so that one that fails is found again by its number. Demanded: no 5xx, no answer slower than
a second, the service alive at the end, and the books balanced.
"""

import asyncio
import collections
import dataclasses
import json
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from ca_server.authority import der
from keys import algorithms
from keys.algorithms import PrivateKey
from keys.csr import build_signing_request
from keys.generate import generate
from protocol import base64url, jws
from tests.drills import canaries, ground, mutations, raw_http
from tests.drills.enrolling import JOSE, Answer, Caller, Candidate, Signer, enrol
from tests.drills.figures import Figure, counted, none_of
from tests.drills.terrain import Request, Terrain, bound, certificate_id, leaf_of, signed
from tests.end_to_end.agency import Agency, Invitation

_WORKERS = 4
_SLOW_SECONDS = 1.0
_ECDSA_WITH_SHA256 = der.sequence(der.object_identifier("1.2.840.10045.4.3.2"))
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")
_PIECES = (
    "", "..", "%2e%2e", "%00", "%ff", "%ed%a0%80", "%F0%9F%98%80", "a" * 300, "a" * 7000, "1" * 40, "-1", "'", '"',
    "<b>",     "%0d%0aX:y", "new-nonce", ".crl", "%2f", ";", "root", "*", "issuing-1", "~", "%c0%af", "١",
)  # fmt: skip
_PATHS = (
    "/directory", "/acme/new-nonce", "/acme/new-account", "/acme/account/{}", "/acme/account/{}/orders?cursor={}",
    "/acme/order/{}", "/acme/order/{}/finalize", "/acme/authorization/{}/{}", "/acme/certificate/{}",
    "/acme/renewal-info/{}", "/e/{}", "/e/{}?language={}", "/{}", "/style.css?{}", "/{}/{}",
)  # fmt: skip
_PLAIN_PATHS = ("/ocsp/{}", "/crl/{}.crl", "/crl/{}", "/ca/{}.cer", "/{}", "/ocsp?{}", "/crl/../{}.crl")


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of a case; `status` is None where the service rightly waited for more, or hung up."""

    number: int
    kind: str
    status: int | None
    seconds: float
    word: str

    def __str__(self) -> str:
        """Tell the case so that it can be run again."""
        return f"case {self.number} ({self.kind}): {self.status} {self.word} {self.seconds:.2f} s"


@dataclasses.dataclass
class Worker:
    """Makes and sends the cases of one share."""

    agency: Agency
    terrain: Terrain

    async def run(self, number: int, seed: int) -> Result:
        """Make case `number`, send it, and return what became of it."""
        chance = random.Random(f"{seed}/{number}")
        kind = chance.choice(_KINDS)
        started = time.perf_counter()
        try:
            answer = await kind(self, chance)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            alive = self.agency.process is not None and self.agency.process.poll() is None
            seconds = time.perf_counter() - started if alive else 3600.0
            return Result(number, kind.__name__, None, seconds, type(error).__name__)
        if answer is None:
            return Result(number, kind.__name__, None, 0, "")
        return Result(number, kind.__name__, answer.status, answer.seconds, answer.problem)

    async def payload(self, chance: random.Random) -> Answer:
        """A payload changed as JSON, signed anew."""
        request = self.terrain.valid(chance)
        return await self._send(request.signer, request.url, mutations.json_text(chance, request.payload))

    async def header(self, chance: random.Random) -> Answer:
        """A protected header changed as JSON, signed anew."""
        request = self.terrain.valid(chance)
        protected = mutations.json_text(chance, await self._protected(request.signer, request.url))
        members = signed(request.signer.key, protected, json.dumps(request.payload).encode())
        return await self._post(request.url, json.dumps(members).encode())

    async def body(self, chance: random.Random) -> Answer:
        """The whole body changed: as octets, as JSON, or one of its texts as base64url."""
        request = self.terrain.valid(chance)
        protected = json.dumps(await self._protected(request.signer, request.url)).encode()
        members = signed(request.signer.key, protected, json.dumps(request.payload).encode())
        match chance.randrange(3):
            case 0:
                body = mutations.octets(chance, json.dumps(members).encode())
            case 1:
                body = mutations.json_text(chance, members)
            case _:
                name = chance.choice(list(members))
                body = json.dumps(members | {name: mutations.base64url(chance, members[name])}).encode()
        return await self._post(request.url, body)

    async def signing_request(self, chance: random.Random) -> Answer:
        """A CSR changed as DER."""
        request = self.terrain.finalized(chance)
        return await self._finalize(request, mutations.der(chance, base64url.decode(str(request.payload["csr"]))))

    async def proven_signing_request(self, chance: random.Random) -> Answer:
        """A CSR whose inside was changed and signed anew, so that its proof of possession is right."""
        request = self.terrain.finalized(chance)
        return await self._finalize(request, proven(chance, generate("P-256")))

    async def certificate(self, chance: random.Random) -> Answer:
        """A certificate changed as DER, in revokeCert."""
        candidate = chance.choice(self.terrain.held)
        encoded = base64url.encode(mutations.der(chance, leaf_of(candidate)))
        payload = {"certificate": encoded, "reason": chance.choice((0, 1, 4))}
        return await self._send(candidate.signer, self.terrain.caller.url("revoke-cert"), json.dumps(payload).encode())

    async def binding(self, chance: random.Random) -> Answer:
        """An external account binding changed inside, its MAC right; now and then of a wrong password."""
        invitation, key = chance.choice(self.terrain.spare), generate("P-256")
        url = self.terrain.caller.url("new-account")
        protected: object = {"alg": "HS256", "kid": invitation.kid, "url": url}
        payload: object = jws.jwk(key.public_key())
        texts = [json.dumps(protected).encode(), json.dumps(payload).encode()]
        place = chance.randrange(2)
        texts[place] = mutations.json_text(chance, (protected, payload)[place])
        if chance.random() < 0.02:
            invitation = Invitation(invitation.cn, invitation.url, "0" * 25)
        asked = {"termsOfServiceAgreed": True, "externalAccountBinding": bound(invitation, texts[0], texts[1])}
        return await self._send(Signer(key), url, json.dumps(asked).encode())

    async def inner(self, chance: random.Random) -> Answer:
        """The inner JWS of keyChange changed and signed anew."""
        candidate, fresh = chance.choice(self.terrain.held), generate("P-256")
        url = self.terrain.caller.url("key-change")
        protected: object = {"alg": "ES256", "jwk": jws.jwk(fresh.public_key()), "url": url}
        payload: object = {"account": candidate.account_url, "oldKey": jws.jwk(candidate.account_key.public_key())}
        texts = [json.dumps(protected).encode(), json.dumps(payload).encode()]
        place = chance.randrange(2)
        texts[place] = mutations.json_text(chance, (protected, payload)[place])
        return await self._send(candidate.signer, url, json.dumps(signed(fresh, texts[0], texts[1])).encode())

    async def path(self, chance: random.Random) -> Answer:
        """A path or a query that nobody meant, signed for it where it is a POST."""
        pieces = [chance.choice((*_PIECES, certificate_id(self.terrain.held[0]))) for _ in range(2)]
        url = self.agency.public_url + chance.choice(_PATHS).format(*pieces)
        method = chance.choice(_METHODS)
        if method == "POST":
            return await self._send(chance.choice(self.terrain.held).signer, url, b"")
        headers = {"Accept": chance.choice(("application/json", "text/html", "\xff", "a" * 500))}
        return await self.terrain.caller.exchange(method, url, headers=headers)

    async def plain(self, chance: random.Random) -> Answer:
        """Paths of the plain address that nobody meant."""
        url = self.agency.http_url + chance.choice(_PLAIN_PATHS).format(chance.choice(_PIECES))
        return await self.terrain.caller.exchange(chance.choice(_METHODS), url)

    async def ocsp(self, chance: random.Random) -> Answer:
        """An OCSP request changed as DER, by POST or GET."""
        request = mutations.der(chance, ocsp_request(self.terrain.held[0], chance))
        if chance.random() < 0.5:
            headers = {"Content-Type": "application/ocsp-request"}
            return await self.terrain.caller.exchange("POST", f"{self.agency.http_url}/ocsp", request, headers)
        encoded = base64url.encode(request).replace("-", "%2B").replace("_", "/")
        return await self.terrain.caller.exchange("GET", f"{self.agency.http_url}/ocsp/{encoded[:6000]}")

    async def octets(self, chance: random.Random) -> Answer | None:
        """Octets on a connection of their own: hardly HTTP."""
        port = self.agency.public_port if chance.random() < 0.5 else self.agency.http_port
        trust = self.agency.trust() if port == self.agency.public_port else None
        return await raw_http.say(port, trust, raw_http.nonsense(chance, f"localhost:{port}"))

    async def _protected(self, signer: Signer, url: str) -> dict[str, object]:
        return {**signer.header(), "alg": "ES256", "url": url, "nonce": await self.terrain.caller.nonce()}

    async def _send(self, signer: Signer, url: str, payload: bytes) -> Answer:
        protected = json.dumps(await self._protected(signer, url)).encode()
        return await self._post(url, json.dumps(signed(signer.key, protected, payload)).encode())

    async def _post(self, url: str, body: bytes) -> Answer:
        return await self.terrain.caller.exchange("POST", url, body, JOSE)

    async def _finalize(self, request: Request, encoded: bytes) -> Answer:
        return await self._send(request.signer, request.url, json.dumps({"csr": base64url.encode(encoded)}).encode())


Kind = Callable[[Worker, random.Random], Awaitable[Answer | None]]
_KINDS: tuple[Kind, ...] = (
    *(Worker.payload, Worker.header, Worker.body) * 3,
    *(Worker.signing_request, Worker.proven_signing_request) * 3,
    *(Worker.certificate, Worker.binding, Worker.inner, Worker.path, Worker.ocsp),
    *(Worker.plain, Worker.octets),
)


def proven(chance: random.Random, key: PrivateKey) -> bytes:
    """Return a CSR whose certificationRequestInfo was changed before it was signed (RFC 2986 §4.2)."""
    request = x509.load_der_x509_csr(build_signing_request(key, "F123456-001", ["f123456-001"]))
    information = mutations.der(chance, request.tbs_certrequest_bytes)
    signature = der.element(der.BIT_STRING, b"\x00", algorithms.sign(key, information))
    return der.sequence(information, _ECDSA_WITH_SHA256, signature)


def ocsp_request(candidate: Candidate, chance: random.Random) -> bytes:
    """Return an OCSP request for the candidate's certificate, with a nonce now and then."""
    leaf, issuer = x509.load_pem_x509_certificates(candidate.chain or b"")[:2]
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, chance.choice((SHA1(), SHA256())))
    if chance.random() < 0.7:
        builder = builder.add_extension(x509.OCSPNonce(chance.randbytes(chance.choice((1, 16, 32, 33, 128)))), False)
    return builder.build().public_bytes(Encoding.DER)


def drill(
    folder: Path, cases: int = 20_000, seed: int = 1, defect: str | None = None, seats: int = 120
) -> list[Figure]:
    """Send `cases` requests to a running service and return the figures."""
    with ground.standing(folder, defect, hurry=True) as agency:
        *invitations, last = ground.invited(agency, seats + 1)
        results = asyncio.run(_sent(agency, invitations, cases, seed))
        assert agency.process is not None
        alive = agency.process.poll() is None
        survivor = Candidate(last)
        if alive:
            asyncio.run(_enrolled(agency, survivor))
            ground.settled(agency, 60)
        return _judged(agency, results, cases, survivor)


async def _enrolled(agency: Agency, survivor: Candidate) -> None:
    async with Caller(agency.public_url, agency.trust()) as caller:
        await enrol(caller, survivor, 30)


async def _sent(agency: Agency, invitations: list[Invitation], cases: int, seed: int) -> list[Result]:
    share = len(invitations) // _WORKERS

    async def work(place: int) -> list[Result]:
        async with Caller(agency.public_url, agency.trust()) as caller:
            terrain = await Terrain.prepared(caller, invitations[share * place : share * (place + 1)])
            worker = Worker(agency, terrain)
            return [await worker.run(number, seed) for number in range(place, cases, _WORKERS)]

    shares = await asyncio.gather(*map(work, range(_WORKERS)))
    return [result for results in shares for result in results]


def _judged(agency: Agency, results: list[Result], cases: int, survivor: Candidate) -> list[Figure]:
    broken = [str(result) for result in results if result.status is not None and result.status >= 500]
    slow = [str(result) for result in results if result.seconds > _SLOW_SECONDS]
    times = sorted(result.seconds for result in results)
    words = collections.Counter(result.word or str(result.status) for result in results)
    passed = sum(1 for result in results if result.status in (200, 201, 204))
    kinds = ", ".join(f"{count} {word}" for word, count in words.most_common(3))
    return [
        counted("fuzz: requests sent", cases, len(results)),
        Figure(f"fuzz: answers of {len(words)} kinds", "any", f"{kinds}; {passed} passed", met=True),
        none_of("fuzz: 5xx", broken),
        none_of("fuzz: slower than a second", slow),
        Figure("fuzz: p99, slowest", "≤ 1 s", f"{_share(times, 0.99):.3f}, {times[-1]:.3f} s", met=not slow),
        counted("fuzz: enrolments afterwards", 1, int(survivor.chain is not None)),
        none_of("fuzz: faults in the books", ground.faults(agency)),
        *canaries.figures("fuzz", agency, [survivor]),
    ]


def _share(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(len(times) * share))]
