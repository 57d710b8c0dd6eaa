"""nginx by conf/nginx.conf before the service: clients enrol through it, addresses are true, its logs hold no secret.

The file is used as it stands but for what it marks for change, ports, and places in a temporary folder.
"""

import base64
import contextlib
import dataclasses
import itertools
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.end_to_end.acme_pc import AcmePc
from tests.end_to_end.agency import Agency, Invitation, environment, free_ports
from tests.end_to_end.judges import GOOD, judge
from tests.end_to_end.web_servers import program

CONFIGURATION = Path(__file__).parents[2] / "conf" / "nginx.conf"
FORGED = "203.0.113.99"
ELSEWHERE = "127.0.0.7"
NGINX = "127.0.0.9"


@dataclasses.dataclass(frozen=True)
class Proxied:
    """An agency behind nginx: its URLs are nginx's, and `direct` is where the service itself listens."""

    agency: Agency
    direct: int
    logs: Path

    def ask(self, *words: str, url: str = "") -> tuple[int, dict[str, list[str]], bytes]:
        """Ask by curl from another address of this machine; return status, headers and body."""
        curl = [
            program("curl"), "--silent", "--include", "--noproxy", "*", "--interface", ELSEWHERE, "--max-time", "10",
            "--path-as-is", "--cacert", str(self.agency.root), *words, url or f"{self.agency.public_url}/directory",
        ]  # fmt: skip
        done = subprocess.run(curl, capture_output=True, env=environment(), timeout=20, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers: dict[str, list[str]] = {}
        for name, value in (line.split(": ", 1) for line in lines):
            headers.setdefault(name.lower(), []).append(value)
        return int(status.split()[1]), headers, body


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Run an agency with nginx before both of its addresses."""
    folder = tmp_path_factory.mktemp("proxied")
    agency = Agency(folder)
    behind = dict(zip(("public", "http"), free_ports(2), strict=True))
    for name, port in behind.items():
        front = getattr(agency, f"{name}_port")
        agency.configure(f'{name}_listen = "127.0.0.1:{front}"', f'{name}_listen = "127.0.0.1:{port}"')
    agency.configure("[server]\n", '[server]\ntrusted_proxies = ["' + NGINX + '"]\n')
    with _nginx(agency, behind, folder / "nginx"):
        agency.serve()
        proxied = Proxied(agency, behind["public"], folder / "nginx" / "logs")
        _wait(proxied)
        try:
            yield proxied
            agency.balance()
        finally:
            agency.stop()


@contextlib.contextmanager
def _nginx(agency: Agency, behind: dict[str, int], folder: Path) -> Iterator[None]:
    (folder / "logs").mkdir(parents=True)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    changes = {
        r"^ *listen \[::\].*\n": "",
        r"listen 443 ": f"listen 127.0.0.1:{agency.public_port} ",
        r"listen 80;": f"listen 127.0.0.1:{agency.http_port};",
        r"server 127\.0\.0\.1:8443;": f"server 127.0.0.1:{behind['public']};",
        r"server 127\.0\.0\.1:8080;": f"server 127.0.0.1:{behind['http']};",
        r"https://ca\.example\.jp": agency.public_url,
        r"/etc/ssl/ca\.example\.jp/fullchain\.pem": str(agency.folder / "tls" / "server.pem"),
        r"/etc/ssl/ca\.example\.jp/privkey\.pem;": (
            f"{agency.folder}/tls/server.key.pem; ssl_password_file {agency.folder}/secrets/server.passphrase;"
        ),
        r"ca\.example\.jp": "localhost",
        r"/srv/warifu": str(agency.folder),
        r"/var/log/nginx": str(folder / "logs"),
        r"/run/nginx\.pid": str(folder / "pid"),
        r"^http \{": f"http {{\n{temporary}proxy_bind {NGINX};\n",
    }
    text = CONFIGURATION.read_text("utf-8")
    for before, after in changes.items():
        text, count = re.subn(before, after.replace("\\", "\\\\"), text, flags=re.MULTILINE)
        assert count, before
    (folder / "nginx.conf").write_text(text, "utf-8")
    command = [program("nginx"), "-c", f"{folder}/nginx.conf", "-p", str(folder), "-e", f"{folder}/logs/error.log"]
    process = subprocess.Popen([*command, "-g", "daemon off;"], env=environment())
    try:
        yield
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(10)


def _wait(proxied: Proxied) -> None:
    deadline = time.monotonic() + 20
    while proxied.ask()[0] != 200:
        assert time.monotonic() < deadline, proxied.agency.log.read_text("utf-8")
        time.sleep(0.1)


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
    deadline = time.monotonic() + 10
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
    assert f" {ELSEWHERE} " in line


@pytest.mark.parametrize("path", ["/", "/directory", "/e/X", "/nowhere", "/static/style.css", "/acme/new-order"])
def test_each_protecting_header_stands_once(proxied: Proxied, path: str) -> None:
    _, headers, _ = proxied.ask(url=proxied.agency.public_url + path)
    _assert_protected(headers)
    assert headers["strict-transport-security"] == ["max-age=31536000"]


def test_each_protecting_header_stands_once_where_nginx_answers_itself(proxied: Proxied) -> None:
    status, headers, _ = proxied.ask("--header", f"Long: {'x' * 9000}")
    assert status == 400
    _assert_protected(headers)
    for path in ("/crl/root.crl", "/nowhere"):
        _assert_protected(proxied.ask(url=proxied.agency.http_url + path)[1])


def test_while_the_service_is_away_clients_are_told_to_come_back_and_no_log_holds_a_kid(proxied: Proxied) -> None:
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
    finally:
        agency.serve()
        _wait(proxied)
    logged = "".join(path.read_text("utf-8") for path in proxied.logs.iterdir())
    assert "GET /e/ 503" in logged
    assert kid not in logged.upper()


def _assert_protected(headers: dict[str, list[str]]) -> None:
    assert headers["x-content-type-options"] == ["nosniff"]
    assert headers["referrer-policy"] == ["no-referrer"]
    assert len(headers["content-security-policy"]) == 1
    assert not any(character.isdigit() for each in headers["server"] for character in each)
