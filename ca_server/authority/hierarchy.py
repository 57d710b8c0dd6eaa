"""The certificates of the CAs and of what they run: root, issuing CA, OCSP signer; the small CA of the TLS address.

    root (20 years) ── issuing CA (10 years, pathLen 0) ── client certificates, OCSP signer (30 days)
    TLS authority (10 years, for the public host alone) ── TLS server (397 days)

Profiles: requirements K1 to K3; RFC 5280 §4.2, RFC 6960 §4.2.2.2. Keys come from the caller, who keeps them: in a
file or a token. A new generation of a CA has a name of its own, so that both work side by side while one takes over.
Nothing outlives its issuer: where the time would be longer it is cut. Nothing here reads or writes a file.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ca_server.authority import crl, der, extensions
from ca_server.authority.profile import serial_number
from ca_server.authority.signer import Signer, hash_of
from ca_server.clock import DAY, HOUR, moment
from keys.algorithms import PrivateKey, PublicKey
from protocol.names import COUNTRY

YEAR: Final = 31_557_600  # 365.25 days
ISSUING_KEYS: Final = ("P-256", "RSA-3072")
"""The kinds of key that an issuing CA is made with."""
BACKDATE: Final = HOUR  # for clocks that are slow; the client profile's may not be longer


@dataclass(frozen=True)
class HierarchyProfile:
    """What the CA certificates say and how long they live; from configuration."""

    organization: str
    policy_oid: str
    """The client profile's: a CA must carry the policies of what it issues (RFC 5280 §6.1.3)."""
    root_crl_url: str
    root_certificate_url: str
    root_years: int = 20
    root_crl_days: int = 365
    """Twelve months: the root's key is taken out of its safe once a year."""
    issuing_years: int = 10
    ocsp_days: int = 30
    """A delegated signer cannot be revoked (ocsp-nocheck), so it is short-lived."""
    tls_authority_years: int = 10
    tls_server_days: int = 397
    """The most that browsers have taken from a CA; ours are for trials."""


def make_root(profile: HierarchyProfile, private_key: PrivateKey, now: int, generation: int = 1) -> Signer:
    """Return a self-signed root for this key, P-384 by custom."""
    name = _name(profile, f"Root CA G{generation}")
    builder = _lasting(_certificate(name, name, private_key.public_key()), now, profile.root_years * YEAR)
    return _self_signed(_as_authority(builder, path_length=None), private_key)


def make_root_crl(profile: HierarchyProfile, root: Signer, entries: Sequence[bytes], number: int, now: int) -> bytes:
    """Return the root's CRL in DER: the issuing CAs that were revoked, mostly none."""
    return crl.build(root, entries, number, now, now + profile.root_crl_days * DAY)


def make_issuing(
    profile: HierarchyProfile, root: Signer, private_key: PrivateKey, now: int, generation: int = 1
) -> Signer:
    """Return an issuing CA under `root` for this key, P-256 or RSA-3072.

    It may certify nobody who certifies (pathLen 0), and only for clientAuth and OCSPSigning.
    """
    builder = _certificate(
        _name(profile, f"Client CA G{generation}"), root.certificate.subject, private_key.public_key()
    )
    builder = _as_authority(_lasting(builder, now, profile.issuing_years * YEAR, root), path_length=0)
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.OCSP_SIGNING]
    builder = (
        builder.add_extension(extensions.authority_key_identifier(root.certificate), critical=False)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(extensions.policy(profile.policy_oid), critical=False)
        .add_extension(extensions.crl_pointer(profile.root_crl_url), critical=False)
        .add_extension(extensions.issuer_pointers(profile.root_certificate_url), critical=False)
    )
    return Signer(_signed(builder, root), private_key)


def generation_of(issuing: x509.Certificate) -> int:
    """Return which generation of issuing CA it is, by the number in its name; 0 where the name has none."""
    names = issuing.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    number = re.search(r" G([1-9][0-9]*)\Z", str(names[-1].value)) if names else None
    return int(number[1]) if number else 0


def make_ocsp_signer(profile: HierarchyProfile, issuing: Signer, private_key: PrivateKey, now: int) -> Signer:
    """Return a delegated OCSP signer of `issuing`: id-kp-OCSPSigning and ocsp-nocheck (RFC 6960 §4.2.2.2)."""
    builder = _certificate(_name(profile, "OCSP Responder"), issuing.certificate.subject, private_key.public_key())
    builder = (
        _as_end_entity(_lasting(builder, now, profile.ocsp_days * DAY, issuing), issuing)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
        .add_extension(x509.OCSPNoCheck(), critical=False)
    )
    return Signer(_signed(builder, issuing), private_key)


