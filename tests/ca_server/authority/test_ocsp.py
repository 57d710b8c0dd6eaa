"""OCSP: strict requests, answers that pkilint, openssl and GnuTLS believe."""

import subprocess

import pytest
from asn1crypto import ocsp as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as library
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ca_server.authority import der, ocsp
from ca_server.clock import HOUR
from keys.algorithms import verify
from protocol.vocabulary import RevocationReason

HASHES = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}
KEY_COMPROMISE = RevocationReason.keyCompromise


def request_for(house, leaf, hash_name: str = "sha1", nonce: bytes | None = None) -> bytes:
    builder = library.OCSPRequestBuilder().add_certificate(leaf, house.issuing.certificate, HASHES[hash_name])
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def answered(house, encoded: bytes, status: ocsp.OcspStatus, lasting: int = HOUR) -> bytes:
    return ocsp.answer(ocsp.parse_request(encoded), status, house.ocsp, house.now, house.now + lasting)


@pytest.fixture(scope="session")
def leaf(the_house) -> x509.Certificate:
    return the_house.leaf(the_house.facts())


@pytest.mark.parametrize("hash_name", HASHES)
def test_a_request_names_serial_and_issuer(the_house, leaf, hash_name) -> None:
    query = ocsp.parse_request(request_for(the_house, leaf, hash_name))

    assert query.serial == leaf.serial_number
    assert query.issuer in ocsp.issuer_hashes(the_house.issuing.certificate)
    assert query.issuer not in ocsp.issuer_hashes(the_house.root.certificate)


STATUSES = [
    ("good", ocsp.GOOD, library.OCSPCertStatus.GOOD, None),
    ("unknown", ocsp.UNKNOWN, library.OCSPCertStatus.UNKNOWN, None),
    *(
        (
            f"revoked for {reason.name}",
            ocsp.revoked(1_790_000_000, reason),
            library.OCSPCertStatus.REVOKED,
            None if reason is RevocationReason.unspecified else reason.name,
        )
        for reason in RevocationReason
    ),
]


@pytest.mark.parametrize(("status", "word", "reason"), [pytest.param(*row[1:], id=row[0]) for row in STATUSES])
@pytest.mark.parametrize("hash_name", HASHES)
def test_an_answer_says_the_status(the_house, leaf, hash_name, status, word, reason) -> None:
    encoded = answered(the_house, request_for(the_house, leaf, hash_name), status)
    response = library.load_der_ocsp_response(encoded)

    assert response.certificate_status is word
    assert response.serial_number == leaf.serial_number
    assert response.hash_algorithm.name == hash_name
    assert (response.revocation_reason and response.revocation_reason.value) == reason


@pytest.mark.parametrize("status", [pytest.param(row[1], id=row[0]) for row in STATUSES])
def test_pkilint_finds_nothing_in_an_answer(each_house, pkilint, status) -> None:
    leaf = each_house.leaf(each_house.facts())

    assert pkilint.ocsp_response(answered(each_house, request_for(each_house, leaf, nonce=bytes(32)), status)) == set()


def test_an_answer_is_signed_by_the_delegated_signer_named_by_its_key(each_house) -> None:
    leaf = each_house.leaf(each_house.facts())
    response = library.load_der_ocsp_response(answered(each_house, request_for(each_house, leaf), ocsp.GOOD))
    signer = each_house.ocsp.certificate

    assert response.certificates == [signer]
    assert response.responder_name is None
    assert response.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(signer.public_key()).digest
    verify(each_house.ocsp.public_key, response.signature, response.tbs_response_bytes)


def test_an_answer_lives_an_hour_and_never_longer_than_its_signer(the_house, leaf) -> None:
    request = request_for(the_house, leaf)
    short = library.load_der_ocsp_response(answered(the_house, request, ocsp.GOOD))
    long = library.load_der_ocsp_response(answered(the_house, request, ocsp.GOOD, lasting=60 * 86400))

    assert short.next_update_utc.timestamp() == the_house.now + HOUR
    assert long.next_update_utc == the_house.ocsp.certificate.not_valid_after_utc


