"""What leaves the enrolment page, and what opening it does: no secret, and nothing."""

import base64
import contextlib
import http.client
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from playwright.sync_api import BrowserContext, Request

from tests.end_to_end.agency import Agency, Invitation
from tests.end_to_end.browser import Browsers, Home
from tests.end_to_end.person import PASSPHRASE, Person, assert_is_the_file_of
from tests.end_to_end.seat_records import standing

SCANNERS = (
    "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0) SafeLinks",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Barracuda Sentinel (EE)",
    "Mozilla/5.0 (compatible; proofpoint-url-defense/1.0)",
    "GoogleImageProxy",
)


@pytest.mark.parametrize("kind", ["P-256", "RSA-3072"])
def test_neither_key_nor_password_nor_passphrase_leaves_the_page(person: Person, kind: str, tmp_path: Path) -> None:
    left = recorded(person.page.context)
    file = person.enrols(tmp_path / "saved.p12", kind)
    person.confirms()
    seen = b"\n".join(unwrapped(left))
    opened = load_pkcs12(file.read_bytes(), PASSPHRASE.encode())
    assert isinstance(opened.key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    public = opened.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert is_in(seen, public[-64:]), "the search finds what did leave: the public key"
    for secret in secrets_of(opened.key):
        assert not is_in(seen, secret)
    for text in texts_of(person.invitation):
        assert not is_in(seen, text.encode())
        assert not is_in(seen, text.encode("utf-16-be"))


def test_nothing_is_asked_of_anybody_else(agency: Agency, person: Person, tmp_path: Path) -> None:
    left = recorded(person.page.context)
    person.enrols(tmp_path / "saved.p12")
    assert {
        request.url.partition(
            "/",
        )[0]
        for request in left
    } <= {"https:", "blob:"}
    asked = {request.url[: len(agency.public_url)] for request in left if not request.url.startswith("blob:")}
    assert asked == {agency.public_url}
    assert not any("referer" in request.all_headers() for request in left if request.is_navigation_request())


def test_a_hundred_visits_of_mail_scanners_use_nothing_up(
    agency: Agency, browsers: Browsers, invitation: Invitation, home: Home, tmp_path: Path
) -> None:
    before = standing(agency, invitation)
    for method in ("GET", "HEAD"):
        for visit in range(44):
            fetched(agency, invitation.url, method, SCANNERS[visit % len(SCANNERS)])
    for place, scanner in enumerate(SCANNERS[:3]):
        context = browsers.open(Home(tmp_path / f"scanner-{place}", agency.root), user_agent=scanner)
        left = recorded(context)
        for _ in range(4):
            context.pages[0].goto(invitation.url, wait_until="networkidle")
        assert {request.method for request in left} == {"GET"}
    assert standing(agency, invitation) == before
    file = Person(browsers.open(home).pages[0], invitation).enrols(tmp_path / "saved.p12")
    assert_is_the_file_of(file, invitation, ec.EllipticCurvePrivateKey)


def test_the_page_looks_the_same_for_every_url(agency: Agency, invitation: Invitation) -> None:
    known = fetched(agency, invitation.url, "GET", "x")
    assert fetched(agency, f"{agency.public_url}/e/5Z8XQ2M7RC4KD0TNVB9HJ3WEGS", "GET", "x") == known


def recorded(context: BrowserContext) -> list[Request]:
    """Return a list that fills with all that leaves the browser's pages."""
    left: list[Request] = []
    context.on("request", lambda request: left.append(request))  # noqa: PLW0108 - Playwright takes no built-in
    return left


def unwrapped(left: list[Request]) -> Iterator[bytes]:
    """Return URLs, headers and bodies as they went, and what JWS and CSR in them hold."""
    for request in left:
        yield request.url.encode()
        yield json.dumps(request.all_headers()).encode()
        body = request.post_data_buffer or b""
        yield from _layers(body)


def _layers(body: bytes) -> Iterator[bytes]:
    yield body
    try:
        members = json.loads(body)
    except ValueError:
        return
    for value in members.values() if isinstance(members, dict) else ():
        if isinstance(value, dict):
            yield from _layers(json.dumps(value).encode())
        elif isinstance(value, str):
            with contextlib.suppress(ValueError):
                yield from _layers(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))


def is_in(seen: bytes, secret: bytes) -> bool:
    """Tell whether a secret stands in what was seen: as it is, in hexadecimal, or in base64 at any place of it."""
    needles = [secret, secret.hex().encode(), secret.hex().upper().encode()]
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + secret)
        inner = whole[4 if shift else 0 : -4]
        needles += [inner, inner.replace(b"+", b"-").replace(b"/", b"_")]
    return any(needle in seen for needle in needles)


def secrets_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> list[bytes]:
    """Return the private parts of a key, as numbers and as PKCS#8."""
    whole = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return [whole, key.private_numbers().private_value.to_bytes(32)]
    numbers = key.private_numbers()
    return [whole, numbers.d.to_bytes(384), numbers.p.to_bytes(192), numbers.q.to_bytes(192)]


def texts_of(invitation: Invitation) -> list[str]:
    """Return the passwords in the forms in which they could be sent."""
    plain = invitation.password.replace("-", "")
    return [invitation.password, plain, plain.lower(), invitation.mac_key, PASSPHRASE]


def fetched(agency: Agency, url: str, method: str, agent: str) -> bytes:
    """Fetch a page as a mail scanner does and return its body."""
    asked = urllib.request.Request(url, method=method, headers={"User-Agent": agent, "Accept": "*/*"})
    with urllib.request.urlopen(asked, context=agency.trust(), timeout=10) as answer:
        assert isinstance(answer, http.client.HTTPResponse)
        assert answer.status == 200
        return answer.read()
