"""The profile of client certificates, judged by pkilint, openssl and GnuTLS."""

import dataclasses
import inspect
import random
import subprocess
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from ca_server.authority import crl, hierarchy
from ca_server.authority.lint import ExpectedLeaf, lint
from ca_server.authority.profile import CertificateProfile, LeafFacts, serial_number, to_be_signed
from ca_server.authority.signer import Signer
from keys.algorithms import PublicKey
from protocol.names import CommonName

CPS_POINTER = {"pkix.certificate_policies_policy_has_qualifier"}
KINDS = ["P-256", "P-384", "RSA-2048", "RSA-3072"]
FQDN = "f123456-001.pc.example"
_2050 = 2_524_608_000
each_leaf = pytest.mark.parametrize(("kind", "dns_name"), [(kind, name) for kind in KINDS for name in (None, FQDN)])


def random_certificate(
    chance: random.Random, profile: CertificateProfile, keys: list[PublicKey]
) -> tuple[CertificateProfile, LeafFacts]:
    """Return random facts: serials of 1 to 20 octets with and without a sign octet, and times around 2050."""
    serial = int.from_bytes(bytes((chance.choice((1, 0x40, 0x7F)),)) + chance.randbytes(chance.randint(0, 19)))
    begins = chance.choice((chance.randint(1, 2**32), 2**31 + chance.randint(0, 2**29), _2050 - chance.randint(-2, 2)))
    name = CommonName.parse(f"F{chance.randint(0, 999999):06d}-{chance.randint(1, 999):03d}")
    alias = chance.choice((None, f"{name}.pc.example".lower()))
    varied = dataclasses.replace(
        profile,
        organization="".join(chance.choices("割符試験機構 Agency&,=+", k=chance.randint(0, 62))).join("庁局"),
        crl_partitions=chance.choice((0, 1, 7)),
        validity_days=chance.choice((1, 395)),
    )
    return varied, LeafFacts(name, chance.choice(keys), serial, begins, alias)


def built(issuer: Signer, profile: CertificateProfile, facts: LeafFacts) -> x509.Certificate:
    """Return the certificate as the library's own builder makes it, from values of the library alone."""
    name, url, part = facts.common_name, profile.crl_url, profile.partition(facts.serial)
    subject = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, profile.organization),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, str(name.institution)),
        x509.NameAttribute(NameOID.COMMON_NAME, str(name)),
    ]
    its_own = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    place = x509.UniformResourceIdentifier(url.replace(".crl", f"-{part}.crl") if part else url)
    policy = x509.PolicyInformation(x509.ObjectIdentifier(profile.policy_oid), [profile.cps_url])
    usage = dict.fromkeys(inspect.signature(x509.KeyUsage).parameters, False) | {"digital_signature": True}
    methods = (
        (AuthorityInformationAccessOID.OCSP, profile.ocsp_url),
        (AuthorityInformationAccessOID.CA_ISSUERS, profile.ca_issuers_url),
    )
    listed: list[tuple[x509.ExtensionType, bool]] = [
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(its_own), False),
        (x509.KeyUsage(**usage), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.CertificatePolicies([policy]), False),
        (
            x509.AuthorityInformationAccess(
                [x509.AccessDescription(method, x509.UniformResourceIdentifier(where)) for method, where in methods]
            ),
            False,
        ),
        (x509.CRLDistributionPoints([x509.DistributionPoint([place], None, None, None)]), False),
        (x509.SubjectKeyIdentifier.from_public_key(facts.public_key), False),
    ]
    if facts.dns_name is not None:
        listed.append((x509.SubjectAlternativeName([x509.DNSName(facts.dns_name)]), False))
    builder = (
        x509.CertificateBuilder()
        .issuer_name(issuer.certificate.subject)
        .subject_name(x509.Name(subject))
        .serial_number(facts.serial)
        .public_key(facts.public_key)
        .not_valid_before(datetime.fromtimestamp(facts.not_before, UTC))
        .not_valid_after(datetime.fromtimestamp(facts.not_before + profile.validity_days * 86400 - 1, UTC))
    )
    for extension, critical in listed:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer.private_key, issuer.hash)


@each_leaf
def test_pkilint_finds_nothing_but_the_pointer_to_the_cps(each_house, pkilint, kind, dns_name) -> None:
    leaf = each_house.leaf(each_house.facts(kind, dns_name=dns_name))

    assert pkilint.certificate(leaf) == CPS_POINTER
    assert pkilint.chain(each_house.issuing.certificate, leaf) == set()


@each_leaf
def test_our_linter_finds_nothing_in_what_the_profile_makes(each_house, kind, dns_name) -> None:
    facts = each_house.facts(kind, dns_name=dns_name)
    issuer = each_house.issuing.certificate

    assert lint(to_be_signed(each_house.profile, issuer, facts), ExpectedLeaf(each_house.profile, issuer, facts)) == []


