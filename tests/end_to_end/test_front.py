"""nginx by conf/nginx.conf before the service: clients enrol through it, addresses are true, no log holds a secret."""

import base64
import itertools
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.end_to_end.acme_pc import AcmePc
from tests.end_to_end.agency import Agency, Invitation
from tests.end_to_end.judges import GOOD, judge
from tests.end_to_end.proxy import ELSEWHERE, Proxied, running_behind_nginx

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FORGED = "203.0.113.99"


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Run an agency behind nginx."""
    with running_behind_nginx(tmp_path_factory.mktemp("proxied")) as running:
        yield running
        running.agency.balance()


@pytest.fixture
def invitation(proxied: Proxied) -> Invitation:
    (fresh,) = proxied.agency.approve(1)
    return fresh


def test_the_warifu_client_enrols_through_nginx_and_its_own_address_is_told(
    proxied: Proxied, invitation: Invitation, tmp_path: Path
) -> None:
    agency = proxied.agency
    words = ("enroll", invitation.url, "--password-stdin", "--yes", "--ca-file", str(agency.root))
    agency.warifu(*words, home=tmp_path, stdin=invitation.password)
    assert _addresses_told(agency, invitation.cn) == ["127.0.0.1"]


def test_a_stock_client_enrols_through_nginx_and_relying_systems_ask_through_it(
    proxied: Proxied, invitation: Invitation, tmp_path: Path
) -> None:
    leaf = AcmePc(proxied.agency, invitation).enrol()
    assert _addresses_told(proxied.agency, invitation.cn) == ["127.0.0.1"]
    assert judge(leaf, proxied.agency.root_certificate(), tmp_path) == GOOD
    _, issuer = x509.load_pem_x509_certificates(proxied.agency.chain.read_bytes())[::-1]
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA1())
    request = builder.add_extension(x509.OCSPNonce(b"\xff" * 32), critical=False).build()  # slash after slash
    encoded = base64.b64encode(request.public_bytes(Encoding.DER)).decode()
    assert "//" in encoded
    status, _, body = proxied.ask(url=f"{proxied.agency.http_url}/ocsp/{encoded}")
    assert status == 200
    assert ocsp.load_der_ocsp_response(body).certificate_status is ocsp.OCSPCertStatus.GOOD


def _addresses_told(agency: Agency, cn: str) -> list[str]:
    """Return the addresses from which a CN's certificate was fetched, as the mails tell them."""
    deadline = time.monotonic() + 60
    while not (mails := [mail for mail in agency.mails() if (mail["cn"], mail["kind"]) == (cn, "fetched")]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return [address for mail in mails for address in re.findall(r"接続元のアドレス: (\S+)", mail["text"])]


@pytest.mark.parametrize(
    "words", [(), ("--header", f"X-Forwarded-For: {FORGED}", "--header", f"Forwarded: for={FORGED}")]
)
@pytest.mark.parametrize("through_nginx", [True, False])
def test_an_address_is_true_whatever_the_client_says_of_it(
    proxied: Proxied, words: tuple[str, ...], through_nginx: bool
) -> None:
    url = "" if through_nginx else f"https://localhost:{proxied.direct}/directory"
    _, headers, _ = proxied.ask(*words, url=url)
    (request_id,) = headers["request-id"]
    (line,) = [line for line in proxied.agency.log.read_text("utf-8").splitlines() if request_id in line]
    assert json.loads(line)["address"] == ELSEWHERE


@pytest.mark.parametrize("path", ["/", "/directory", "/e/X", "/nowhere", "/static/style.css", "/acme/new-order"])
def test_each_protecting_header_stands_once(proxied: Proxied, path: str) -> None:
    _, headers, _ = proxied.ask(url=proxied.agency.public_url + path)
    _assert_protected(headers)
    assert headers["strict-transport-security"] == ["max-age=31536000"]
    assert headers["cross-origin-resource-policy"] == ["same-origin"]


def test_each_protecting_header_stands_once_where_nginx_answers_itself(proxied: Proxied) -> None:
    status, headers, _ = proxied.ask("--header", f"Long: {'x' * 9000}")
    assert status == 400
    _assert_protected(headers)
    for path in ("/crl/root.crl", "/nowhere"):
        _assert_protected(proxied.ask(url=proxied.agency.http_url + path)[1])


def test_while_the_service_is_away_everybody_is_told_to_come_back_and_no_log_holds_a_kid(proxied: Proxied) -> None:
    agency, kid = proxied.agency, "5Z8XQ2M7RC4KD0TNVB9HJ3WEGS"
    places = [f"/e/{kid}", f"/E/{kid.lower()}", f"//e//{kid}", f"/e%2F{kid}", f"/{kid}", f"/directory?{kid}"]
    referred = ("--header", f"Referer: {agency.public_url}/e/{kid}")

    def ask_for_all() -> None:
        for base, place in itertools.product((agency.public_url, agency.http_url), places):
            proxied.ask(*referred, url=base + place)

    ask_for_all()
    agency.stop()
    try:
        ask_for_all()
        status, headers, body = proxied.ask()
        assert (status, headers["content-type"]) == (503, ["application/problem+json"])
        assert json.loads(body)["type"] == "urn:ietf:params:acme:error:serverInternal"
        assert headers["retry-after"] == ["5"]
        _assert_protected(headers)
        for place in ("/", f"/e/{kid}"):
            status, headers, body = proxied.ask("--header", f"Accept: {BROWSER}", url=agency.public_url + place)
            assert (status, headers["content-type"]) == (503, ["text/html; charset=utf-8"])
            assert "数分後に、同じ URL を開き直してください。URL は、そのまま使えます。" in body.decode()
            assert "Open the same URL again in some minutes; it stays good." in body.decode()
            _assert_protected(headers)
    finally:
        agency.serve()
        proxied.wait()
    logged = "".join(path.read_text("utf-8") for path in proxied.logs.iterdir())
    assert "GET /e/ 503" in logged
    assert kid not in logged.upper()


def _assert_protected(headers: dict[str, list[str]]) -> None:
    assert headers["x-content-type-options"] == ["nosniff"]
    assert headers["referrer-policy"] == ["no-referrer"]
    assert len(headers["content-security-policy"]) == 1
    assert not any(character.isdigit() for each in headers["server"] for character in each)
