"""Certificate signing requests: honest ones are read, forged ones are refused, and nothing else is ever raised."""

import contextlib
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.algorithms import PrivateKey
from keys.csr import MAX_BYTES, SigningRequest, build_signing_request, parse_signing_request
from keys.errors import BadSigningRequest, KeysError, UnsupportedKey, WeakKey
from keys.generate import generate
from keys.keystore import save_key
from keys.policy import spki_sha256
from tests.keys import forge

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
HONEST = build_signing_request(KEY, "F123456-001", ["f123456-001"])
CLIENT_AUTH = bytes.fromhex("06082b06010505070302")
SERVER_AUTH = bytes.fromhex("06082b06010505070301")
ANY_USAGE = bytes.fromhex("0604551d2500")
CRITICAL_UNKNOWN = forge.extension(bytes.fromhex("06042a030405"), b"\x05\x00", critical=True)
DNS = forge.alternative_names(forge.tlv(0x82, b"f123456-001"))
OTHER_DNS = forge.alternative_names(forge.tlv(0x82, b"f654321-001"))
CA = forge.extension(forge.BASIC_CONSTRAINTS, forge.tlv(forge.SEQUENCE, b"\x01\x01\xff"))


def usages(*oids: bytes) -> bytes:
    return forge.extension(forge.EXTENDED_KEY_USAGE, forge.tlv(forge.SEQUENCE, *oids))


def permanent_identifier(value: bytes) -> bytes:
    return forge.tlv(0xA0, forge.PERMANENT_IDENTIFIER, forge.tlv(0xA0, value))


def with_extensions(*members: bytes) -> bytes:
    return forge.signed(KEY, forge.extensions(*members))


def assert_refused(der: bytes, sentence: str) -> None:
    with pytest.raises(BadSigningRequest, match=sentence):
        parse_signing_request(der)


# Honest requests


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096"])
def test_a_request_that_we_build_is_read_back_whole(kind: str) -> None:
    key = generate(kind)
    der = build_signing_request(key, "F123456-001", ["f123456-001", "f123456-001.client.example"])
    request = parse_signing_request(der)
    assert request == SigningRequest(
        key.public_key(), ("F123456-001",), ("f123456-001", "f123456-001.client.example"), der
    )
    assert spki_sha256(request.public_key) == spki_sha256(key.public_key())


def test_a_request_may_carry_no_name_at_all() -> None:
    request = parse_signing_request(build_signing_request(KEY, None))
    assert (request.common_names, request.dns_names, request.permanent_identifiers) == ((), (), ())


def test_the_names_of_others_are_told_not_judged() -> None:
    names = forge.subject(b"F654321-001", "Ｆ１".encode())
    request = parse_signing_request(forge.signed(KEY, forge.extensions(OTHER_DNS), names=names))
    assert request.common_names == ("F654321-001", "Ｆ１")
    assert request.dns_names == ("f654321-001",)


def test_a_permanent_identifier_is_told_by_its_value() -> None:
    value = forge.tlv(forge.SEQUENCE, forge.tlv(forge.UTF8, b"F123456-001"))
    request = parse_signing_request(with_extensions(forge.alternative_names(permanent_identifier(value))))
    assert request.permanent_identifiers == ("F123456-001",)


@pytest.mark.parametrize("hash_algorithm", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda h: h.name)
@pytest.mark.parametrize("key", [KEY, RSA], ids=["P-256", "RSA-2048"])
def test_the_requester_may_choose_the_hash(key: PrivateKey, hash_algorithm: hashes.SHA256) -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    der = builder.sign(key, hash_algorithm).public_bytes(serialization.Encoding.DER)
    assert parse_signing_request(der).public_key == key.public_key()


def test_asking_for_client_auth_and_for_what_the_profile_decides_is_allowed() -> None:
    not_ca = forge.extension(forge.BASIC_CONSTRAINTS, forge.tlv(forge.SEQUENCE))
    request = parse_signing_request(with_extensions(usages(CLIENT_AUTH), not_ca, CRITICAL_UNKNOWN, DNS))
    assert request.dns_names == ("f123456-001",)


def test_the_attributes_that_windows_adds_are_allowed() -> None:
    version = forge.attribute(bytes.fromhex("060a2b0601040182370d0203"), forge.tlv(0x16, b"10.0.19045.2"))
    client = forge.attribute(
        bytes.fromhex("06092b0601040182371514"),
        forge.tlv(forge.SEQUENCE, b"\x02\x01\x05", forge.tlv(forge.UTF8, b"PC-01"), forge.tlv(forge.UTF8, b"certreq")),
    )
    provider = forge.attribute(
        bytes.fromhex("060a2b0601040182370d0202"),
        forge.tlv(forge.SEQUENCE, b"\x02\x01\x01", forge.tlv(0x1E, "KSP".encode("utf-16-be")), b"\x03\x01\x00"),
    )
    request = parse_signing_request(forge.signed(KEY, version, client, forge.extensions(DNS), provider))
    assert request.dns_names == ("f123456-001",)


