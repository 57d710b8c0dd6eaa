"""The certificates of the CAs, the OCSP signer and the TLS address, judged by pkilint and openssl."""

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca_server.authority import hierarchy
from keys.errors import UnsupportedKey

DAY = 86400


def purposes(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def life(certificate: x509.Certificate) -> float:
    return (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() + 1


def test_pkilint_finds_nothing_in_the_hierarchy(each_house, pkilint) -> None:
    for signer in (each_house.root, each_house.issuing, each_house.ocsp):
        assert pkilint.certificate(signer.certificate) == set()


def test_pkilint_finds_that_the_hierarchy_holds_together(each_house, pkilint) -> None:
    assert pkilint.chain(each_house.root.certificate, each_house.issuing.certificate) == set()
    assert pkilint.chain(each_house.issuing.certificate, each_house.ocsp.certificate) == set()


def test_a_root_certifies_for_twenty_years_and_is_its_own_issuer(the_house) -> None:
    root = the_house.root.certificate

    root.verify_directly_issued_by(root)
    assert life(root) == 20 * 365.25 * DAY
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=None)


def test_an_issuing_ca_certifies_for_ten_years_and_no_further_ca(each_house) -> None:
    issuing = each_house.issuing.certificate

    assert life(issuing) == 10 * 365.25 * DAY
    constraints = issuing.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert purposes(issuing) == [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.OCSP_SIGNING]


def test_an_ocsp_signer_lives_thirty_days_and_is_not_checked_itself(each_house) -> None:
    signer = each_house.ocsp.certificate

    assert life(signer) == 30 * DAY
    assert purposes(signer) == [ExtendedKeyUsageOID.OCSP_SIGNING]
    assert signer.extensions.get_extension_for_class(x509.OCSPNoCheck)


def test_nothing_outlives_its_issuer(the_house, key_of) -> None:
    profile = the_house.hierarchy_profile
    late = the_house.now + int(19.9 * 365.25 * DAY)
    issuing = hierarchy.make_issuing(profile, the_house.root, key_of("P-256", 1), late)
    signer = hierarchy.make_ocsp_signer(profile, issuing, key_of("P-256", 2), late + 30 * DAY)

    assert issuing.certificate.not_valid_after_utc == the_house.root.certificate.not_valid_after_utc
    assert signer.certificate.not_valid_after_utc == issuing.certificate.not_valid_after_utc


def test_a_new_generation_has_a_name_of_its_own(the_house, key_of) -> None:
    second = hierarchy.make_issuing(the_house.hierarchy_profile, the_house.root, key_of("P-256", 3), the_house.now, 2)

    assert second.certificate.subject != the_house.issuing.certificate.subject


def test_a_ca_cannot_have_an_ed25519_key(the_house, key_of) -> None:
    with pytest.raises(UnsupportedKey):
        hierarchy.make_root(the_house.hierarchy_profile, key_of("Ed25519"), the_house.now)
    with pytest.raises(UnsupportedKey):
        hierarchy.make_issuing(the_house.hierarchy_profile, the_house.root, key_of("Ed25519"), the_house.now)


# The TLS address.

HOSTS = [["localhost"], ["ca.example", "localhost"], ["127.0.0.1"], ["127.0.0.1", "::1"], ["ca.example", "::1"]]


def tls(house, key_of, hosts: list[str], constrained_to: list[str] | None = None):
    profile, now = house.hierarchy_profile, house.now
    authority = hierarchy.make_tls_authority(profile, key_of("P-256", 4), constrained_to or hosts, now)
    return authority, hierarchy.make_tls_server(profile, authority, key_of("P-256", 5), hosts, now)


def openssl_verify(authority, server, folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "authority.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (folder / "server.pem").write_bytes(server.certificate.public_bytes(Encoding.PEM))
    command = ["openssl", "verify", "-x509_strict", *arguments, "-CAfile", "authority.pem", "server.pem"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("hosts", HOSTS)
def test_openssl_lets_in_each_host_of_the_tls_certificate(the_house, key_of, tmp_path, hosts) -> None:
    pair = tls(the_house, key_of, hosts)

    for host in hosts:
        named = "-verify_ip" if host[-1].isdigit() else "-verify_hostname"
        result = openssl_verify(*pair, tmp_path, "-purpose", "sslserver", named, host)
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("constrained_to", [["localhost"], ["127.0.0.1"], ["ca.example", "192.0.2.1"]])
@pytest.mark.parametrize("host", ["www.other.example", "8.8.8.8", "2001:db8::1"])
def test_the_tls_authority_cannot_certify_another_host(the_house, key_of, tmp_path, constrained_to, host) -> None:
    result = openssl_verify(*tls(the_house, key_of, [host], constrained_to), tmp_path)

    assert "subtree violation" in result.stderr


def test_the_tls_authority_is_no_issuer_of_client_certificates(the_house, key_of, tmp_path) -> None:
    result = openssl_verify(*tls(the_house, key_of, ["localhost"]), tmp_path, "-purpose", "sslclient")

    assert result.returncode != 0


@pytest.mark.parametrize("hosts", [hosts for hosts in HOSTS if "localhost" not in hosts])  # to pkilint it is no name
def test_pkilint_finds_nothing_in_the_tls_certificates(the_house, key_of, pkilint, hosts) -> None:
    authority, server = tls(the_house, key_of, hosts)

    assert pkilint.certificate(authority.certificate) == set()
    assert pkilint.certificate(server.certificate) == set()
    assert pkilint.chain(authority.certificate, server.certificate) == set()


def test_the_tls_authority_is_critically_constrained_and_its_server_lives_397_days(the_house, key_of) -> None:
    authority, server = tls(the_house, key_of, ["localhost"])

    assert authority.certificate.extensions.get_extension_for_class(x509.NameConstraints).critical
    assert purposes(server.certificate) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert life(server.certificate) == 397 * DAY
