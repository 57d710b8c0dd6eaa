"""The keys of a running server, read once at its start: issuing CA, OCSP signer, TLS, the server's secrets.

The root's key is not among them: `serve` never opens it.
"""

import dataclasses
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server.authority.hierarchy import HierarchyProfile, make_ocsp_signer
from ca_server.authority.signer import Signer
from ca_server.clock import DAY
from ca_server.config import Config, IssuingAuthority
from ca_server.language import cause, sentence
from keys.errors import KeystoreError
from keys.generate import generate
from keys.keystore import load_key, save_key, write_private
from keys.sealing import Sealer

_SHORTEST_TOKEN = 32


def passphrase(path: Path | None) -> str | None:
    """Return the passphrase in a file, without the line's end. Raises KeystoreError when it cannot be read."""
    if path is None:
        return None
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise KeystoreError(
            sentence("The passphrase file {path} cannot be read: {error}", path=path, error=cause(error))
        ) from error


def load_signer(certificate: Path, key: Path, passphrase_file: Path) -> Signer:
    """Return a CA's or a responder's certificate with its key. Raises KeystoreError, WrongPassphrase."""
    return Signer(load_certificate(certificate), load_key(key, passphrase(passphrase_file)))


def load_certificate(path: Path) -> x509.Certificate:
    """Return the first certificate of a PEM file. Raises KeystoreError when there is none."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise KeystoreError(sentence("{path} holds no certificate: {error}", path=path, error=cause(error))) from error


def feed_token(config: Config) -> str | None:
    """Return the secret of those who follow, or None when nobody may. Raises KeystoreError when it cannot be used."""
    path = config.responder.feed_token_file
    token = passphrase(path)
    if token is not None and not (len(token) >= _SHORTEST_TOKEN and token.isascii() and token.isprintable()):
        raise KeystoreError(
            sentence(
                "{path} must hold one line of at least {count} ASCII characters.", path=path, count=_SHORTEST_TOKEN
            )
        )
    return token


def load_sealer(config: Config) -> Sealer:
    """Return what seals kids and passwords. Raises KeystoreError when a secret is missing or short."""
    return Sealer([_secret(path) for path in config.server.secret_files])


def _secret(path: Path) -> bytes:
    try:
        return bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        told = sentence("The server secret {path} cannot be read: {error}", path=path, error=cause(error))
        raise KeystoreError(told) from error


def load_tls(config: Config) -> ssl.SSLContext:
    """Return the TLS context of the public listener: 1.2 and up, with forward secrecy and no CBC (RFC 9325 §4.2).

    Sessions are kept here, not in tickets, whose key would be as old as the process. Raises KeystoreError when the
    files do not fit.
    """
    server = config.server
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    secret = passphrase(server.tls_passphrase_file)
    try:
        # An empty answer rather than the prompt of OpenSSL, which would wait for a terminal.
        context.load_cert_chain(server.tls_certificate, server.tls_key, lambda: secret or "")
    except (OSError, ssl.SSLError) as error:
        raise KeystoreError(
            sentence(
                "{tls_certificate} or {tls_key} cannot be used for TLS: {error}",
                tls_certificate=server.tls_certificate,
                tls_key=server.tls_key,
                error=cause(error),
            )
        ) from error
    return context


def hierarchy_profile(config: Config) -> HierarchyProfile:
    """Return what CA certificates say, from the configuration."""
    authority = config.authority
    return HierarchyProfile(
        authority.organization,
        config.profile.policy_oid,
        root_crl_url=f"{config.server.http_url}/crl/root.crl",
        root_certificate_url=f"{config.server.http_url}/ca/root.cer",
        ocsp_days=authority.ocsp_signer_days,
    )


@dataclasses.dataclass
class OcspKey:
    """The OCSP signer in use of an issuing CA; `rotate` puts a new one in its place before it ends."""

    config: Config
    authority: IssuingAuthority
    signer: Signer

    def current(self) -> Signer:
        """Return the signer in use."""
        return self.signer

    def is_ageing(self, now: int) -> bool:
        """Tell whether a third of its life, at most, is left, or it lies in the future: the clock was ahead once."""
        if now < int(self.signer.certificate.not_valid_before_utc.timestamp()):
            return True
        end = int(self.signer.certificate.not_valid_after_utc.timestamp())
        return end - now <= self.config.authority.ocsp_signer_days * DAY // 3

    def rotate(self, issuing: Signer, now: int) -> None:
        """Have the issuing CA certify a fresh key, keep both on disk, and use them from now on."""
        self.signer = renew_ocsp_signer(hierarchy_profile(self.config), self.authority, issuing, now)


def renew_ocsp_signer(profile: HierarchyProfile, authority: IssuingAuthority, issuing: Signer, now: int) -> Signer:
    """Return a fresh OCSP signer of the issuing CA, key and certificate in the place of those on disk, if any."""
    fresh = make_ocsp_signer(profile, issuing, generate("P-256"), now)
    save_key(authority.ocsp_key, fresh.private_key, passphrase(authority.ocsp_passphrase_file), replace=True)
    write_private(authority.ocsp_certificate, fresh.certificate.public_bytes(Encoding.PEM), replace=True)
    return fresh


@dataclasses.dataclass(frozen=True)
class AuthorityKeys:
    """An issuing CA with its keys opened, by its name in the records."""

    name: str
    signer: Signer
    ocsp: OcspKey

    def wants_ocsp_signer(self, now: int) -> bool:
        """Tell whether a fresh OCSP signer is due; a CA that has ended can make none."""
        ends = int(self.signer.certificate.not_valid_after_utc.timestamp())
        return now < ends and self.ocsp.is_ageing(now)


def load_authorities(config: Config, now: int) -> tuple[AuthorityKeys, ...]:
    """Open the keys of every issuing CA, the one in use first. Raises KeysError when one cannot be used."""
    opened = []
    for authority in config.authorities:
        issuing = load_signer(authority.issuing_certificate, authority.issuing_key, authority.issuing_passphrase_file)
        opened.append(AuthorityKeys(authority.issuer, issuing, load_ocsp_key(config, authority, issuing, now)))
    return tuple(opened)


def load_ocsp_key(config: Config, authority: IssuingAuthority, issuing: Signer, now: int) -> OcspKey:
    """Return the OCSP signer on disk, or a fresh one when a crash left key and certificate apart."""
    key = load_key(authority.ocsp_key, passphrase(authority.ocsp_passphrase_file))
    certificate = load_certificate(authority.ocsp_certificate)
    if key.public_key() != certificate.public_key():
        return OcspKey(config, authority, renew_ocsp_signer(hierarchy_profile(config), authority, issuing, now))
    return OcspKey(config, authority, Signer(certificate, key))