def test_extensions_under_microsofts_older_name_are_read_and_judged() -> None:
    asked = forge.extensions(DNS, oid=forge.MICROSOFT_EXTENSIONS)
    assert parse_signing_request(forge.signed(KEY, asked)).dns_names == ("f123456-001",)
    assert_refused(forge.signed(KEY, forge.extensions(CA, oid=forge.MICROSOFT_EXTENSIONS)), "CA:TRUE")


def test_a_request_by_openssl_is_read(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs the Debian package openssl")
    save_key(tmp_path / "key.pem", KEY, None)
    arguments = ["-key", tmp_path / "key.pem", "-subj", "/CN=F123456-001", "-addext", "subjectAltName=DNS:f123456-001"]
    made = subprocess.run(["openssl", "req", "-new", *arguments, "-outform", "DER"], capture_output=True, check=True)
    request = parse_signing_request(made.stdout)
    assert (request.common_names, request.dns_names) == (("F123456-001",), ("f123456-001",))


def test_openssl_verifies_the_request_that_we_build() -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs the Debian package openssl")
    command = ["openssl", "req", "-inform", "DER", "-verify", "-noout"]
    done = subprocess.run(command, input=HONEST, capture_output=True, check=True)
    assert b"verify OK" in done.stdout + done.stderr


# The shape


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"\x30",
        b"\x30\x00",
        HONEST + b"\x00",
        HONEST + HONEST,
        HONEST[:-1],
        b"\x30\x80" + HONEST[3:] + b"\x00\x00",
        b"\x30\x84\x00\x00" + len(HONEST[3:]).to_bytes(2) + HONEST[3:],
        b"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n",
        b"\x30\x80" * 5000,
    ],
    ids=["empty", "a tag", "hollow", "trailing", "twice", "cut", "indefinite", "long length", "PEM", "nested"],
)
def test_what_is_not_one_whole_structure_in_der_is_refused(der: bytes) -> None:
    assert HONEST[1] == 0x81, "the forged lengths above replace a header of three bytes"
    assert_refused(der, "not one whole")


def test_every_cut_of_an_honest_request_is_refused() -> None:
    for length in range(len(HONEST)):
        assert_refused(HONEST[:length], "not one whole")


def test_a_request_over_the_limit_is_not_parsed_at_all() -> None:
    filler = forge.attribute(bytes.fromhex("06042a030405"), forge.tlv(forge.OCTETS, bytes(MAX_BYTES)))
    assert_refused(forge.signed(KEY, filler), "at most 16384")
    assert_refused(bytes(10_000_000), "at most 16384")
    fitting = forge.attribute(bytes.fromhex("06042a030405"), forge.tlv(forge.OCTETS, bytes(MAX_BYTES - 1000)))
    assert parse_signing_request(forge.signed(KEY, fitting)).common_names == ("F123456-001",)


def test_attributes_in_an_order_that_der_forbids_are_refused() -> None:
    first, second = sorted([forge.extensions(DNS), forge.attribute(bytes.fromhex("06042a030405"), b"\x05\x00")])
    assert parse_signing_request(forge.signed(KEY, first, second)).dns_names == ("f123456-001",)
    assert_refused(forge.signed(KEY, second + first), "not one whole")


# The proof of possession


def test_a_request_for_the_key_of_another_is_refused() -> None:
    body = forge.tlv(forge.SEQUENCE, b"\x02\x01\x00", forge.subject(), forge.spki(OTHER), forge.tlv(0xA0))
    signature = KEY.sign(body, ec.ECDSA(hashes.SHA256()))
    der = forge.tlv(forge.SEQUENCE, body, forge.ECDSA_SHA256, forge.tlv(forge.BITS, b"\0", signature))
    assert_refused(der, "does not verify")


def test_a_request_changed_after_signing_is_refused() -> None:
    assert HONEST.count(b"F123456-001") == 1
    assert_refused(HONEST.replace(b"F123456-001", b"F123456-002"), "does not verify")