def test_a_signer_that_has_ended_answers_nothing(the_house, leaf) -> None:
    query = ocsp.parse_request(request_for(the_house, leaf))
    end = der.seconds(the_house.ocsp.certificate.not_valid_after_utc)

    assert ocsp.answer(query, ocsp.GOOD, the_house.ocsp, end, end + HOUR)
    with pytest.raises(ocsp.SignerEnded):
        ocsp.answer(query, ocsp.GOOD, the_house.ocsp, end + 1, end + HOUR)


@pytest.mark.parametrize("length", [1, 15, 16, 32, 33, 128])
def test_a_nonce_comes_back_when_it_has_16_to_32_octets(the_house, leaf, length) -> None:
    nonce = bytes(range(length))
    response = library.load_der_ocsp_response(answered(the_house, request_for(the_house, leaf, nonce=nonce), ocsp.GOOD))

    echoed = [extension.value.nonce for extension in response.extensions]
    assert echoed == ([nonce] if 16 <= length <= 32 else [])


# Requests that are refused.


def request_of(*requests: bytes, extensions: bytes = b"") -> bytes:
    return der.sequence(der.sequence(der.sequence(*requests), extensions))


def cert_id(
    serial: bytes = b"\x02\x01\x05", algorithm: str = "1.3.14.3.2.26", sizes: tuple[int, int] = (20, 20)
) -> bytes:
    hashed = [der.element(der.OCTET_STRING, bytes(size)) for size in sizes]
    return der.sequence(der.sequence(der.sequence(der.object_identifier(algorithm), der.NULL), *hashed, serial))


def with_extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    mark = der.BOOLEAN_TRUE if critical else b""
    extension = der.sequence(der.object_identifier(oid), mark, der.element(der.OCTET_STRING, value))
    return der.explicit(2, der.sequence(extension))


NONCE = "1.3.6.1.5.5.7.48.1.2"
MALFORMED = [
    ("nothing", b""),
    ("text", b"GET / HTTP/1.1"),
    ("no certificate", request_of()),
    ("two certificates", request_of(cert_id(), cert_id())),
    ("bytes after the end", request_of(cert_id()) + b"\0"),
    ("SHA-384", request_of(cert_id(algorithm="2.16.840.1.101.3.4.2.2", sizes=(48, 48)))),
    ("MD5", request_of(cert_id(algorithm="1.2.840.113549.2.5", sizes=(16, 16)))),
    ("a hash that nobody knows", request_of(cert_id(algorithm="1.2.3.4"))),
    ("a name hash too short", request_of(cert_id(sizes=(19, 20)))),
    ("a key hash too long", request_of(cert_id(sizes=(20, 32)))),
    ("a negative serial number", request_of(cert_id(serial=b"\x02\x01\x85"))),
    ("an empty nonce", request_of(cert_id(), extensions=with_extension(NONCE, b"\x04\x00"))),
    ("a nonce of 129 octets", request_of(cert_id(), extensions=with_extension(NONCE, der.element(4, bytes(129))))),
    ("a bare nonce", request_of(cert_id(), extensions=with_extension(NONCE, bytes(16)))),
    ("a nonce that is no OCTET STRING", request_of(cert_id(), extensions=with_extension(NONCE, b"\x05\x00"))),
    ("a critical extension", request_of(cert_id(), extensions=with_extension("1.2.3.4", b"\x05\x00", critical=True))),
    (
        "an extension twice",
        request_of(
            cert_id(),
            extensions=der.explicit(
                2, der.sequence(*[der.contents(der.contents(with_extension(NONCE, b"\x04\x01x"), 0xA2), 0x30)] * 2)
            ),
        ),
    ),
    ("too many bytes", request_of(cert_id(), extensions=with_extension("1.2.3.4", bytes(ocsp.MAX_REQUEST_BYTES)))),
]


@pytest.mark.parametrize("encoded", [pytest.param(encoded, id=name) for name, encoded in MALFORMED])
def test_a_malformed_request_is_refused(encoded) -> None:
    with pytest.raises(ocsp.MalformedRequest):
        ocsp.parse_request(encoded)


