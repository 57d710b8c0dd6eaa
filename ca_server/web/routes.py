"""The whole API of the public address: one table of method, path, who may sign, handler."""

import dataclasses
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

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

Handler = Callable[[Signed], Awaitable[Answer]]
_NAME = "{name:[A-Za-z0-9-]+}"


@dataclasses.dataclass(frozen=True)
class Pages:
    """What people read, and the files that it leads to."""

    look: Look
    enrolment: EnrolmentPage
    repository: Repository
    documents: DocumentPages
    forms: BlankForms
    files: Files

    def routes(self) -> list[web.RouteDef]:
        """Return the table of what is read without an account."""
        return [
            web.get("/", self.repository.show),
            web.get("/{document:cps|privacy}", self.documents.show),
            web.get(f"/ca/{_NAME}.cer", self.repository.certificate),
            web.get(f"/ca/{_NAME}.pem", self.repository.pem),
            web.get(f"/crl/{_NAME}.crl", self.repository.crl),
            web.get("/forms/{kind:DCM90[2-5]}.{language:ja|en}.xlsx", self.forms.send),
            web.get("/e/{kid}", self.enrolment.show),
            web.get("/e/{kid}/", self.enrolment.show),
            web.get("/e/", self.enrolment.show_without),
            web.get("/static/{name}", self.files.send),
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


def table(handlers: Handlers) -> list[tuple[str, Signer, Handler]]:
    """Return path, signer and handler of every resource that takes a signed POST alone."""
    accounts, orders, certificates = handlers.accounts, handlers.orders, handlers.certificates
    return [
        ("/acme/new-account", Signer.KEY, accounts.create),
        ("/acme/account/{account}", Signer.ACCOUNT, accounts.update),
        ("/acme/account/{account}/orders", Signer.ACCOUNT, accounts.orders),
        ("/acme/key-change", Signer.ACCOUNT, accounts.change_key),
        ("/acme/new-order", Signer.ACCOUNT, orders.create),
        ("/acme/order/{order}", Signer.ACCOUNT, orders.show),
        ("/acme/order/{order}/finalize", Signer.ACCOUNT, orders.finalize),
        (r"/acme/authorization/{order}/{place:[0-9]{1,3}}", Signer.ACCOUNT, orders.authorization),
        ("/acme/certificate/{serial}", Signer.ACCOUNT, orders.certificate),
        ("/acme/revoke-cert", Signer.EITHER, certificates.revoke),
    ]


def application(front: Front, handlers: Handlers) -> web.Application:
    """Return the application of the public address."""
    logging.getLogger("aiohttp.server").addFilter(tells_no_request_line)
    app = web.Application(client_max_size=MAX_BODY, middlewares=[front.middleware()])
    for path, signer, handler in table(handlers):
        app.router.add_post(path, front.signed(signer, handler))
    _add_read(app, front, "/directory", lambda _: _directory(front, handlers.terms))
    _add_read(
        app,
        front,
        "/acme/renewal-info/{certificate}",
        lambda request: handlers.certificates.renewal_info(request.match_info["certificate"]),
    )
    _add_new_nonce(app, front)
    app.add_routes([*handlers.pages.routes(), web.get(PATH, handlers.feed.send)])
    return app


def _add_read(
    app: web.Application, front: Front, path: str, handler: Callable[[web.Request], Awaitable[Answer]]
) -> None:
    async def handle(request: web.Request) -> web.Response:
        return await front.read(request, lambda: handler(request))

    app.router.add_get(path, handle)
    app.router.add_post(path, handle)


def _add_new_nonce(app: web.Application, front: Front) -> None:
    async def handle(request: web.Request) -> web.Response:
        status = 204 if request.method == "GET" else 200
        return await front.read(request, lambda: _nothing(status))

    app.router.add_get("/acme/new-nonce", handle)
    app.router.add_post("/acme/new-nonce", handle)


async def _nothing(status: int) -> Answer:
    return Answer(b"", status=status)


async def _directory(front: Front, terms: str) -> Answer:
    return Answer(front.urls.directory(terms).render(), index=False)
