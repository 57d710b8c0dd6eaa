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
from ca_server.config import Config
from ca_server.language import sentence
from keys.errors import KeystoreError
from keys.generate import generate
from keys.keystore import load_key, save_key, write_private
from keys.sealing import Sealer


def passphrase(path: Path | None) -> str | None:
    """Return the passphrase in a file, without the line's end. Raises KeystoreError when it cannot be read."""
    if path is None:
        return None
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise KeystoreError(
            sentence("The passphrase file {path} cannot be read: {error}", path=path, error=error)
        ) from error


def load_signer(certificate: Path, key: Path, passphrase_file: Path) -> Signer:
    """Return a CA's or a responder's certificate with its key. Raises KeystoreError, WrongPassphrase."""
    return Signer(load_certificate(certificate), load_key(key, passphrase(passphrase_file)))


def load_certificate(path: Path) -> x509.Certificate:
    """Return the first certificate of a PEM file. Raises KeystoreError when there is none."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise KeystoreError(sentence("{path} holds no certificate: {error}", path=path, error=error)) from error


def load_sealer(config: Config) -> Sealer:
    """Return what seals kids and passwords. Raises KeystoreError when a secret is missing or short."""
    try:
        return Sealer([bytes.fromhex(path.read_text("ascii").strip()) for path in config.server.secret_files])
    except (OSError, ValueError) as error:
        raise KeystoreError(sentence("A server secret cannot be read: {error}", error=error)) from error


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
                error=error,
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
    """The OCSP signer in use; `rotate` puts a new one in its place before it ends."""

    config: Config
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
        authority = self.config.authority
        fresh = make_ocsp_signer(hierarchy_profile(self.config), issuing, generate("P-256"), now)
        save_key(authority.ocsp_key, fresh.private_key, passphrase(authority.ocsp_passphrase_file), replace=True)
        write_private(authority.ocsp_certificate, fresh.certificate.public_bytes(Encoding.PEM), replace=True)
        self.signer = fresh


def load_ocsp_key(config: Config, issuing: Signer, now: int) -> OcspKey:
    """Return the OCSP signer on disk, or a fresh one when a crash left key and certificate apart."""
    authority = config.authority
    key = load_key(authority.ocsp_key, passphrase(authority.ocsp_passphrase_file))
    certificate = load_certificate(authority.ocsp_certificate)
    if key.public_key() != certificate.public_key():
        torn = OcspKey(config, issuing)
        torn.rotate(issuing, now)
        return torn
    return OcspKey(config, Signer(certificate, key))
