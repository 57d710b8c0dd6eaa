"""Revocation lists: equal to the library's to the byte, and read alike by pkilint, openssl and GnuTLS."""

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from ca_server.authority import crl, hierarchy
from ca_server.authority.extensions import authority_key_identifier
from ca_server.clock import DAY, moment
from protocol.vocabulary import RevocationReason

REASONS = [reason for reason in RevocationReason if reason is not RevocationReason.removeFromCRL]
moments = st.integers(min_value=0, max_value=4_102_444_800)  # until 2100: both forms of time
revocations = st.tuples(st.integers(min_value=1, max_value=2**159 - 1), moments, st.sampled_from(REASONS))


def built_by_the_library(signer, revoked, number: int, this_update: int, next_update: int) -> bytes:
    """The TBSCertList that cryptography's builder makes."""
    entries = []
    for serial, revoked_at, reason in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment(revoked_at))
        if reason is not RevocationReason.unspecified:
            entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags(reason.name)), critical=False)
        entries.append(entry.build())
    builder = (
        x509.CertificateRevocationListBuilder(revoked_certificates=entries)
        .issuer_name(signer.certificate.subject)
        .last_update(moment(this_update))
        .next_update(moment(next_update))
        .add_extension(authority_key_identifier(signer.certificate), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    return builder.sign(signer.private_key, signer.hash).tbs_certlist_bytes


@settings(max_examples=150, deadline=None)
@given(
    revoked=st.lists(revocations, max_size=20),
    number=st.integers(min_value=1, max_value=2**159 - 1),
    this_update=moments,
    lasting=st.integers(min_value=1, max_value=40 * 365 * DAY),
)
def test_a_joined_list_equals_the_librarys_to_the_byte(each_house, revoked, number, this_update, lasting) -> None:
    entries = [crl.entry(*one) for one in revoked]
    update = (number, this_update, this_update + lasting)

    joined = crl.to_be_signed(each_house.issuing, entries, *update)

    assert joined == built_by_the_library(each_house.issuing, revoked, *update)


def test_a_long_list_equals_the_librarys_too(the_house) -> None:
    revoked = [(2**127 + number, the_house.now, REASONS[number % len(REASONS)]) for number in range(3000)]
    update = (7, the_house.now, the_house.now + DAY)

    joined = crl.to_be_signed(the_house.issuing, [crl.entry(*one) for one in revoked], *update)

    assert joined == built_by_the_library(the_house.issuing, revoked, *update)


def a_list(house, count: int) -> bytes:
    entries = [crl.entry(2**127 + n, house.now - n, REASONS[n % len(REASONS)]) for n in range(count)]
    return crl.build(house.issuing, entries, 1, house.now, house.now + DAY)


@pytest.mark.parametrize("count", [0, 1, 30])
def test_pkilint_finds_nothing_in_a_list(each_house, pkilint, count) -> None:
    assert pkilint.crl(a_list(each_house, count)) == set()


def test_pkilint_finds_nothing_in_the_roots_list(the_house, pkilint) -> None:
    assert (
        pkilint.crl(hierarchy.make_root_crl(the_house.hierarchy_profile, the_house.root, [], 1, the_house.now)) == set()
    )


def test_a_list_is_signed_by_its_issuer(each_house) -> None:
    parsed = x509.load_der_x509_crl(a_list(each_house, 3))

    assert parsed.is_signature_valid(each_house.issuing.certificate.public_key())


def test_a_list_without_entries_leaves_the_entries_out(the_house) -> None:
    parsed = x509.load_der_x509_crl(a_list(the_house, 0))

    assert len(parsed) == 0
    assert b"\x30\x00" not in parsed.tbs_certlist_bytes


def test_an_unspecified_reason_is_left_out() -> None:
    entry = crl.entry(2**127, 1_800_000_000, RevocationReason.unspecified)

    assert bytes.fromhex("551d15") not in entry  # id-ce-cRLReasons


def test_a_removal_is_no_entry_of_a_full_list() -> None:
    with pytest.raises(ValueError, match="delta"):
        crl.entry(2**127, 1_800_000_000, RevocationReason.removeFromCRL)


def test_the_roots_list_is_valid_for_twelve_months(the_house) -> None:
    encoded = hierarchy.make_root_crl(the_house.hierarchy_profile, the_house.root, [], 1, the_house.now)
    parsed = x509.load_der_x509_crl(encoded)

    assert (parsed.next_update_utc - parsed.last_update_utc).days == 365


def test_openssl_and_gnutls_read_the_list_alike(each_house, tmp_path) -> None:
    (tmp_path / "issuing.pem").write_bytes(each_house.issuing.certificate.public_bytes(Encoding.PEM))
    parsed = x509.load_der_x509_crl(a_list(each_house, 30))
    (tmp_path / "issuing.crl").write_bytes(parsed.public_bytes(Encoding.PEM))

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    openssl = run("openssl", "crl", "-in", "issuing.crl", "-CAfile", "issuing.pem", "-noout", "-text")
    gnutls = run("certtool", "--verify-crl", "--load-ca-certificate", "issuing.pem", "--infile", "issuing.crl")

    assert "verify OK" in openssl.stderr
    assert openssl.stdout.count("Serial Number:") == 30
    assert gnutls.returncode == 0, gnutls.stdout + gnutls.stderr
    assert "Verified." in gnutls.stdout