def make_tls_authority(profile: HierarchyProfile, private_key: PrivateKey, hosts: Sequence[str], now: int) -> Signer:
    """Return the small self-signed CA of the TLS address, constrained to `hosts` (DNS names or IP addresses).

    A PC that trusts it trusts it for these hosts and nothing else: the constraint is critical, and a kind of name
    that no host is of is excluded whole (RFC 5280 §4.2.1.10).
    """
    name = _name(profile, "TLS CA")
    builder = _lasting(_certificate(name, name, private_key.public_key()), now, profile.tls_authority_years * YEAR)
    builder = (
        _as_authority(builder, path_length=0)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_constrained_to(hosts), critical=True)
    )
    return _self_signed(builder, private_key)


def make_tls_server(
    profile: HierarchyProfile, authority: Signer, private_key: PrivateKey, hosts: Sequence[str], now: int
) -> Signer:
    """Return the certificate of the TLS address for `hosts`, which the authority must be constrained to."""
    builder = _certificate(_name(profile, "TLS Server"), authority.certificate.subject, private_key.public_key())
    builder = (
        _as_end_entity(_lasting(builder, now, profile.tls_server_days * DAY, authority), authority)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_host_name(host) for host in hosts]), critical=False)
    )
    return Signer(_signed(builder, authority), private_key)


def _name(profile: HierarchyProfile, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, COUNTRY),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, profile.organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _certificate(subject: x509.Name, issuer: x509.Name, public_key: PublicKey) -> x509.CertificateBuilder:
    """Begin a certificate with what every one of them has."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(serial_number())
        .public_key(public_key)
        .add_extension(extensions.subject_key_identifier(public_key), critical=False)
    )


def _lasting(
    builder: x509.CertificateBuilder, now: int, seconds: int, issuer: Signer | None = None
) -> x509.CertificateBuilder:
    """Add the validity: `seconds` long, both ends counted, and never past the issuer's."""
    not_before = now - BACKDATE
    not_after = not_before + seconds - 1
    if issuer is not None:
        not_after = min(not_after, der.seconds(issuer.certificate.not_valid_after_utc))
    return builder.not_valid_before(moment(not_before)).not_valid_after(moment(not_after))


def _as_authority(builder: x509.CertificateBuilder, path_length: int | None) -> x509.CertificateBuilder:
    usage = extensions.key_usage("key_cert_sign", "crl_sign")
    return builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True).add_extension(
        usage, critical=True
    )


def _as_end_entity(builder: x509.CertificateBuilder, issuer: Signer) -> x509.CertificateBuilder:
    usage = extensions.key_usage("digital_signature")
    identifier = extensions.authority_key_identifier(issuer.certificate)
    return builder.add_extension(identifier, critical=False).add_extension(usage, critical=True)


def _self_signed(builder: x509.CertificateBuilder, private_key: PrivateKey) -> Signer:
    return Signer(builder.sign(private_key, hash_of(private_key.public_key())), private_key)


def _signed(builder: x509.CertificateBuilder, issuer: Signer) -> x509.Certificate:
    return builder.sign(issuer.private_key, issuer.hash)


def _host_name(host: str) -> x509.GeneralName:
    """Return an IP address as iPAddress, anything else as dNSName: browsers take neither for the other."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _constrained_to(hosts: Sequence[str]) -> x509.NameConstraints:
    """Permit the hosts, and exclude all DNS names, or all IP addresses, when none of the hosts is such a one."""
    permitted: list[x509.GeneralName] = []
    excluded: list[x509.GeneralName] = []
    for name in map(_host_name, hosts):
        # A constraint on an address is a network: this one address alone.
        permitted.append(x509.IPAddress(ipaddress.ip_network(name.value)) if isinstance(name, x509.IPAddress) else name)
    if not any(isinstance(name, x509.DNSName) for name in permitted):
        excluded.append(x509.DNSName(""))
    if not any(isinstance(name, x509.IPAddress) for name in permitted):
        excluded += [x509.IPAddress(ipaddress.ip_network(everything)) for everything in ("0.0.0.0/0", "::/0")]
    return x509.NameConstraints(permitted, excluded or None)