def test_what_the_malformed_requests_were_made_from_is_a_request() -> None:
    nonce = with_extension(NONCE, der.element(der.OCTET_STRING, bytes(16)))

    assert ocsp.parse_request(request_of(cert_id())).serial == 5
    assert ocsp.parse_request(request_of(cert_id(), extensions=nonce)).nonce == bytes(16)
    assert ocsp.parse_request(request_of(cert_id(), extensions=with_extension("1.2.3.4", b"\x05\x00"))).nonce is None


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200))
@example(request_of(cert_id())[:-1])
def test_any_bytes_are_a_query_or_malformed(encoded) -> None:
    parse_or_refuse(encoded)


@settings(max_examples=800, deadline=None)
@given(
    place=st.integers(min_value=0, max_value=10_000),
    octet=st.binary(min_size=0, max_size=3),
    width=st.integers(min_value=0, max_value=3),
)
def test_a_mutated_request_is_a_query_or_malformed_and_every_query_can_be_answered(
    the_house, leaf, place, octet, width
) -> None:
    original = request_for(the_house, leaf, "sha256", bytes(16))
    place %= len(original)
    query = parse_or_refuse(original[:place] + octet + original[place + width :])

    if query is not None:
        assert ocsp.answer(query, ocsp.UNKNOWN, the_house.ocsp, the_house.now, the_house.now + HOUR)


def parse_or_refuse(encoded: bytes) -> ocsp.OcspQuery | None:
    try:
        return ocsp.parse_request(encoded)
    except ocsp.MalformedRequest:
        return None


@pytest.mark.parametrize(
    ("code", "number"),
    [
        (ocsp.ErrorCode.MALFORMED_REQUEST, 1),
        (ocsp.ErrorCode.INTERNAL_ERROR, 2),
        (ocsp.ErrorCode.TRY_LATER, 3),
        (ocsp.ErrorCode.UNAUTHORIZED, 6),
    ],
)
def test_an_error_is_its_number_and_nothing_else(code, number) -> None:
    assert ocsp.error(code).hex() == f"30030a010{number}"
    assert asn1.OCSPResponse.load(ocsp.error(code))["response_bytes"].native is None


# Second oracles.


def run(folder, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def files(each_house, tmp_path):
    leaf = each_house.leaf(each_house.facts())
    for name in ("root", "issuing", "ocsp"):
        certificate = getattr(each_house, name).certificate
        (tmp_path / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))

    def ask(status: ocsp.OcspStatus, *arguments: str):
        question = ["openssl", "ocsp", "-issuer", "issuing.pem", *arguments, "-cert", "leaf.pem"]
        run(tmp_path, *question, "-reqout", "request.der")
        (tmp_path / "response.der").write_bytes(answered(each_house, (tmp_path / "request.der").read_bytes(), status))
        exchange = ["openssl", "ocsp", "-reqin", "request.der", "-respin", "response.der"]
        trust = ["-issuer", "issuing.pem", "-CAfile", "root.pem"]
        told = run(tmp_path, *question, "-no_nonce", "-respin", "response.der", "-CAfile", "root.pem")
        return run(tmp_path, *exchange, *trust, "-resp_text"), told

    return tmp_path, ask


@pytest.mark.parametrize("digest", ["-sha1", "-sha256"])
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (ocsp.GOOD, "leaf.pem: good"),
        (ocsp.UNKNOWN, "leaf.pem: unknown"),
        (ocsp.revoked(1_790_000_000, KEY_COMPROMISE), "Reason: keyCompromise"),
    ],
)
def test_openssl_believes_the_answer_to_its_own_question(files, digest, status, words) -> None:
    _, ask = files

    exchange, told = ask(status, digest)

    assert exchange.stderr == "Response verify OK\n"  # and no word of a nonce that did not come back
    assert "OCSP Nonce" in exchange.stdout
    assert "Response verify OK" in told.stderr
    assert words in told.stdout


def test_gnutls_believes_the_answer(files) -> None:
    folder, ask = files
    ask(ocsp.GOOD)

    result = run(folder, "ocsptool", "-e", "--load-signer", "ocsp.pem", "--load-response", "response.der")

    assert "Verifying OCSP Response: Success." in result.stdout, result.stdout + result.stderr
