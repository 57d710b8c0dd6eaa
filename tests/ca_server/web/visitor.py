"""Somebody who visits the pages of an office, for tests."""

from aiohttp import ClientResponse
from cryptography import x509

from ca_server.domain.applications import Kind
from tests.ca_server.web.office import Office
from tests.ca_server.web.page import Page

LANGUAGES = ("ja", "en")
PAGES = ["/", "/cps", "/privacy"]
FORMS = [f"/forms/{kind}.{language}.xlsx" for kind in Kind for language in LANGUAGES]
_AUTHORITIES = [f"/ca/{name}.{form}" for name in ("root", "issuing-1") for form in ("cer", "pem")]
FILES = [*_AUTHORITIES, "/ca/chain.pem", "/crl/root.crl", "/crl/issuing-1.crl"]


async def fetch(office: Office, path: str, method: str = "GET", **headers: str) -> tuple[ClientResponse, bytes]:
    """Return the answer at a path, and what it carries."""
    async with office.public.session.request(method, office.public.make_url(path), headers=headers) as answer:
        return answer, await answer.read()


async def content_of(office: Office, path: str) -> bytes:
    """Return what is at a path, where something must be."""
    answer, content = await fetch(office, path)
    assert answer.status == 200, path
    return content


async def page_of(office: Office, path: str = "/", language: str = "ja") -> Page:
    """Return a page in a language."""
    return Page((await content_of(office, f"{path}?language={language}")).decode())


async def issued(office: Office) -> x509.Certificate:
    """Return a client certificate, fresh from the office."""
    caller = office.caller()
    (await caller.bind(office.invitation(1))).must(201)
    return await caller.enrol()