def test_sha_1_does_not_prove_possession() -> None:
    body = forge.tlv(forge.SEQUENCE, b"\x02\x01\x00", forge.subject(), forge.spki(RSA), forge.tlv(0xA0))
    signature = RSA.sign(body, padding.PKCS1v15(), hashes.SHA1())
    assert_refused(forge.tlv(forge.SEQUENCE, body, forge.RSA_SHA1, forge.tlv(forge.BITS, b"\0", signature)), "SHA-256")


def test_an_algorithm_of_another_kind_of_key_is_refused_although_the_signature_is_good() -> None:
    assert_refused(forge.signed(RSA, algorithm=forge.ECDSA_SHA256), "not signed by")
    assert_refused(forge.signed(KEY, algorithm=forge.RSA_SHA256), "not signed by")
    assert parse_signing_request(forge.signed(RSA, algorithm=forge.RSA_SHA256)).public_key == RSA.public_key()


def test_the_null_that_a_tpm_provider_writes_gets_a_sentence_of_its_own() -> None:
    algorithm = forge.tlv(forge.SEQUENCE, forge.ECDSA_SHA256[2:], b"\x05\x00")
    assert_refused(forge.signed(KEY, algorithm=algorithm), "parameters it must not have")


# What it asks for


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ([CA], "CA:TRUE"),
        ([usages(SERVER_AUTH)], r"1\.3\.6\.1\.5\.5\.7\.3\.1"),
        ([usages(CLIENT_AUTH, SERVER_AUTH)], r"1\.3\.6\.1\.5\.5\.7\.3\.1"),
        ([usages(ANY_USAGE)], r"2\.5\.29\.37\.0"),
        ([DNS, DNS], r"2\.5\.29\.17 stands twice"),
        ([DNS, OTHER_DNS], r"2\.5\.29\.17 stands twice"),
        ([CRITICAL_UNKNOWN, CRITICAL_UNKNOWN], "stands twice"),
    ],
)
def test_a_request_that_asks_for_too_much_or_twice_is_refused(members: list[bytes], sentence: str) -> None:
    assert_refused(with_extensions(*members), sentence)


@pytest.mark.parametrize(
    "name",
    [
        forge.tlv(0x81, b"someone@bank.example"),
        forge.tlv(0x86, b"https://bank.example"),
        forge.tlv(0x87, b"\x7f\x00\x00\x01"),
        forge.tlv(0xA4, forge.subject(b"F654321-001")),
        forge.tlv(0x88, b"\x2a\x03"),
        forge.tlv(0xA0, bytes.fromhex("060a2b060104018237140203"), forge.tlv(0xA0, forge.tlv(forge.UTF8, b"admin@ad"))),
    ],
    ids=["mail", "URI", "address", "directory name", "registered id", "user principal name"],
)
def test_an_alternative_name_of_another_kind_is_refused(name: bytes) -> None:
    assert_refused(with_extensions(forge.alternative_names(name)), "alternative name")
    assert_refused(with_extensions(forge.alternative_names(forge.tlv(0x82, b"f123456-001"), name)), "alternative name")


def test_a_dns_name_beyond_ascii_is_refused() -> None:
    assert_refused(with_extensions(forge.alternative_names(forge.tlv(0x82, "証".encode()))), "not ASCII")


def test_a_permanent_identifier_without_a_value_or_with_a_foreign_one_is_refused() -> None:
    empty = permanent_identifier(forge.tlv(forge.SEQUENCE))
    assert_refused(with_extensions(forge.alternative_names(empty)), "no value")
    number = permanent_identifier(forge.tlv(forge.SEQUENCE, b"\x02\x01\x01"))
    assert_refused(with_extensions(forge.alternative_names(number)), "not one whole")


def test_two_lists_of_extensions_are_refused_in_every_way() -> None:
    harmless = forge.extensions(DNS)
    assert_refused(forge.signed(KEY, harmless, forge.extensions(CA)), "attribute stands twice")
    assert_refused(forge.signed(KEY, harmless, harmless), "attribute stands twice")
    both = forge.extensions(CA, oid=forge.MICROSOFT_EXTENSIONS)
    assert_refused(forge.signed(KEY, harmless, both), "two lists")
    values = forge.attribute(forge.EXTENSION_REQUEST, *(forge.tlv(forge.SEQUENCE, member) for member in (DNS, CA)))
    assert_refused(forge.signed(KEY, values), "not one whole")


