"""The plain http address: OCSP (RFC 6960, RFC 5019, RFC 9654), CRLs and CA certificates."""

import base64
import dataclasses
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus
from yarl import URL

from ca_server.app import crl_entry
from ca_server.authority import der
from ca_server.clock import HOUR, moment
from ca_server.operations import issuance
from ca_server.store import certificates
from keys.algorithms import verify
from tests.ca_server.web.caller import Caller
from tests.ca_server.web.office import Office

CN = "F123456-001"
MALFORMED = OCSPResponseStatus.MALFORMED_REQUEST
NONCE = b"0123456789abcdef"


@dataclasses.dataclass(frozen=True)
class Told:
    """An answer of the plain address, read whole."""

    status: int
    headers: Any
    body: bytes

    @property
    def response(self) -> ocsp.OCSPResponse:
        assert self.status == 200
        assert self.headers["Content-Type"] == "application/ocsp-response"
        return ocsp.load_der_ocsp_response(self.body)

    @property
    def word(self) -> OCSPCertStatus:
        return self.response.certificate_status


async def get(office: Office, path: str, method: str = "GET") -> Told:
    """Ask for a path exactly as it is written."""
    raw = URL(str(office.plain.make_url("")).rstrip("/") + path, encoded=True)
    async with office.plain.session.request(method, raw) as answer:
        return Told(answer.status, answer.headers, await answer.read())


async def ask(office: Office, encoded: bytes) -> Told:
    """Ask by POST."""
    headers = {"Content-Type": "application/ocsp-request"}
    async with office.plain.post("/ocsp", data=encoded, headers=headers) as answer:
        return Told(answer.status, answer.headers, await answer.read())


def about(
    office: Office,
    serial: int,
    *,
    algorithm: hashes.HashAlgorithm | None = None,
    nonce: bytes | None = None,
    issuer: x509.Certificate | None = None,
) -> bytes:
    """Return a request about a serial of the issuing CA, or of another issuer."""
    algorithm = algorithm or hashes.SHA1()
    issuer = issuer or office.folder.issuing.certificate
    named = ocsp.OCSPRequestBuilder().add_certificate(office.folder.ocsp.certificate, issuer, algorithm).build()
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        named.issuer_name_hash, named.issuer_key_hash, serial, algorithm
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def path_of(encoded: bytes, safe: str = "") -> str:
    return "/ocsp/" + quote(base64.b64encode(encoded).decode(), safe=safe)


@pytest.fixture
async def leaf(holder: Caller) -> x509.Certificate:
    """The certificate of F123456-001."""
    return await holder.enrol()


# --- what is asked and how


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()], ids=["SHA-1", "SHA-256"])
async def test_an_issued_certificate_is_good_by_every_way_of_asking(
    office: Office, leaf: x509.Certificate, algorithm: hashes.HashAlgorithm
) -> None:
    encoded = about(office, leaf.serial_number, algorithm=algorithm)
    for told in (
        await ask(office, encoded),
        await get(office, path_of(encoded)),
        await get(office, path_of(encoded, safe="/+=")),
    ):
        assert told.word is OCSPCertStatus.GOOD
        assert told.response.serial_number == leaf.serial_number
        assert told.response.hash_algorithm.name == algorithm.name


async def test_slash_and_plus_are_read_plain_and_encoded(office: Office) -> None:
    """Serials whose base64 holds both letters, also a slash behind a slash, which servers like to fold."""
    seen = set[str]()
    for tail in (b"\xfb\xff\xbf", b"\xff\xff\xff", b"\xfb\xef\xbe", b"\x03\xef\xff"):
        for shift in range(3):
            serial = int.from_bytes(b"\x11" * (10 + shift) + tail)
            encoded = about(office, serial)
            text = base64.b64encode(encoded).decode()
            seen |= {mark for mark in ("//", "/", "+", "++", "=") if mark in text}
            for safe in ("", "/", "+", "=", "/+="):
                told = await get(office, path_of(encoded, safe))
                assert told.response.response_status is OCSPResponseStatus.SUCCESSFUL, text
                assert told.response.serial_number == serial
    assert seen == {"//", "/", "+", "++", "="}


