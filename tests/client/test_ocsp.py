"""The authority's word on a certificate, and answers that are not believed."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from asn1crypto import ocsp as asn1
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from client.config import Patience, Settings
from client.errors import ClientError, TryLater
from client.ocsp import Word, ask
from tests.client.small_authority import Issuer, _builder, _name

ISSUER = Issuer.root("Client authority")
STRANGER = Issuer.root("Somebody else")
SETTINGS = Settings(Path("nowhere"), patience=Patience(give_up=5))


@dataclass
class Responder:
    """A server that answers with whatever a test prepared."""

    url: str
    answer: bytes = b""


@pytest.fixture
def responder() -> Iterator[Responder]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            ocsp.load_der_ocsp_request(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(prepared.answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    prepared = Responder(f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield prepared
    server.shutdown()
    server.server_close()
    thread.join()


def certificate(url: str) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url))
    builder = _builder(_name("F123456-001"), ISSUER.certificate.subject, key.public_key(), 30)
    return ISSUER.sign(builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False))


def signer(
    issuer: Issuer, usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.OCSP_SIGNING, *, days: int = 30, begins: int = 0
) -> Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name("OCSP signer"), issuer.certificate.subject, key.public_key(), days)
    if begins:
        builder._not_valid_before = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=begins)
    return Issuer(issuer.sign(builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)), key)


def answered(
    leaf: x509.Certificate,
    by: Issuer,
    reason: x509.ReasonFlags | None = None,
    age: timedelta = timedelta(0),
    lasts: timedelta | None = timedelta(hours=1),
) -> bytes:
    """Return an answer: revoked for a reason, or good without."""
    made = datetime.now(UTC).replace(microsecond=0) - age
    builder = ocsp.OCSPResponseBuilder().add_response(
        leaf,
        ISSUER.certificate,
        SHA256(),
        ocsp.OCSPCertStatus.GOOD if reason is None else ocsp.OCSPCertStatus.REVOKED,
        made,
        None if lasts is None else made + lasts,
        None if reason is None else made,
        reason,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, by.certificate).certificates([by.certificate])
    return builder.sign(by.key, SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (None, Word.GOOD),
        (x509.ReasonFlags.key_compromise, Word.REVOKED),
        (x509.ReasonFlags.certificate_hold, Word.SUSPENDED),
    ],
)
async def test_the_authority_says_how_a_certificate_stands(
    responder: Responder, reason: x509.ReasonFlags | None, word: Word
) -> None:
    leaf = certificate(responder.url)
    for by in (ISSUER, signer(ISSUER)):
        responder.answer = answered(leaf, by, reason)
        standing = await ask(leaf, ISSUER.certificate, SETTINGS)
        assert standing.word is word
        assert (standing.since is None) == (reason is None)


@pytest.mark.parametrize(
    "by",
    [
        STRANGER,
        signer(STRANGER),
        signer(ISSUER, ExtendedKeyUsageOID.CLIENT_AUTH),
        signer(ISSUER, days=-1),
        signer(ISSUER, begins=7),
    ],
    ids=["a stranger", "a stranger's signer", "a client of ours", "a former signer", "a signer to come"],
)
async def test_the_word_of_anybody_else_is_not_believed(responder: Responder, by: Issuer) -> None:
    leaf = certificate(responder.url)
    responder.answer = answered(leaf, by)
    with pytest.raises(ClientError) as caught:
        await ask(leaf, ISSUER.certificate, SETTINGS)
    assert caught.value.type == "badOcspAnswer"


async def test_an_altered_answer_is_not_believed(responder: Responder) -> None:
    leaf = certificate(responder.url)
    answer = answered(leaf, ISSUER, x509.ReasonFlags.key_compromise)
    for place in range(60, len(answer), 97):
        responder.answer = answer[:place] + bytes([answer[place] ^ 1]) + answer[place + 1 :]
        with pytest.raises(ClientError):
            await ask(leaf, ISSUER.certificate, SETTINGS)


@pytest.mark.parametrize("age", [timedelta(hours=2), -timedelta(hours=1)], ids=["too old", "of the future"])
async def test_an_answer_of_another_time_is_not_believed(responder: Responder, age: timedelta) -> None:
    leaf = certificate(responder.url)
    responder.answer = answered(leaf, ISSUER, age=age)
    with pytest.raises(ClientError):
        await ask(leaf, ISSUER.certificate, SETTINGS)


@pytest.mark.parametrize(("hours", "believed"), [(23, True), (25, False)])
async def test_an_answer_without_an_end_is_believed_for_a_day(responder: Responder, hours: int, believed: bool) -> None:
    leaf = certificate(responder.url)
    responder.answer = answered(leaf, ISSUER, age=timedelta(hours=hours), lasts=None)
    if believed:
        assert (await ask(leaf, ISSUER.certificate, SETTINGS)).word is Word.GOOD
    else:
        with pytest.raises(ClientError, match="not of this time"):
            await ask(leaf, ISSUER.certificate, SETTINGS)


@pytest.mark.parametrize("count", [0, 2])
async def test_an_answer_on_none_or_several_is_not_believed(responder: Responder, count: int) -> None:
    leaf = certificate(responder.url)
    whole = asn1.OCSPResponse.load(answered(leaf, ISSUER))
    basic = asn1.BasicOCSPResponse.load(whole["response_bytes"]["response"].contents)
    data = basic["tbs_response_data"]
    data["responses"] = [data["responses"][0]] * count
    basic["signature"] = ISSUER.key.sign(data.dump(force=True), ec.ECDSA(SHA256()))
    parts = {"response_type": "basic_ocsp_response", "response": basic}
    responder.answer = asn1.OCSPResponse({"response_status": "successful", "response_bytes": parts}).dump(force=True)
    with pytest.raises(ClientError) as caught:
        await ask(leaf, ISSUER.certificate, SETTINGS)
    assert caught.value.type == "badOcspAnswer"


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"x" * 5_000_000], ids=["none", "nonsense", "too long"])
async def test_what_is_no_answer_does_not_end_the_others(responder: Responder, answer: bytes) -> None:
    responder.answer = answer
    with pytest.raises(ClientError) as caught:
        await ask(certificate(responder.url), ISSUER.certificate, SETTINGS)
    assert caught.value.type == "badOcspAnswer"


async def test_without_the_issuer_nobody_is_asked() -> None:
    with pytest.raises(ClientError) as caught:
        await ask(certificate("http://127.0.0.1:1/"), None, SETTINGS)
    assert caught.value.type == "badOcspAnswer"


async def test_an_answer_on_another_certificate_is_not_believed(responder: Responder) -> None:
    responder.answer = answered(certificate(responder.url), ISSUER)
    with pytest.raises(ClientError):
        await ask(certificate(responder.url), ISSUER.certificate, SETTINGS)


async def test_an_authority_that_is_away_is_asked_later() -> None:
    with pytest.raises(TryLater):
        await ask(certificate("http://127.0.0.1:1/"), ISSUER.certificate, SETTINGS)


async def test_a_certificate_without_an_address_cannot_be_asked_about() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(ClientError):
        await ask(ISSUER.client("F123456-001", key.public_key(), 30), ISSUER.certificate, SETTINGS)