@pytest.mark.parametrize(
    "member",
    [
        forge.extension(forge.BASIC_CONSTRAINTS, b"\x30\x03\x01\x01\xfe"),
        forge.extension(forge.BASIC_CONSTRAINTS, b"\x30\x03\x01\x01\xff\x00"),
        forge.extension(forge.EXTENDED_KEY_USAGE, b""),
        forge.extension(forge.SUBJECT_ALT_NAME, b"\x30\x02\x82\x7f"),
    ],
    ids=["BER true", "trailing", "hollow", "overlong"],
)
def test_an_extension_that_is_malformed_inside_is_refused(member: bytes) -> None:
    assert_refused(with_extensions(member), "not one whole")


def test_a_name_that_is_no_text_is_refused() -> None:
    assert_refused(forge.signed(KEY, names=forge.subject(b"\xff\xfe")), "not one whole")


# The key


@pytest.mark.parametrize(
    ("key_info", "error"),
    [
        (forge.rsa_spki(forge.BROKEN_MODULI["made by the ROCA library"][0](random.Random(1)), 65537), WeakKey),
        (forge.rsa_spki(forge.BROKEN_MODULI["close primes"][0](random.Random(1)), 65537), WeakKey),
        (forge.rsa_spki(1 << 2047 | 1, 3), WeakKey),
        (forge.rsa_spki(1 << 1023 | 1, 65537), UnsupportedKey),
        (forge.rsa_spki(1 << 60_000 | 1, 65537), UnsupportedKey),
        (forge.rsa_spki(1 << 2047 | 1, 1), BadSigningRequest),
        (forge.spki(ed25519.Ed25519PrivateKey.generate()), UnsupportedKey),
        (forge.spki(ec.generate_private_key(ec.SECP224R1())), UnsupportedKey),
        (forge.spki(ec.generate_private_key(ec.SECP521R1())), UnsupportedKey),
        (forge.spki(KEY).replace(bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d03017f")), UnsupportedKey),
        (forge.spki(KEY)[:-1] + bytes([forge.spki(KEY)[-1] ^ 1]), BadSigningRequest),
        (forge.spki(KEY)[:23] + b"\x00\x03\x02\x00\x00", BadSigningRequest),
    ],
    ids=[
        "ROCA",
        "Fermat",
        "e=3",
        "1024",
        "60001",
        "e=1",
        "Ed25519",
        "P-224",
        "P-521",
        "unknown curve",
        "off the curve",
        "infinity",
    ],
)
def test_a_key_that_may_not_be_certified_is_refused_before_it_verifies(key_info: bytes, error: type[KeysError]) -> None:
    with pytest.raises(error):
        parse_signing_request(forge.unsigned(key_info))


# Anything at all

REFUSALS = (BadSigningRequest, WeakKey, UnsupportedKey)
SEEDS = [
    HONEST,
    build_signing_request(RSA, "F123456-001", ["f123456-001"]),
    build_signing_request(generate("P-384"), None),
    with_extensions(usages(CLIENT_AUTH), DNS, CRITICAL_UNKNOWN),
]
EDITS = st.lists(
    st.tuples(st.sampled_from(["put", "cut", "add", "copy"]), st.integers(0, 2000), st.binary(min_size=1, max_size=6)),
    min_size=1,
    max_size=4,
)


def mutated(der: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    for edit, place, patch in edits:
        at = place % (len(der) + 1)
        after = at if edit in ("add", "copy") else at + len(patch)
        middle = {"put": patch, "cut": b"", "add": patch, "copy": der[at : at + 10 * len(patch)]}[edit]
        der = der[:at] + middle + der[after:]
    return der


@settings(max_examples=300, deadline=None)
@given(seed=st.sampled_from(SEEDS), edits=EDITS)
def test_a_mutated_request_is_refused_or_still_proven_and_never_anything_else(
    seed: bytes, edits: list[tuple[str, int, bytes]]
) -> None:
    der = mutated(seed, edits)
    try:
        request = parse_signing_request(der)
    except REFUSALS:
        return
    original = parse_signing_request(seed)
    assert request.public_key == original.public_key
    assert (request.common_names, request.dns_names) == (original.common_names, original.dns_names)


@settings(max_examples=300, deadline=None)
@given(
    attributes=st.sampled_from([forge.extensions(usages(CLIENT_AUTH), DNS), forge.extensions(CRITICAL_UNKNOWN)]),
    edits=EDITS,
)
def test_mutated_attributes_under_a_good_signature_are_read_or_refused(
    attributes: bytes, edits: list[tuple[str, int, bytes]]
) -> None:
    der = forge.signed(KEY, mutated(attributes, edits))
    with contextlib.suppress(BadSigningRequest):
        assert parse_signing_request(der).public_key == KEY.public_key()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600))
def test_random_bytes_are_refused(der: bytes) -> None:
    with pytest.raises(BadSigningRequest):
        parse_signing_request(der)
