"""The whole API of the public address: one table of path, who is let through, handler.

Each row is of a kind that checks who asks, and an application that got a route in another way does not start.
"""

import dataclasses
import logging
from collections.abc import Awaitable, Callable, Container

from aiohttp import web

from ca_server.web.audit_log import AuditLog
from ca_server.web.authenticate import Signed, Signer
from ca_server.web.blank_forms import BlankForms
from ca_server.web.documents import DocumentPages
from ca_server.web.doorman import tells_no_request_line
from ca_server.web.enrolment_page import EnrolmentPage
from ca_server.web.feed import PATH, Feed
from ca_server.web.front import Front
from ca_server.web.handlers.accounts import AccountHandlers
from ca_server.web.handlers.certificates import CertificateHandlers
from ca_server.web.handlers.orders import OrderHandlers
from ca_server.web.look import Files, Look
from ca_server.web.render import Answer
from ca_server.web.repository import Repository
from protocol.jws import MAX_BODY

SignedHandler = Callable[[Signed], Awaitable[Answer]]
PlainHandler = Callable[[web.Request], Awaitable[Answer]]
PageHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_NAME = "{name:[A-Za-z0-9-]+}"


@dataclasses.dataclass(frozen=True)
class Posted:
    """A resource that takes a signed POST alone, from whoever may sign it."""

    path: str
    signer: Signer
    handler: SignedHandler

    def routes(self, front: Front) -> list[web.RouteDef]:
        """Return it as aiohttp's."""
        return [web.post(self.path, front.signed(self.signer, self.handler))]


@dataclasses.dataclass(frozen=True)
class Read:
    """A resource that anybody gets, and an account by the POST-as-GET that works on every resource (RFC 8555 §6.3)."""

    path: str
    handler: PlainHandler

    def routes(self, front: Front) -> list[web.RouteDef]:
        """Return it as aiohttp's."""

        async def handle(request: web.Request) -> web.Response:
            return await front.read(request, lambda: self.handler(request))

        return [web.get(self.path, handle), web.post(self.path, handle)]


@dataclasses.dataclass(frozen=True)
class Open:
    """What anybody gets, of pages and files."""

    path: str
    handler: PageHandler

    def routes(self, _: Front) -> list[web.RouteDef]:
        """Return it as aiohttp's."""
        return [web.get(self.path, self.handler)]


@dataclasses.dataclass(frozen=True)
class Followed:
    """What a responder elsewhere gets, which shows the secret; to everybody else there is no such address."""

    path: str
    feed: Feed

    def routes(self, _: Front) -> list[web.RouteDef]:
        """Return it as aiohttp's."""
        return [web.get(self.path, self.feed.send)]


Row = Posted | Read | Open | Followed


@dataclasses.dataclass(frozen=True)
class Pages:
    """What people read, and the files that it leads to."""

    look: Look
    enrolment: EnrolmentPage
    repository: Repository
    documents: DocumentPages
    forms: BlankForms
    audit: AuditLog
    files: Files

    def routes(self) -> list["Row"]:
        """Return the table of what is read without an account."""
        return [
            Open("/", self.repository.show),
            Open("/{document:cps|privacy}", self.documents.show),
            Open(f"/ca/{_NAME}.cer", self.repository.certificate),
            Open(f"/ca/{_NAME}.pem", self.repository.pem),
            Open(f"/crl/{_NAME}.crl", self.repository.crl),
            Open("/forms/{kind:DCM90[2-5]}.{language:ja|en}.xlsx", self.forms.send),
            Open("/audit/checkpoint", self.audit.checkpoint),
            Open("/audit/keys", self.audit.keys),
            Open("/e/{kid}", self.enrolment.show),
            Open("/e/{kid}/", self.enrolment.show),
            Open("/e/", self.enrolment.show_without),
            Open("/static/{name}", self.files.send),
        ]


@dataclasses.dataclass(frozen=True)
class Handlers:
    """The handlers that the table names."""

    accounts: AccountHandlers
    orders: OrderHandlers
    certificates: CertificateHandlers
    pages: Pages
    feed: Feed
    terms: str


def table(handlers: Handlers, front: Front) -> list[Row]:
    """Return the whole API."""
    accounts, orders, certificates = handlers.accounts, handlers.orders, handlers.certificates
    return [
        Read("/directory", lambda _: _directory(front, handlers.terms)),
        Read("/acme/new-nonce", _new_nonce),
        Posted("/acme/new-account", Signer.KEY, accounts.create),
        Posted("/acme/account/{account}", Signer.ACCOUNT, accounts.update),
        Posted("/acme/account/{account}/orders", Signer.ACCOUNT, accounts.orders),
        Posted("/acme/key-change", Signer.ACCOUNT, accounts.change_key),
        Posted("/acme/new-order", Signer.ACCOUNT, orders.create),
        Posted("/acme/order/{order}", Signer.ACCOUNT, orders.show),
        Posted("/acme/order/{order}/finalize", Signer.ACCOUNT, orders.finalize),
        Posted(r"/acme/authorization/{order}/{place:[0-9]{1,3}}", Signer.ACCOUNT, orders.authorization),
        Posted("/acme/certificate/{serial}", Signer.ACCOUNT, orders.certificate),
        Posted("/acme/revoke-cert", Signer.EITHER, certificates.revoke),
        Read(
            "/acme/renewal-info/{certificate}",
            lambda request: certificates.renewal_info(request.match_info["certificate"]),
        ),
        *handlers.pages.routes(),
        Followed(PATH, handlers.feed),
    ]


def application(front: Front, handlers: Handlers) -> web.Application:
    """Return the application of the public address."""
    logging.getLogger("aiohttp.server").addFilter(tells_no_request_line)
    app = web.Application(client_max_size=MAX_BODY, middlewares=[front.middleware()])
    listed = [route for row in table(handlers, front) for route in row.routes(front)]
    app.add_routes(listed)
    app.on_startup.append(_only({route.handler for route in listed}))
    return app


class Unlisted(Exception):
    """A route that no row of the table made: nobody says who may use it."""


def _only(known: Container[object]) -> Callable[[web.Application], Awaitable[None]]:
    async def require(app: web.Application) -> None:
        strangers = [str(route) for route in app.router.routes() if route.handler not in known]
        if strangers:
            raise Unlisted(", ".join(strangers))

    return require


async def _new_nonce(request: web.Request) -> Answer:
    return Answer(b"", status=204 if request.method == "GET" else 200)


async def _directory(front: Front, terms: str) -> Answer:
    return Answer(front.urls.directory(terms).render(), index=False)