@pytest.mark.parametrize("serial", [2**127, 2**127 + 1, 2**127 + 2])
def test_a_certificate_in_a_partition_points_to_its_list_and_our_linter_wants_that(the_house, pkilint, serial) -> None:
    profile = dataclasses.replace(the_house.profile, crl_partitions=3)
    house = dataclasses.replace(the_house, profile=profile)
    tbs, expected = house.planned(serial=serial)
    leaf = house.leaf(house.facts(serial=serial))
    pointer = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0]

    assert pointer.full_name[0].value == f"http://ca.example:8080/crl/issuing-{1 + serial % 3}.crl"
    assert lint(tbs, expected) == []
    assert pkilint.certificate(leaf) == CPS_POINTER
    (finding,) = lint(tbs, dataclasses.replace(expected, profile=the_house.profile))
    assert "cRLDistributionPoints" in finding


@pytest.mark.parametrize(("kind", "count"), [("P-256", 10_000), ("RSA-3072", 200)])
def test_the_bytes_are_those_that_the_librarys_builder_signs(house_of, key_of, kind, count) -> None:
    chance, house = random.Random(2), house_of(kind)
    keys = [key_of(kind).public_key() for kind in KINDS]
    for _ in range(count):
        profile, facts = random_certificate(chance, house.profile, keys)
        ours, theirs = to_be_signed(profile, house.issuing.certificate, facts), built(house.issuing, profile, facts)
        assert ours == theirs.tbs_certificate_bytes, (profile, facts)


def test_the_planned_bytes_are_those_of_the_certificate(each_house) -> None:
    facts = each_house.facts()
    tbs = to_be_signed(each_house.profile, each_house.issuing.certificate, facts)
    leaf = x509.load_der_x509_certificate(each_house.issuing.sign(tbs))

    assert leaf.tbs_certificate_bytes == tbs
    leaf.verify_directly_issued_by(each_house.issuing.certificate)


def test_a_certificate_ends_395_days_less_a_second_after_it_began_an_hour_ago(the_house) -> None:
    leaf = the_house.leaf(the_house.facts())

    assert leaf.not_valid_before_utc.timestamp() == the_house.now - 3600
    assert leaf.not_valid_after_utc.timestamp() == the_house.now - 3600 + 395 * 86400 - 1


def test_a_certificate_is_for_clients_and_signatures_only(the_house) -> None:
    extensions = the_house.leaf(the_house.facts()).extensions

    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.public_bytes().hex() == "03020780"
    with pytest.raises(x509.ExtensionNotFound):
        extensions.get_extension_for_class(x509.BasicConstraints)


def test_a_dns_name_is_there_only_when_ordered(the_house) -> None:
    with_name = the_house.leaf(the_house.facts(dns_name=FQDN)).extensions
    without = the_house.leaf(the_house.facts()).extensions

    alternative = with_name.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(alternative) == [x509.DNSName(FQDN)]
    with pytest.raises(x509.ExtensionNotFound):
        without.get_extension_for_class(x509.SubjectAlternativeName)


def test_serial_numbers_have_128_random_bits() -> None:
    serials = [serial_number() for _ in range(2000)]

    assert len(set(serials)) == len(serials)
    for bit in range(128):
        assert 800 < sum(serial >> bit & 1 for serial in serials) < 1200


def _openssl_verify(house, folder, leaf, revoked=()):
    """Verify the leaf with openssl, revocation checked for the whole chain."""
    entries = [crl.entry(serial, house.now, 1) for serial in revoked]
    files = {
        "root.pem": house.root.certificate.public_bytes(Encoding.PEM),
        "issuing.pem": house.issuing.certificate.public_bytes(Encoding.PEM),
        "leaf.pem": leaf.public_bytes(Encoding.PEM),
        "root.crl": hierarchy.make_root_crl(house.hierarchy_profile, house.root, [], 1, house.now),
        "issuing.crl": crl.build(house.issuing, entries, 1, house.now, house.now + 86400),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-policy_check", "-crl_check_all"]
    command += ["-CAfile", "root.pem", "-untrusted", "issuing.pem", "-CRLfile", "root.crl", "-CRLfile", "issuing.crl"]
    return subprocess.run([*command, "leaf.pem"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("dns_name", [None, FQDN])
def test_openssl_verifies_the_chain_strictly_with_both_crls(each_house, tmp_path, dns_name) -> None:
    result = _openssl_verify(each_house, tmp_path, each_house.leaf(each_house.facts(dns_name=dns_name)))

    assert result.returncode == 0, result.stderr


def test_openssl_refuses_a_certificate_on_the_crl(each_house, tmp_path) -> None:
    leaf = each_house.leaf(each_house.facts())

    result = _openssl_verify(each_house, tmp_path, leaf, revoked=[leaf.serial_number])

    assert "error 23 at 0 depth" in result.stderr  # X509_V_ERR_CERT_REVOKED


def test_openssl_finds_no_server_in_a_client_certificate(the_house, tmp_path) -> None:
    leaf = the_house.leaf(the_house.facts())
    _openssl_verify(the_house, tmp_path, leaf)
    command = ["openssl", "verify", "-purpose", "sslserver", "-CAfile", "root.pem", "-untrusted", "issuing.pem"]

    result = subprocess.run([*command, "leaf.pem"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert result.returncode != 0


def test_gnutls_verifies_the_chain(each_house, tmp_path) -> None:
    chain = [each_house.leaf(each_house.facts()), each_house.issuing.certificate]
    (tmp_path / "root.pem").write_bytes(each_house.root.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "chain.pem").write_bytes(b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain))

    result = subprocess.run(
        ["certtool", "--verify", "--load-ca-certificate", "root.pem", "--infile", "chain.pem"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
