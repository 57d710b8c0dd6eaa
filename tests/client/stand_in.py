"""A small, strict ACME server in a thread, over TLS, that can be told to fail at any step.

It verifies every signature, nonce, URL and binding with `protocol.jws`, as the real one does (protocol.md), and keeps
its records in plain dictionaries that tests look into.
"""

import asyncio
import secrets
import threading
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Self

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from keys.algorithms import PublicKey
from keys.csr import parse_signing_request
from protocol import jws, requests, resources
from protocol.credential import mac_key, new_kid, new_password
from protocol.names import CommonName
from protocol.problems import Problem, ProblemType
from protocol.renewal_info import certificate_id
from protocol.vocabulary import AccountStatus, OrderStatus
from tests.client.small_authority import Issuer

Handler = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True)
class Fault:
    """What goes wrong at a step, once: a problem, or a connection that hangs or drops before or after the work."""

    kind: str
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)


BEFORE, AFTER, DROPPED, BUSY, BAD_NONCE = "hangs before", "hangs after", "drops after", "is busy", "badNonce"


@dataclass
class Credential:
    """One URL and its password."""

    kid: str
    password: str
    cn: str
    renewal: bool
    reason: str | None = None
    account: str | None = None


@dataclass
class AccountRow:
    """One account."""

    url: str
    key: PublicKey
    credential: Credential
    status: AccountStatus = AccountStatus.VALID
    device: requests.Device | None = None


@dataclass
class OrderRow:
    """One order."""

    url: str
    account: str
    request: requests.NewOrder
    status: OrderStatus = OrderStatus.READY
    looks_until_valid: int = 0
    certificate: str | None = None
    error: Mapping[str, object] | None = None