@pytest.mark.parametrize(
    "path", ["/ocsp/", "/ocsp/%", "/ocsp/AAAA", "/ocsp/****", "/ocsp/%00", "/ocsp/MA==", "/ocsp/%e6%bc%a2"]
)
async def test_a_path_that_is_no_request_is_malformed(office: Office, path: str) -> None:
    assert (await get(office, path)).response.response_status is MALFORMED


@pytest.mark.parametrize(
    "encoded", [b"", b"\x30\x00", b"\x30", b"\0" * 100, b"x" * 5000], ids=["nothing", "empty", "cut", "zeros", "long"]
)
async def test_a_body_that_is_no_request_is_malformed(office: Office, encoded: bytes) -> None:
    told = await ask(office, encoded)
    assert told.response.response_status is MALFORMED
    assert told.headers["Cache-Control"] == "no-store"


async def test_a_request_with_bytes_behind_it_is_malformed(office: Office, leaf: x509.Certificate) -> None:
    assert (await ask(office, about(office, leaf.serial_number) + b"\0")).response.response_status is MALFORMED


@pytest.mark.parametrize("count", [0, 2, 10])
async def test_another_number_of_questions_than_one_is_malformed(
    office: Office, leaf: x509.Certificate, count: int
) -> None:
    tbs = der.contents(about(office, leaf.serial_number), der.SEQUENCE)
    question = der.contents(der.contents(tbs, der.SEQUENCE), der.SEQUENCE)
    assert der.sequence(der.sequence(der.sequence(question))) == about(office, leaf.serial_number)
    several = der.sequence(der.sequence(der.sequence(question * count)))
    assert (await ask(office, several)).response.response_status is MALFORMED


async def test_another_issuer_is_not_ours_to_speak_for(office: Office, leaf: x509.Certificate) -> None:
    foreign = about(office, leaf.serial_number, issuer=office.folder.ocsp.certificate)
    for told in (await ask(office, foreign), await get(office, path_of(foreign))):
        assert told.response.response_status is OCSPResponseStatus.UNAUTHORIZED
        assert told.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("algorithm", [hashes.SHA384(), hashes.SHA512()], ids=["SHA-384", "SHA-512"])
async def test_an_issuer_named_by_another_hash_is_malformed(
    office: Office, leaf: x509.Certificate, algorithm: hashes.HashAlgorithm
) -> None:
    encoded = about(office, leaf.serial_number, algorithm=algorithm)
    assert (await ask(office, encoded)).response.response_status is MALFORMED


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_ocsp_is_asked_by_get_and_post(office: Office, method: str) -> None:
    assert (await get(office, "/ocsp", method)).status == 405


# --- nonces (RFC 9654 §2.1)


@pytest.mark.parametrize("length", [16, 17, 31, 32])
async def test_a_nonce_of_16_to_32_octets_comes_back_and_is_not_cached(
    office: Office, leaf: x509.Certificate, length: int
) -> None:
    encoded = about(office, leaf.serial_number, nonce=bytes(range(length)))
    for told in (await ask(office, encoded), await get(office, path_of(encoded))):
        assert told.response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == bytes(range(length))
        assert told.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("length", [1, 15, 33, 128])
async def test_a_nonce_of_another_length_is_passed_over(office: Office, leaf: x509.Certificate, length: int) -> None:
    told = await ask(office, about(office, leaf.serial_number, nonce=bytes(length)))
    assert told.word is OCSPCertStatus.GOOD
    assert list(told.response.extensions) == []


@pytest.mark.parametrize("length", [0, 129, 1000])
async def test_a_nonce_of_no_octets_or_too_many_is_malformed(
    office: Office, leaf: x509.Certificate, length: int
) -> None:
    told = await ask(office, about(office, leaf.serial_number, nonce=bytes(length)))
    assert told.response.response_status is MALFORMED


