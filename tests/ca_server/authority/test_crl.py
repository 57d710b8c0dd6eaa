"""Revocation lists: equal to the library's to the byte, and read alike by pkilint, openssl and GnuTLS."""

import contextlib
import dataclasses
import random
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from ca_server.authority import crl, der, hierarchy
from ca_server.authority.extensions import authority_key_identifier, crl_url_of
from ca_server.clock import DAY, moment
from protocol.vocabulary import RevocationReason

REASONS = [reason for reason in RevocationReason if reason is not RevocationReason.removeFromCRL]
moments = st.integers(min_value=0, max_value=4_102_444_800)  # until 2100: both forms of time
BORDERS = (0, 1, 2_524_607_999, 2_524_608_000)  # the last second of UTCTime and the first of GeneralizedTime
THIRD = "http://ca.example:8080/crl/issuing-3.crl"
revocations = st.tuples(st.integers(min_value=1, max_value=2**159 - 1), moments, st.sampled_from(REASONS))


def built_by_the_library(
    signer, revoked, number: int, this_update: int, next_update: int, scope: str | None = None
) -> bytes:
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
    if scope is not None:
        name = [x509.UniformResourceIdentifier(scope)]
        point = x509.IssuingDistributionPoint(name, None, False, False, None, False, False)
        builder = builder.add_extension(point, critical=True)
    return builder.sign(signer.private_key, signer.hash).tbs_certlist_bytes


@settings(max_examples=150, deadline=None)
@given(
    revoked=st.lists(revocations, max_size=20),
    number=st.integers(min_value=1, max_value=2**159 - 1),
    this_update=moments,
    lasting=st.integers(min_value=1, max_value=40 * 365 * DAY),
    scope=st.sampled_from([None, THIRD]),
)
def test_a_joined_list_equals_the_librarys_to_the_byte(
    each_house, revoked, number, this_update, lasting, scope
) -> None:
    entries = [crl.entry(*one) for one in revoked]
    update = (number, this_update, this_update + lasting, scope)

    joined = crl.to_be_signed(each_house.issuing, entries, *update)

    assert joined == built_by_the_library(each_house.issuing, revoked, *update)


def test_ten_thousand_random_lists_equal_the_librarys_to_the_byte(the_house) -> None:
    dice = random.Random(6)

    def number() -> int:
        return max(1, dice.getrandbits(dice.choice((7, 8, 9, 64, 127, 128, 159))))

    def moment() -> int:
        return dice.choice((dice.randrange(4_102_444_800), dice.choice(BORDERS)))

    for _ in range(10_000):
        revoked = [(number(), moment(), dice.choice(REASONS)) for _ in range(dice.choice((0, 1, 2, 5)))]
        update = (number(), this_update := moment(), this_update + dice.randrange(1, 40 * 365 * DAY))
        scope = dice.choice((None, crl_url_of("http://ca.example/crl/issuing.crl", dice.randrange(1, 1001))))
        pieces = [b"".join(crl.entry(*one) for one in part) for part in (revoked[:2], revoked[2:])]

        joined = crl.to_be_signed(the_house.issuing, pieces, *update, scope)

        assert joined == built_by_the_library(the_house.issuing, revoked, *update, scope)
        assert crl.number_of(der.sequence(joined)) == update[0]


def test_a_long_list_equals_the_librarys_too(the_house) -> None:
    revoked = [(2**127 + number, the_house.now, REASONS[number % len(REASONS)]) for number in range(3000)]
    update = (7, the_house.now, the_house.now + DAY)

    joined = crl.to_be_signed(the_house.issuing, [crl.entry(*one) for one in revoked], *update)

    assert joined == built_by_the_library(the_house.issuing, revoked, *update)


def a_list(house, count: int, scope: str | None = None) -> bytes:
    entries = [crl.entry(2**127 + n, house.now - n, REASONS[n % len(REASONS)]) for n in range(count)]
    return crl.build(house.issuing, entries, 1, house.now, house.now + DAY, scope)


@pytest.mark.parametrize("scope", [None, THIRD])
@pytest.mark.parametrize("count", [0, 1, 2, 9, 30])
def test_pkilint_finds_nothing_in_a_list(each_house, pkilint, count, scope) -> None:
    assert pkilint.crl(a_list(each_house, count, scope)) == set()


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


