"""What nginx, Apache and HAProxy make of certificates that the CA would never sign, and of a name full of traps.

The kits come from a CA whose organisation has every character that a configuration or a page could stumble over. OCSP
is off: no responder of this CA runs. Where Apache breaks the handshake off, the status is 0.
"""

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ca_server.relying_party.kit import Authority, Kit, NotPlain, rfc2253, write
from tests.ca_server.relying_party.forge import KEY, Ca, ca, pem
from tests.end_to_end import web_servers
from tests.end_to_end.web_servers import SERVERS, Answer, ClientCertificate, Upstream, WebServer

ORGANIZATION = """ 割符, "試験" 100%; <!--#機構--> $1 ${x} %[y] \\+'{{z}} """
OURS, THEIRS = ca(ORGANIZATION), ca(ORGANIZATION, number=1)
REVOKED = OURS.certificate("F123456-009")
OCSP_KEY = OURS.ocsp.private_key
assert isinstance(OCSP_KEY, ec.EllipticCurvePrivateKey)


@dataclass(frozen=True)
class Gate:
    """A server that lets F123456 in."""

    name: str
    server: WebServer
    folder: Path

    def pc(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey = KEY) -> ClientCertificate:
        """Put a certificate on a PC."""
        kept = ClientCertificate(self.folder / "pc.pem", self.folder / "pc.key")
        kept.chain.write_bytes(pem(certificate))
        kept.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return kept

    def ask(self, path: str, pc: ClientCertificate) -> Answer:
        """Ask for a path, for the self-test where it tells of all certificates."""
        return self.server.get(path, pc, port=self.server.ports[-1 if "self-test" in path else 0])


def write_kit(folder: Path, name: str, upstream: Upstream, *crls: bytes) -> Path:
    authority = Authority(
        ORGANIZATION, "http://127.0.0.1:9", OURS.root.certificate, {"issuing-1": OURS.issuing.certificate},
        dict(zip(("root", "issuing-1"), crls, strict=True)), 60, "<help> & desk",
    )  # fmt: skip
    write(Kit(name, folder, "www.example.jp", ("F123456",), upstream.url), authority)
    web_servers.certify(folder / "tls")
    for file, line in (("nginx.conf", "ssl_ocsp leaf;"), ("apache.conf", "SSLOCSPEnable leaf")):
        if (folder / file).exists():
            text = (folder / file).read_text("utf-8")
            assert line in text
            (folder / file).write_text(text.replace(line, ""), "utf-8")
    return folder


@pytest.fixture(scope="module")
def behind() -> Iterator[Upstream]:
    with web_servers.upstream() as running:
        yield running


@pytest.fixture(scope="module", params=list(SERVERS))
def gate(request: pytest.FixtureRequest, behind: Upstream) -> Iterator[Gate]:
    with web_servers.open_folder() as folder:
        kit = write_kit(folder / "kit", request.param, behind, OURS.crl(of=OURS.root), OURS.crl(REVOKED))
        with SERVERS[request.param](folder / "run", kit) as server:
            yield Gate(request.param, server, folder)


def test_whatever_the_organisation_is_called_its_certificates_are_let_in_and_shown_whole(gate: Gate) -> None:
    pc = gate.pc(OURS.certificate())
    answer = gate.ask("/", pc)
    assert answer.status == 200, answer
    assert answer.json()["X_CLIENT_DN"].startswith("CN=F123456-001,OU=F123456,O=")
    if gate.name != "apache":
        assert answer.json()["X_CLIENT_DN"].split(",O=")[1] == rfc2253(ORGANIZATION, in_ascii=True) + ",C=JP"
    told = gate.ask("/warifu-self-test.json", pc).json()
    assert (told["verdict"], told["accepted"]) == ("valid", True)
    subject = f"C=JP, O={ORGANIZATION}, OU=F123456, CN=F123456-001"
    assert told["certificate"]["subject"] == subject
    page = gate.ask("/warifu-self-test", pc).body
    assert subject in html.unescape(page)
    assert "&lt;help&gt; &amp; desk" in page