async def test_no_nonce_comes_back_unasked(office: Office, leaf: x509.Certificate) -> None:
    assert list((await ask(office, about(office, leaf.serial_number))).response.extensions) == []


# --- what is answered


async def test_an_answer_is_the_delegated_signers_and_lives_an_hour(office: Office, leaf: x509.Certificate) -> None:
    response = (await ask(office, about(office, leaf.serial_number))).response
    signer = office.folder.ocsp.certificate
    assert response.certificates == [signer]
    assert response.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(signer.public_key()).digest
    assert response.this_update_utc == moment(office.clock.now())
    assert response.next_update_utc == moment(office.clock.now() + HOUR)
    verify(office.folder.ocsp.public_key, response.signature, response.tbs_response_bytes)


async def test_what_was_never_issued_is_unknown_and_not_cached(office: Office, leaf: x509.Certificate) -> None:
    for serial in (1, 0, leaf.serial_number + 1, office.folder.issuing.certificate.serial_number, 2**159 - 1):
        told = await get(office, path_of(about(office, serial)))
        assert told.word is OCSPCertStatus.UNKNOWN
        assert told.headers["Cache-Control"] == "no-store"


async def test_what_is_planned_is_unknown_and_what_was_aborted_is_revoked(
    office: Office, holder: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: object) -> None:
        raise ConnectionAbortedError

    monkeypatch.setattr(issuance, "issue", dies)
    (await holder.finalize((await holder.order()).document)).must(500)
    (plan,) = office.look(certificates.of_seat, CN)
    encoded = about(office, int(plan.serial, 16))
    assert (await get(office, path_of(encoded))).word is OCSPCertStatus.UNKNOWN
    now = office.clock.now()
    await office.write(issuance.abort, plan.serial, crl_entry(plan.serial, now, 0), now)
    assert (await get(office, path_of(encoded))).word is OCSPCertStatus.REVOKED


async def test_a_revocation_is_told_with_its_commit_with_moment_and_reason(
    office: Office, holder: Caller, leaf: x509.Certificate
) -> None:
    office.clock.pass_by(hours=5)
    (await holder.revoke(leaf, reason=4)).must(200)
    response = (await get(office, path_of(about(office, leaf.serial_number)))).response
    assert response.certificate_status is OCSPCertStatus.REVOKED
    assert response.revocation_time_utc == moment(office.clock.now())
    assert response.revocation_reason is x509.ReasonFlags.superseded


async def test_an_unspecified_reason_is_left_out(office: Office, holder: Caller, leaf: x509.Certificate) -> None:
    (await holder.revoke(leaf, reason=0)).must(200)
    response = (await ask(office, about(office, leaf.serial_number))).response
    assert (response.certificate_status, response.revocation_reason) == (OCSPCertStatus.REVOKED, None)


async def test_a_certificate_that_ended_is_what_it_was(office: Office, leaf: x509.Certificate) -> None:
    office.clock.pass_by(days=20)
    assert (await ask(office, about(office, leaf.serial_number))).word is OCSPCertStatus.GOOD


async def test_an_answer_never_outlives_its_signer(office: Office, leaf: x509.Certificate) -> None:
    end = office.folder.ocsp.certificate.not_valid_after_utc
    office.clock.set(int((end - timedelta(minutes=10)).timestamp()))
    assert (await ask(office, about(office, leaf.serial_number))).response.next_update_utc == end
    office.clock.set(int(end.timestamp()) + 1)
    told = await get(office, path_of(about(office, leaf.serial_number)))
    assert told.response.response_status is OCSPResponseStatus.TRY_LATER
    assert told.headers["Cache-Control"] == "no-store"