class StandIn:
    """The server; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.tls, self.issuer = Issuer.root("TLS authority"), Issuer.root("Client authority")
        self.ca_file = self.tls.write(folder / "tls-authority.pem")
        self.steps: list[str] = []
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.reached = threading.Event()
        self.credentials: dict[str, Credential] = {}
        self.accounts: dict[str, AccountRow] = {}
        self.orders: dict[str, OrderRow] = {}
        self.certificates: dict[str, x509.Certificate] = {}
        self.replaced: set[str] = set()
        self.revoked: dict[int, int] = {}
        self.window: tuple[datetime, datetime] | None = None
        self.renewal_headers: dict[str, str] = {}
        self.explanation_url: str | None = None
        self.refusal: Problem | None = None
        self.ahead = timedelta()
        self.ocsp, self.lost_behind_a_proxy = "", False
        self.days, self.looks_until_valid, self.reflected_kid = 32, 0, ""
        self._nonces: set[str] = set()
        self._folder = folder

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def invite(self, cn: str = "F123456-001", *, renewal: bool = False) -> Credential:
        """Make a URL and its password."""
        credential = Credential(new_kid(), new_password(), cn, renewal)
        self.credentials[credential.kid] = credential
        return credential

    def url(self, credential: Credential) -> str:
        """Return the one-time URL."""
        return f"{self.origin}/e/{credential.kid}"

    def end_accounts(self) -> None:
        """Revoke all accounts."""
        for row in self.accounts.values():
            row.status = AccountStatus.REVOKED

    def issued_for(self, cn: str) -> list[x509.Certificate]:
        """Return what was issued for a CN, in order."""
        return [each for each in self.certificates.values() if cn in each.subject.rfc4514_string()]

    async def _start(self) -> None:
        app = web.Application()
        for step, method, path, handler in (
            ("invitation", "GET", "/e/{kid}", self._invitation),
            ("directory", "GET", "/directory", self._directory),
            ("nonce", "HEAD", "/nonce", self._nonce),
            ("newAccount", "POST", "/new-account", self._new_account),
            ("newOrder", "POST", "/new-order", self._new_order),
            ("order", "POST", "/order/{id}", self._order),
            ("finalize", "POST", "/order/{id}/finalize", self._finalize),
            ("certificate", "POST", "/certificate/{id}", self._certificate),
            ("revoke", "POST", "/revoke", self._revoke),
            ("renewalInfo", "GET", "/renewal/{id}", self._renewal_info),
        ):
            app.router.add_route(method, path, self._step(step, handler))
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls.server(self._folder))
        await site.start()
        self.origin = f"https://localhost:{self._runner.addresses[0][1]}"

    def _step(self, step: str, handler: Handler) -> Handler:
        async def run(request: web.Request) -> web.Response:
            self.steps.append(step)
            fault = self.faults[step].popleft() if self.faults[step] else Fault("")
            if fault.kind == BEFORE:
                await self._hang()
            try:
                if fault.kind == BUSY:
                    raise Problem(ProblemType.SERVER_INTERNAL, "Later.", status=fault.status)
                if fault.kind == BAD_NONCE:
                    raise Problem(ProblemType.BAD_NONCE)
                answer = await handler(request)
            except Problem as problem:
                answer = web.json_response(problem.render(), status=problem.status, headers=fault.headers)
            if fault.kind == AFTER:
                await self._hang()
            if fault.kind == DROPPED:
                assert request.transport is not None
                request.transport.abort()
            answer.headers["Date"] = format_datetime(datetime.now(UTC) + self.ahead, usegmt=True)
            if step != "invitation":
                answer.headers["Replay-Nonce"] = self._fresh_nonce()
            return answer

        return run

    async def _hang(self) -> None:
        self.reached.set()
        await asyncio.sleep(3600)

    def _fresh_nonce(self) -> str:
        nonce = secrets.token_urlsafe(16)
        self._nonces.add(nonce)
        return nonce

    async def _invitation(self, request: web.Request) -> web.Response:
        assert request.headers["Accept"] == "application/json"
        kid = self.reflected_kid or request.match_info["kid"]
        return web.json_response({"directory": f"{self.origin}/directory", "kid": kid})

    async def _directory(self, _: web.Request) -> web.Response:
        paths = ("nonce", "new-account", "new-order", "revoke", "key-change", "renewal")
        return web.json_response(resources.Directory(*(f"{self.origin}/{path}" for path in paths)).render())

    async def _nonce(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _new_account(self, request: web.Request) -> web.Response:
        message, key = await self._verified(request)
        assert "jwk" in message.protected
        asked = requests.NewAccount.parse(jws.strict_json(message.payload))
        thumbprint = jws.thumbprint(key)
        if thumbprint in self.accounts:
            return self._shown(self.accounts[thumbprint], 200)
        if asked.only_return_existing:
            raise Problem(ProblemType.ACCOUNT_DOES_NOT_EXIST)
        credential = self._bound(asked, str(request.url), key)
        if credential.account is not None:
            self.accounts[credential.account].status = AccountStatus.REVOKED
        credential.account = thumbprint
        row = AccountRow(f"{self.origin}/account/{len(self.accounts)}", key, credential, device=asked.device)
        self.accounts[thumbprint] = row
        return self._shown(row, 201)

    def _bound(self, asked: requests.NewAccount, url: str, key: PublicKey) -> Credential:
        binding = jws.parse_members(asked.external_account_binding)
        assert binding.protected["url"] == url
        credential = self.credentials.get(str(binding.protected["kid"]))
        if credential is None:
            raise Problem(ProblemType.UNAUTHORIZED, "The URL is not known.")
        if credential.reason is not None:
            raise Problem(ProblemType.UNAUTHORIZED, f"It is {credential.reason}.", extra={"reason": credential.reason})
        if not jws.verify_mac(binding, mac_key(credential.kid, credential.password)):
            told = {"reason": "wrongPassword", "triesLeft": 9}
            raise Problem(ProblemType.UNAUTHORIZED, "9 tries are left.", extra=told)
        assert jws.strict_json(binding.payload) == jws.jwk(key)
        return credential

    def _shown(self, row: AccountRow, status: int) -> web.Response:
        self._require_valid(row)
        seat = resources.Seat(CommonName.parse(row.credential.cn), "みどり銀行", row.credential.renewal)
        body = resources.Account(row.status, f"{row.url}/orders", seat=seat).render()
        return web.json_response(body, status=status, headers={"Location": row.url})

    def _require_valid(self, row: AccountRow) -> None:
        if row.status is not AccountStatus.VALID:
            raise Problem(ProblemType.UNAUTHORIZED, "The account has ended.", status=401)

    async def _verified(self, request: web.Request) -> tuple[jws.Jws, PublicKey]:
        """Return the message and the key that signed it, after every check."""
        assert request.content_type == "application/jose+json"
        message = jws.parse(await request.read())
        nonce = str(message.protected["nonce"])
        if nonce not in self._nonces:
            raise Problem(ProblemType.BAD_NONCE)
        self._nonces.discard(nonce)
        assert message.protected["url"] == str(request.url)
        if "jwk" in message.protected:
            key = jws.public_key(message.protected["jwk"])
        else:
            row = next(row for row in self.accounts.values() if row.url == message.protected["kid"])
            self._require_valid(row)
            key = row.key
        jws.verify(message, key)
        return message, key

    async def _new_order(self, request: web.Request) -> web.Response:
        message, key = await self._verified(request)
        asked = requests.NewOrder.parse(jws.strict_json(message.payload))
        if self.refusal is not None:
            raise self.refusal
        account = jws.thumbprint(key)
        cn = self.accounts[account].credential.cn
        assert [each.render() for each in asked.identifiers] == [{"type": "permanent-identifier", "value": cn}]
        if asked.replaces in self.replaced:
            raise Problem(ProblemType.ALREADY_REPLACED)
        if asked.replaces is not None and asked.replaces != self._certificate_id(self.issued_for(cn)[-1]):
            raise Problem(ProblemType.MALFORMED, "`replaces` names another certificate.")
        for row in self.orders.values():
            if (row.account, row.request, row.status) == (account, asked, OrderStatus.READY):
                return self._shown_order(row, 201)
        row = OrderRow(f"{self.origin}/order/{len(self.orders)}", account, asked)
        self.orders[row.url] = row
        return self._shown_order(row, 201)

    def _certificate_id(self, certificate: x509.Certificate) -> str:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.issuer.key.public_key()).key_identifier
        return certificate_id(identifier or b"", certificate.serial_number)

    def _shown_order(self, row: OrderRow, status: int = 200) -> web.Response:
        headers = {"Retry-After": "0"} if row.status is OrderStatus.PROCESSING else {}
        if status == 201:
            headers["Location"] = row.url
        order = resources.Order(
            row.status,
            row.request.identifiers,
            (),
            f"{row.url}/finalize",
            certificate=row.certificate if row.status is OrderStatus.VALID else None,
            error=row.error,
            replaces=row.request.replaces,
        )
        return web.json_response(order.render(), status=status, headers=headers)

    async def _order(self, request: web.Request) -> web.Response:
        message, _ = await self._verified(request)
        assert message.payload == b""
        if str(request.url) not in self.orders:
            raise Problem(ProblemType.MALFORMED, "There is no such order.", status=404)
        row = self.orders[str(request.url)]
        if row.status is OrderStatus.PROCESSING:
            row.looks_until_valid -= 1
            row.status = OrderStatus.PROCESSING if row.looks_until_valid > 0 else OrderStatus.VALID
        return self._shown_order(row)

    async def _finalize(self, request: web.Request) -> web.Response:
        message, _ = await self._verified(request)
        row = self.orders[str(request.url).removesuffix("/finalize")]
        if row.status is not OrderStatus.READY:
            raise Problem(ProblemType.ORDER_NOT_READY)
        asked = parse_signing_request(requests.Finalize.parse(jws.strict_json(message.payload)).csr)
        assert isinstance(asked.public_key, ec.EllipticCurvePublicKey)
        credential = self.accounts[row.account].credential
        row.certificate = f"{self.origin}/certificate/{len(self.certificates)}"
        self.certificates[row.certificate] = self.issuer.client(credential.cn, asked.public_key, self.days, self.ocsp)
        credential.reason = "used"
        if row.request.replaces is not None:
            self.replaced.add(row.request.replaces)
        row.looks_until_valid = self.looks_until_valid
        row.status = OrderStatus.PROCESSING if self.looks_until_valid else OrderStatus.VALID
        return self._shown_order(row)

    async def _certificate(self, request: web.Request) -> web.Response:
        await self._verified(request)
        chain = (self.certificates[str(request.url)], self.issuer.certificate)
        pem = b"".join(each.public_bytes(Encoding.PEM) for each in chain)
        return web.Response(body=pem, content_type="application/pem-certificate-chain")

    async def _revoke(self, request: web.Request) -> web.Response:
        message, key = await self._verified(request)
        asked = requests.RevokeCertificate.parse(jws.strict_json(message.payload))
        certificate = x509.load_der_x509_certificate(asked.certificate)
        assert "kid" in message.protected or key == certificate.public_key()
        if certificate.serial_number in self.revoked:
            raise Problem(ProblemType.ALREADY_REVOKED)
        self.revoked[certificate.serial_number] = asked.reason
        if len(self.revoked) == len(self.certificates):
            self.end_accounts()
        return web.Response()

    async def _renewal_info(self, request: web.Request) -> web.Response:
        if self.lost_behind_a_proxy:
            return web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html")
        named = [each for each in self.certificates.values() if self._certificate_id(each) == request.match_info["id"]]
        if not named or named[0].serial_number in self.revoked:
            raise Problem(ProblemType.MALFORMED, "There is nothing to renew.", status=404)
        end = named[0].not_valid_after_utc
        start, end = self.window or (end - timedelta(days=44), end - timedelta(days=33))
        body = resources.RenewalInfo(start, end, self.explanation_url).render()
        return web.json_response(body, headers=self.renewal_headers)


def soon(days: int) -> tuple[datetime, datetime]:
    """Return a renewal window that opens in some days."""
    start = datetime.now(UTC) + timedelta(days=days)
    return start, start + timedelta(days=1)
