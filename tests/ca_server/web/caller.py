"""A small ACME client for tests: it builds every message itself and holds every answer to what RFC 8555 says of all.

`post` signs rightly unless a test says otherwise: `header` changes or, with None, removes members of the protected
header, `by` chooses jwk or kid, `key` another key.
"""

import base64
import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from yarl import URL

from keys.algorithms import PrivateKey
from keys.csr import build_signing_request
from keys.generate import generate
from protocol import jws
from protocol.problems import TABLE, URN, ProblemType
from protocol.vocabulary import MediaType

JOSE = {"Content-Type": MediaType.JOSE.value}
Message = Mapping[str, object] | bytes


class Server(Protocol):
    """Where a caller's requests go."""

    public: TestClient[Any, Any]
    url: str


class Pair(Protocol):
    """The two halves of a credential, and whose they are."""

    @property
    def cn(self) -> str: ...
    @property
    def kid(self) -> str: ...
    @property
    def mac_key(self) -> bytes: ...


@dataclasses.dataclass(frozen=True)
class Reply:
    """An answer, read whole."""

    status: int
    headers: Mapping[str, str]
    links: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value

    @property
    def refusal(self) -> tuple[int, str]:
        """Return the status and the word of the problem."""
        assert self.headers["Content-Type"] == MediaType.PROBLEM, self.body
        return self.status, self.document["type"].removeprefix(URN)

    @property
    def detail(self) -> str:
        return str(self.document["detail"])

    @property
    def location(self) -> str:
        return self.headers["Location"]

    def must(self, status: int) -> Self:
        assert self.status == status, self.body
        return self