async def test_records_that_cannot_be_read_are_no_answer(
    office: Office, leaf: x509.Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(certificates, "state", broken)
    told = await ask(office, about(office, leaf.serial_number))
    assert told.response.response_status is OCSPResponseStatus.TRY_LATER


# --- how long it may be kept (RFC 5019 §5)


async def test_an_answer_by_get_may_be_kept_until_its_next_update(
    office: Office, holder: Caller, leaf: x509.Certificate
) -> None:
    for word in (OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED):
        told = await get(office, path_of(about(office, leaf.serial_number)))
        headers, response = told.headers, told.response
        assert response.certificate_status is word
        assert headers["Cache-Control"] == f"max-age={HOUR}, public, no-transform, must-revalidate"
        assert _date(headers["Last-Modified"]) == response.this_update_utc
        assert _date(headers["Expires"]) == response.next_update_utc
        assert headers["ETag"] == f'"{response.signature[-16:].hex()}"'
        if word is OCSPCertStatus.GOOD:
            (await holder.revoke(leaf)).must(200)


async def test_an_answer_by_post_is_not_kept(office: Office, leaf: x509.Certificate) -> None:
    assert (await ask(office, about(office, leaf.serial_number))).headers["Cache-Control"] == "no-store"


def _date(text: str) -> datetime:
    assert text.endswith(" GMT")
    return parsedate_to_datetime(text)


# --- files


async def test_the_crl_is_served_at_the_address_that_certificates_name(office: Office, leaf: x509.Certificate) -> None:
    (point,) = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name is not None
    path = point.full_name[0].value.removeprefix(office.config.server.http_url)
    number = await office.publish()
    told = await get(office, path)
    assert told.status == 200
    assert told.headers["Content-Type"] == "application/pkix-crl"
    crl = x509.load_der_x509_crl(told.body)
    assert crl.is_signature_valid(office.folder.issuing.public_key)
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == number


async def test_a_crl_is_sent_again_only_when_there_is_a_newer_one(office: Office) -> None:
    await office.publish()
    path = f"/crl/{office.config.authority.issuer}.crl"
    had = {"If-None-Match": (await get(office, path)).headers["ETag"]}
    async with office.plain.get(path, headers=had) as answer:
        assert answer.status == 304
    await office.publish()
    async with office.plain.get(path, headers=had) as answer:
        assert answer.status == 200


async def test_the_issuers_certificate_is_served_at_the_address_that_certificates_name(
    office: Office, leaf: x509.Certificate
) -> None:
    access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    (path,) = [each.access_location.value for each in access if each.access_method._name == "caIssuers"]
    told = await get(office, path.removeprefix(office.config.server.http_url))
    assert told.headers["Content-Type"] == "application/pkix-cert"
    assert x509.load_der_x509_certificate(told.body) == office.folder.issuing.certificate


async def test_the_root_has_its_own_crl_and_certificate(office: Office) -> None:
    told = await get(office, "/crl/root.crl")
    root = x509.load_der_x509_certificate((await get(office, "/ca/root.cer")).body)
    assert x509.load_der_x509_crl(told.body).issuer == root.subject == office.folder.issuing.certificate.issuer


@pytest.mark.parametrize(
    "name", ["other", "a" * 300, "%e3%81%82", ".root", "%00", "a%00", "%20", "root.crl%00", "-", "."]
)
@pytest.mark.parametrize("place", ["/crl/{}.crl", "/ca/{}.cer"])
async def test_a_file_that_is_not_there_is_not_found(office: Office, place: str, name: str) -> None:
    assert (await get(office, place.format(name))).status == 404


@pytest.mark.parametrize("prefix", ["../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "....//", "/", "%2f"])
async def test_nothing_outside_the_public_folder_is_served(office: Office, prefix: str) -> None:
    secret = office.config.server.public_folder.parent / "secret.crl"
    secret.write_bytes(b"secret")
    for path in (f"/crl/{prefix}secret.crl", f"/crl/{prefix}public/../secret.crl", f"/crl/{prefix}{secret}"):
        told = await get(office, path)
        assert told.status == 404
        assert b"secret" not in told.body


async def test_other_files_of_the_public_folder_have_no_address(office: Office) -> None:
    for path in (
        "/crl/root.pem",
        "/ca/chain.pem",
        "/root.pem",
        "/public/root.pem",
        "/ca/root.crl",
        "/crl/root.cer",
        "/",
    ):
        assert (await get(office, path)).status == 404