FORGERIES: dict[str, tuple[Callable[[], x509.Certificate], str]] = {
    "revoked": (lambda: REVOKED, "revoked"),
    "that ended": (lambda: OURS.forged(days=(-30, -1)), "expired"),
    "that has not begun": (lambda: OURS.forged(days=(1, 30)), "not-yet-valid"),
    "of another CA with the same names": (THEIRS.certificate, "untrusted"),
    "of the OCSP signer": (lambda: OURS.ocsp.certificate, "untrusted"),
    "of a server": (lambda: OURS.forged(purposes=[ExtendedKeyUsageOID.SERVER_AUTH]), "untrusted"),
    "of another institution": (lambda: OURS.certificate("F999999-001"), "other-institution"),
    "whose CN says what the OU should": (
        lambda: OURS.forged(name=OURS.name("F999999", "F123456-001,OU=F123456")), "other-institution"),
    "whose CN hides another OU": (
        lambda: OURS.forged(name=OURS.name("F999999", "F123456-001")), "other-institution"),
    "whose OU hides another CN": (
        lambda: OURS.forged(name=OURS.name("F123456", "F999999-001")), "other-institution"),
    "whose OU begins like ours": (
        lambda: OURS.forged(name=OURS.name("F1234567", "F123456-001")), "other-institution"),
    "with two OUs": (
        lambda: OURS.forged(name=[*OURS.name("F999999")[:3], *OURS.name()[2:]]), "other-institution"),
    "with two attributes in one": (
        lambda: OURS.forged(name=[*OURS.name()[:2], [*OURS.name()[2], *OURS.name()[3]]]), "other-institution"),
    "with something before the country": (
        lambda: OURS.forged(name=[[(NameOID.ORGANIZATION_NAME, "x")], *OURS.name()]), "other-institution"),
    "with something after the common name": (
        lambda: OURS.forged(name=[*OURS.name(), [(NameOID.SERIAL_NUMBER, "x")]]), "other-institution"),
    "of another organisation": (
        lambda: OURS.forged(name=[OURS.name()[0], [(NameOID.ORGANIZATION_NAME, "x")], *OURS.name()[2:]]),
        "other-institution"),
}  # fmt: skip


APACHE_CANNOT_SHOW = ("that ended", "that has not begun", "of the OCSP signer", "of a server")


@pytest.mark.parametrize("what", FORGERIES)
def test_a_certificate_is_refused_and_the_self_test_says_why(gate: Gate, what: str) -> None:
    make, verdict = FORGERIES[what]
    pc = gate.pc(make(), OCSP_KEY if "OCSP" in what else KEY)
    in_the_handshake = gate.name == "apache" and verdict != "other-institution"
    answer = gate.ask("/", pc)
    assert answer.status == (0 if in_the_handshake else 403), answer
    document, page = gate.ask("/warifu-self-test.json", pc), gate.ask("/warifu-self-test", pc)
    if gate.name == "apache" and what in APACHE_CANNOT_SHOW:
        assert (document.status, page.status) == (0, 0)
        return
    assert (document.status, page.status) == (200, 200)
    told = document.json()
    assert (told["verdict"], told["accepted"]) == (verdict, False)
    assert int(told["certificate"]["serial"], 16) == pc.leaf.serial_number
    assert told["certificate"]["serial"] in page.body
    assert f"{pc.leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}" == told["certificate"]["not_after"]
    assert "<!--#" not in page.body.replace(html.escape("<!--#"), "")
    if not in_the_handshake:
        assert answer.body == page.body


def test_a_name_of_another_ca_cannot_put_anything_into_the_page(gate: Gate) -> None:
    trap = """<script>alert(1)</script><!--#echo var="x" -->%[path]"' &"""
    stranger = Ca(ORGANIZATION, THEIRS.root, THEIRS.issuing, THEIRS.ocsp, THEIRS.now)
    pc = gate.pc(stranger.forged(name=[[(NameOID.COMMON_NAME, trap)]]))
    page, document = gate.ask("/warifu-self-test", pc), gate.ask("/warifu-self-test.json", pc)
    assert page.status == 200
    assert "<script>" not in page.body
    assert "<!--#" not in page.body
    assert "script" in page.body
    assert document.json()["certificate"]["subject"] is None


@pytest.mark.parametrize("name", list(SERVERS))
@pytest.mark.parametrize("of_the_root", [True, False], ids=["the root's", "the issuing CA's"])
def test_nobody_is_let_in_by_a_crl_past_its_time(name: str, of_the_root: bool, behind: Upstream) -> None:
    stale = (-48, -24)
    crls = (
        OURS.crl(of=OURS.root, hours=stale if of_the_root else (-1, 23)),
        OURS.crl(hours=(-1, 23) if of_the_root else stale),
    )
    with web_servers.open_folder() as folder:
        kit = write_kit(folder / "kit", name, behind, *crls)
        with SERVERS[name](folder / "run", kit) as server:
            gate = Gate(name, server, folder)
            pc = gate.pc(OURS.certificate())
            assert gate.ask("/", pc).status == (0 if name == "apache" else 403)
            if name != "apache":
                assert gate.ask("/warifu-self-test.json", pc).json()["verdict"] == "unknown"


def test_what_could_end_a_line_of_a_configuration_is_not_written(tmp_path: Path, behind: Upstream) -> None:
    for folder in ("with blank", 'quo"te', "semi;colon", "$dollar", "日本"):
        with pytest.raises(NotPlain):
            write_kit(tmp_path / folder, "nginx", behind, OURS.crl(of=OURS.root), OURS.crl())
        assert not (tmp_path / folder).exists()