@pytest.mark.parametrize("damage", [b"", b"\x30", b"\x30\x80", b"no list", b"\x30\x00", b"\x30\x02\x30\x00"])
def test_what_is_no_list_has_no_number(damage) -> None:
    with pytest.raises(der.BadDer):
        crl.number_of(damage)


def test_a_list_cut_off_or_altered_anywhere_in_its_frame_has_its_number_or_none(the_house) -> None:
    whole = a_list(the_house, 2, THIRD)
    for place in range(len(whole)):
        with pytest.raises(der.BadDer):
            crl.number_of(whole[:place])
        for flipped in (0x01, 0x55, 0xFF):
            altered = bytearray(whole)
            altered[place] ^= flipped
            with contextlib.suppress(der.BadDer):
                crl.number_of(bytes(altered))


def test_the_number_of_a_list_is_read_whatever_it_holds(each_house) -> None:
    entries = [crl.entry(2**127, each_house.now, RevocationReason.superseded) * 5000]
    for number in (1, 127, 128, 2**159 - 1):
        whole = crl.build(each_house.issuing, entries, number, each_house.now, each_house.now + DAY)
        assert crl.number_of(whole) == number


def test_openssl_judges_a_certificate_by_its_own_partitions_list_alone(the_house, tmp_path) -> None:
    profile = dataclasses.replace(the_house.profile, crl_partitions=3)
    house = dataclasses.replace(the_house, profile=profile)
    leaf = house.leaf(house.facts())
    own = profile.partition(leaf.serial_number)

    def verdict(scope: str | None, *entries: bytes) -> str:
        lists = (
            hierarchy.make_root_crl(house.hierarchy_profile, house.root, [], 1, house.now),
            crl.build(house.issuing, entries, 1, house.now, house.now + DAY, scope),
        )
        return _verified(tmp_path, house, leaf, lists)

    entry = crl.entry(leaf.serial_number, house.now - 1, RevocationReason.keyCompromise)
    here, elsewhere = (crl_url_of(profile.crl_url, partition) for partition in (own, own % 3 + 1))
    assert "OK" in verdict(here)
    assert "certificate revoked" in verdict(here, entry)
    assert "different CRL scope" in verdict(elsewhere, entry)
    assert "OK" in verdict(None)
    assert "certificate revoked" in verdict(None, entry)


def _verified(folder: Path, house, leaf: x509.Certificate, lists: tuple[bytes, ...]) -> str:
    """Return what openssl says of a certificate by the CRLs of root and issuing CA."""
    for name, certificate in (("root", house.root.certificate), ("issuing", house.issuing.certificate), ("leaf", leaf)):
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    pem = [x509.load_der_x509_crl(each).public_bytes(Encoding.PEM) for each in lists]
    (folder / "crls.pem").write_bytes(b"".join(pem))
    words = (
        "openssl", "verify", "-x509_strict", "-crl_check_all", "-no-CAfile", "-no-CApath", "-no-CAstore",
        "-trusted", "root.pem", "-untrusted", "issuing.pem", "-CRLfile", "crls.pem", "leaf.pem",
    )  # fmt: skip
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("scope", [None, THIRD])
def test_openssl_and_gnutls_read_the_list_alike(each_house, tmp_path, scope) -> None:
    (tmp_path / "issuing.pem").write_bytes(each_house.issuing.certificate.public_bytes(Encoding.PEM))
    parsed = x509.load_der_x509_crl(a_list(each_house, 30, scope))
    (tmp_path / "issuing.crl").write_bytes(parsed.public_bytes(Encoding.PEM))

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    openssl = run("openssl", "crl", "-in", "issuing.crl", "-CAfile", "issuing.pem", "-noout", "-text")
    gnutls = run("certtool", "--verify-crl", "--load-ca-certificate", "issuing.pem", "--infile", "issuing.crl")

    assert "verify OK" in openssl.stderr
    assert openssl.stdout.count("Serial Number:") == 30
    assert gnutls.returncode == 0, gnutls.stdout + gnutls.stderr
    assert "Verified." in gnutls.stdout