class Caller:
    """One account key and what it does."""

    def __init__(self, server: Server, key: PrivateKey | None = None) -> None:
        self.server = server
        self.key = key or generate("P-256")
        self.account: str | None = None
        self.cn = ""

    def url(self, path: str) -> str:
        """Return the public URL of a path; URLs of the service pass as they are."""
        return path if path.startswith("https:") else self.server.url + path

    async def send(self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        """Send a request as it is and hold its answer to what every answer must be."""
        target = self.url(url).removeprefix(self.server.url)
        base = str(self.server.public.make_url("")).rstrip("/")
        raw = URL(base + target, encoded=True)
        session = self.server.public.session
        async with session.request(
            method, raw, data=body or None, headers=headers, skip_auto_headers=["Content-Type"]
        ) as answer:
            reply = await _read(answer)
        _require_sound(reply, target)
        return reply

    async def nonce(self) -> str:
        """Return a fresh nonce."""
        reply = (await self.send("HEAD", "/acme/new-nonce")).must(200)
        return reply.headers["Replay-Nonce"]

    async def signed(
        self,
        url: str,
        payload: Message,
        *,
        key: PrivateKey | None = None,
        by: str | None = None,
        header: Mapping[str, object] | None = None,
    ) -> bytes:
        """Return the body of a POST to `url`."""
        key = key or self.key
        members: dict[str, object] = {"url": self.url(url)}
        if (by or ("kid" if self.account else "jwk")) == "kid":
            members["kid"] = self.account
        else:
            members["jwk"] = jws.jwk(key.public_key())
        if header is None or "nonce" not in header:
            members["nonce"] = await self.nonce()
        members |= header or {}
        protected = {name: value for name, value in members.items() if value is not None}
        octets = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return jws.sign(key, octets, protected)

    async def post(self, url: str, payload: Message = b"", **how: Any) -> Reply:
        """POST a signed message; an empty payload is a POST-as-GET."""
        return await self.send("POST", url, await self.signed(url, payload, **how), JOSE)

    def binding(self, pair: Pair, *, key: PrivateKey | None = None, url: str = "/acme/new-account") -> dict[str, str]:
        """Return the external account binding of the account key, or of another `key`."""
        return jws.bind(pair.kid, pair.mac_key, self.url(url), (key or self.key).public_key())

    async def new_account(self, **members: object) -> Reply:
        """Ask for an account with these members of the payload and remember its URL."""
        reply = await self.post("/acme/new-account", members, by="jwk")
        if reply.status in (200, 201):
            self.account = reply.location
        return reply

    async def bind(self, pair: Pair, **members: object) -> Reply:
        """Bind the account key to the seat of a pair."""
        self.cn = pair.cn
        return await self.new_account(termsOfServiceAgreed=True, externalAccountBinding=self.binding(pair), **members)

    async def order(self, *values: str, kind: str = "permanent-identifier", **members: Any) -> Reply:
        """Order for the caller's own CN, or for `values`."""
        identifiers = [{"type": kind, "value": value} for value in values or (self.cn,)]
        return await self.post("/acme/new-order", {"identifiers": identifiers, **members})

    async def finalize(self, order: Mapping[str, Any], csr: bytes | None = None) -> Reply:
        """Finalize with a CSR, or with one of a fresh key for the caller's CN."""
        csr = build_signing_request(generate("P-256"), self.cn) if csr is None else csr
        return await self.post(order["finalize"], {"csr": jws.encode(csr)})

    async def enrol(self, key: PrivateKey | None = None, *, replaces: str | None = None) -> x509.Certificate:
        """Order, finalize and download; return the leaf."""
        members = {} if replaces is None else {"replaces": replaces}
        order = (await self.order(**members)).must(201).document
        csr = build_signing_request(key or generate("P-256"), self.cn)
        order = (await self.finalize(order, csr)).must(200).document
        return (await self.download(order["certificate"]))[0]

    async def download(self, url: str) -> list[x509.Certificate]:
        """Return the chain at a certificate's URL."""
        reply = (await self.post(url)).must(200)
        assert reply.headers["Content-Type"] == MediaType.PEM_CHAIN
        return x509.load_pem_x509_certificates(reply.body)

    async def revoke(self, certificate: x509.Certificate, reason: int | None = None, **how: Any) -> Reply:
        """Revoke a certificate with the account's key, or with another `key` `by` jwk."""
        payload: dict[str, object] = {"certificate": jws.encode(certificate.public_bytes(Encoding.DER))}
        if reason is not None:
            payload["reason"] = reason
        return await self.post("/acme/revoke-cert", payload, **how)

    def key_change(self, new: PrivateKey, **changes: object) -> dict[str, str]:
        """Return the inner JWS of keyChange; `changes` replace members of its header or payload, None removes them."""
        header: dict[str, object] = {"jwk": jws.jwk(new.public_key()), "url": self.url("/acme/key-change")}
        payload: dict[str, object] = {"account": self.account, "oldKey": jws.jwk(self.key.public_key())}
        for name, value in changes.items():
            (payload if name in ("account", "oldKey") else header)[name] = value
        header = {name: value for name, value in header.items() if value is not None}
        return jws.sign_members(new, json.dumps(payload).encode(), header)


async def _read(answer: ClientResponse) -> Reply:
    links = {}
    for link in answer.headers.getall("Link", []):
        target, _, relation = link.partition(";rel=")
        links[relation.strip('"')] = target.strip("<>")
    return Reply(answer.status, answer.headers, links, await answer.read())


def _require_sound(reply: Reply, target: str) -> None:
    """Hold an answer to what RFC 8555 §6.5, §6.7 and §7.1 say of every one."""
    if target.startswith(("/acme/", "/directory")) or reply.status >= 400:
        assert reply.headers.get("Replay-Nonce"), "every answer brings a nonce"
        assert reply.headers["Cache-Control"] == "no-store"
        is_directory = target.partition("?")[0] == "/directory" and reply.status == 200
        assert ("index" in reply.links) is not is_directory
    if reply.status >= 400 and reply.body:
        document = reply.document
        assert reply.headers["Content-Type"] == MediaType.PROBLEM
        assert document["status"] == reply.status
        assert ProblemType(document["type"]) in TABLE
        assert document["detail"]
    if "Retry-After" in reply.headers and "/renewal-info/" not in target:
        assert 1 <= int(reply.headers["Retry-After"]) <= 3600


def names(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> list[str]:
    """Return the values of one attribute of the subject."""
    return [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(oid)]


def flattened(protected: bytes, payload: bytes, signature: bytes, **more: object) -> bytes:
    """Return a JWS of these octets, whatever they are."""
    parts = {"protected": protected, "payload": payload, "signature": signature}
    return json.dumps({name: _base64url(octets) for name, octets in parts.items()} | more).encode()


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def words(replies: Iterable[Reply]) -> list[tuple[int, str]]:
    """Return the refusals of several answers."""
    return [reply.refusal for reply in replies]


async def send(caller: Caller, body: bytes, url: str = "/acme/new-order") -> Reply:
    """Send a body as it is."""
    return await caller.send("POST", url, body, JOSE)


async def header_of(caller: Caller, url: str = "/acme/new-order", **changes: object) -> dict[str, object]:
    """Return a right header by kid, with changes."""
    members = {"alg": "ES256", "kid": caller.account, "url": caller.url(url), "nonce": await caller.nonce()}
    return members | changes


def unsigned(header: dict[str, object], payload: bytes = b"", signature: bytes = b"") -> bytes:
    """Return a message whose signature is whatever it is."""
    return flattened(json.dumps(header).encode(), payload, signature)
