"""Verifies client certificates of one CA in a Python program: chain, purpose, name, and whether they are revoked.

    verifier = Verifier(
        Path("crls/root.pem").read_bytes(), Path("crls/issuing-1.pem").read_bytes(),
        crls=Path("crl.pem").read_bytes(), ocsp_url="http://ca.example/ocsp",
    )
    try:
        identity = verifier.verify(chain, datetime.now(timezone.utc))
    except NotAccepted as refusal:
        print(refusal.reason, refusal)

That the other side has the key is shown by the TLS handshake, not here: give it the certificates of a handshake that
succeeded. Whatever cannot be decided is refused. The module stands alone: it needs Python 3.9 and cryptography 45, or
later ones.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp, verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MOST_BYTES = 65536
"""Of a chain, and of an OCSP answer."""
MOST_CERTIFICATES = 4
SKEW = timedelta(minutes=5)
"""How far the CA's clock may be ahead of ours."""
SECONDS_TO_ANSWER = 10

_CLIENT_AUTH = frozenset({ExtendedKeyUsageOID.CLIENT_AUTH})
_CODE = re.compile("F[0-9]{6}")
_SCHEME = [NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COMMON_NAME]
_WEAK = (hashes.SHA1, hashes.MD5)


class NotAccepted(Exception):
    """The certificate lets nobody in; `reason` is one of REASONS, the text a sentence for the log."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


REASONS = (
    "malformed", "untrusted", "not-yet-valid", "expired",
    "wrong-purpose", "weak-key", "wrong-name", "other-institution", "revoked",
    "crl-missing", "crl-invalid", "crl-stale",
    "ocsp-unreachable", "ocsp-invalid", "ocsp-stale", "ocsp-unknown",
)  # fmt: skip


@dataclass(frozen=True)
class Identity:
    """Who a certificate lets in."""

    common_name: str
    """F123456-001: one PC of an institution."""
    institution: str
    """F123456."""
    serial: str
    """In hexadecimal, as the CA writes it."""
    not_after: datetime


class Verifier:
    """What a relying system trusts, and whom it lets in; make a new one when the CRLs have changed."""

    def __init__(
        self,
        roots: bytes,
        intermediates: bytes = b"",
        *,
        crls: bytes = b"",
        ocsp_url: str | None = None,
        institutions: Collection[str] = (),
    ) -> None:
        """Take PEM texts of our own: they are trusted, and not limited.

        With `crls` each certificate of a chain needs the CRL of its issuer; with `ocsp_url` the CA is asked about the
        client's as well. `institutions` are the only ones that are let in, if there are any.
        Raises ValueError when a text is not what it should be, or nothing would tell of a revocation.
        """
        if not crls and ocsp_url is None:
            raise ValueError("crls or ocsp_url must be given, or revoked certificates would be accepted")
        self._roots = x509.load_pem_x509_certificates(roots)
        self._intermediates = x509.load_pem_x509_certificates(intermediates) if intermediates else []
        self._crls = [_Crl(each) for each in _pem_crls(crls)]
        self._needs_crls = bool(crls)
        self._ocsp_url = ocsp_url
        self._institutions = frozenset(institutions)

    def verify(self, chain: bytes | Sequence[bytes], at: datetime) -> Identity:
        """Return who the client is. Raises NotAccepted, and nothing else, whatever the bytes are.

        `chain` is a PEM text, or certificates in DER, the client's first; `at` has a time zone.
        """
        if at.tzinfo is None:
            raise ValueError("at must have a time zone")
        certificates = _load(chain)
        leaf = certificates[0]
        _check_time(leaf, at)
        path = self._path(leaf, [*certificates[1:], *self._intermediates], at)
        identity = self._identity(leaf)
        if self._needs_crls:
            for place, issuer in enumerate(path[1:]):
                _check_crl(path[place], issuer, self._crls, at)
        if self._ocsp_url is not None:
            ask_ocsp(leaf, path[1], self._ocsp_url, at)
        return identity

    def _path(self, leaf: x509.Certificate, others: list[x509.Certificate], at: datetime) -> list[x509.Certificate]:
        """Return leaf, issuing CA and root, by RFC 5280 §6, each made for what it does here."""
        anything = verification.ExtensionPolicy.permit_all()
        authorities = verification.ExtensionPolicy.webpki_defaults_ca()
        with _refusing("untrusted", "The certificate does not lead to a CA that is trusted here"):
            verifier = (
                verification.PolicyBuilder()
                .store(verification.Store(self._roots))
                .time(at.astimezone(timezone.utc).replace(tzinfo=None))  # noqa: UP017 - its name in Python 3.9
                .max_chain_depth(1)
                .extension_policies(ca_policy=authorities, ee_policy=anything)
                .build_client_verifier()
            )
            path = list(verifier.verify(leaf, others).chain)
        if len(path) < 2:
            raise NotAccepted("untrusted", "The certificate is a CA's own")
        with _refusing("wrong-purpose", "The certificate's extensions cannot be read"):
            _check_purpose(leaf)
        _check_key(leaf)
        return path

    def _identity(self, leaf: x509.Certificate) -> Identity:
        """Return what the name says: C=JP, O, OU=F123456, CN=F123456-001, each once and in this order."""
        with _refusing("wrong-name", "The certificate's name cannot be read"):
            parts = [next(iter(rdn)) for rdn in leaf.subject.rdns if len(rdn) == 1]
            values = [str(part.value) for part in parts]
            if len(leaf.subject.rdns) != len(_SCHEME) or [part.oid for part in parts] != _SCHEME:
                raise NotAccepted("wrong-name", "The certificate's name is not one of this CA's scheme")
            country, _, code, name = values
            if country != "JP" or not _CODE.fullmatch(code) or not re.fullmatch(re.escape(code) + "-[0-9]{3}", name):
                raise NotAccepted("wrong-name", "The certificate's name is not one of this CA's scheme")
        if self._institutions and code not in self._institutions:
            raise NotAccepted("other-institution", f"{code} is not among the institutions that are let in")
        return Identity(name, code, f"{leaf.serial_number:x}", leaf.not_valid_after_utc)


def _load(chain: bytes | Sequence[bytes]) -> list[x509.Certificate]:
    """Parse what a stranger sent, within limits, and touch each part that the library parses only when asked."""
    parts = [chain] if isinstance(chain, bytes) else list(chain[: MOST_CERTIFICATES + 1])
    if len(parts) > MOST_CERTIFICATES or sum(map(len, parts)) > MOST_BYTES:
        raise NotAccepted("malformed", "The chain is too long")
    with _refusing("malformed", "The chain cannot be read"):
        if isinstance(chain, bytes) and b"-----BEGIN" in chain:
            if chain.count(b"-----BEGIN") > MOST_CERTIFICATES:
                raise NotAccepted("malformed", "The chain is too long")
            certificates = x509.load_pem_x509_certificates(chain)
        else:
            certificates = [x509.load_der_x509_certificate(part) for part in parts]
        if not certificates:
            raise NotAccepted("malformed", "There is no certificate")
        for each in certificates:
            _ = (each.subject, each.issuer, each.extensions, each.public_key(), each.signature_hash_algorithm)
            _ = (each.not_valid_before_utc, each.not_valid_after_utc, each.serial_number, each.version)
            if not each.public_bytes(Encoding.DER).endswith(b"\0" + each.signature):
                raise NotAccepted("malformed", "A signature is not whole octets")  # the library lets unused bits pass
    return certificates


def _check_time(leaf: x509.Certificate, at: datetime) -> None:
    if at < leaf.not_valid_before_utc:
        raise NotAccepted("not-yet-valid", f"The certificate is valid from {leaf.not_valid_before_utc:%Y-%m-%dT%H:%MZ}")
    if at > leaf.not_valid_after_utc:
        raise NotAccepted("expired", f"The certificate was valid until {leaf.not_valid_after_utc:%Y-%m-%dT%H:%MZ}")


def _check_purpose(leaf: x509.Certificate) -> None:
    """Demand exactly clientAuth, and a signing key of no CA: an OCSP signer, a server and a CA are no clients.

    Our own check, for one that the library takes as an extension policy is not enough: with `permit_all` it judges no
    extended key usage at all, and a certificate of the same CA for another purpose would pass.
    """
    extensions = leaf.extensions
    try:
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as error:
        raise NotAccepted("wrong-purpose", "The certificate does not say what it is for") from error
    if frozenset(purposes) != _CLIENT_AUTH or not usage.digital_signature or usage.key_cert_sign or usage.crl_sign:
        raise NotAccepted("wrong-purpose", "The certificate is not for client authentication alone")
    for extension in extensions:
        if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
            raise NotAccepted("wrong-purpose", "The certificate is a CA's")
        if extension.critical and isinstance(extension.value, x509.UnrecognizedExtension):
            raise NotAccepted(
                "wrong-purpose", f"The critical extension {extension.oid.dotted_string} is not known here"
            )


def _check_key(leaf: x509.Certificate) -> None:
    """Demand a kind of key that the CA certifies: P-256, P-384, RSA of 2048 to 4096 bits."""
    with _refusing("weak-key", "The certificate's key cannot be read"):
        key = leaf.public_key()
        good = (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ("secp256r1", "secp384r1")) or (
            isinstance(key, rsa.RSAPublicKey) and 2048 <= key.key_size <= 4096
        )
    if not good:
        raise NotAccepted("weak-key", "The certificate's key is of a kind that this CA does not certify")


class _Crl:
    """A CRL of ours, parsed once. Raises ValueError when it is none that can be judged by (RFC 5280 §5.2, §5.3)."""

    def __init__(self, crl: x509.CertificateRevocationList) -> None:
        self.crl = crl
        self.usable = True
        for holder in (crl, *crl):
            if any(extension.critical for extension in holder.extensions):
                self.usable = False  # partial, indirect, or a delta: what it says of our certificates is not clear

    def names(self, issuer: x509.Certificate) -> bool:
        """Tell whether it says that it is the issuer's."""
        return self.crl.issuer == issuer.subject

    def is_of(self, issuer: x509.Certificate) -> bool:
        """Tell whether the issuer signed it, with the key that it names, and may sign CRLs."""
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        signer = self.crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        key = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        public_key = issuer.public_key()
        assert isinstance(public_key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey))  # noqa: S101 - for the type alone
        return usage.crl_sign and signer == key and self.crl.is_signature_valid(public_key)


def _pem_crls(text: bytes) -> list[x509.CertificateRevocationList]:
    """Return the CRLs of a PEM text. Raises ValueError."""
    mark = b"-----BEGIN X509 CRL-----"
    crls = [x509.load_pem_x509_crl(mark + part) for part in text.split(mark)[1:]]
    if text and not crls:
        raise ValueError("there is no CRL in crls")
    return crls


def _check_crl(certificate: x509.Certificate, issuer: x509.Certificate, crls: list[_Crl], at: datetime) -> None:
    """Demand a CRL of the issuer that is good now and does not hold the certificate."""
    with _refusing("crl-invalid", "The CRL of the issuer cannot be read"):
        named = [each for each in crls if each.names(issuer)]
        if not named:
            raise NotAccepted("crl-missing", f"There is no CRL of {issuer.subject.rfc4514_string()}")
        good = [each.crl for each in named if each.usable and each.is_of(issuer)]
        if not good:
            raise NotAccepted("crl-invalid", f"No CRL of {issuer.subject.rfc4514_string()} is signed by it and whole")
        newest = max(good, key=lambda crl: crl.last_update_utc)
        if newest.last_update_utc > at + SKEW or newest.next_update_utc is None or at >= newest.next_update_utc:
            raise NotAccepted("crl-stale", f"The CRL of {issuer.subject.rfc4514_string()} is not of this time")
        if newest.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
            raise NotAccepted("revoked", f"The certificate {certificate.serial_number:x} is revoked")


def ask_ocsp(leaf: x509.Certificate, issuer: x509.Certificate, url: str, at: datetime) -> None:
    """Ask the CA about a certificate (RFC 6960) and demand the answer `good`. Raises NotAccepted.

    The nonce makes sure that the answer is to this question and not one of before a revocation (RFC 9654).
    """
    nonce = secrets.token_bytes(32)
    request = (
        ocsp.OCSPRequestBuilder()
        .add_certificate(leaf, issuer, hashes.SHA256())
        .add_extension(x509.OCSPNonce(nonce), critical=False)
        .build()
    )
    with _refusing("ocsp-unreachable", "The CA's OCSP responder did not answer"):
        encoded = _post(url, request.public_bytes(Encoding.DER))
    with _refusing("ocsp-invalid", "The OCSP answer cannot be read"):
        judge_ocsp(encoded, request, issuer, at, nonce)


def _post(url: str, question: bytes) -> bytes:
    """Return the answer, within limits of time and size."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("not a http URL")
    deadline = time.monotonic() + SECONDS_TO_ANSWER
    headers = {"Content-Type": "application/ocsp-request"}
    asked = urllib.request.Request(url, question, headers)  # noqa: S310
    answer = b""
    try:
        with urllib.request.urlopen(asked, timeout=SECONDS_TO_ANSWER) as response:  # noqa: S310
            while part := response.read1(MOST_BYTES):
                answer += part
                if len(answer) > MOST_BYTES or time.monotonic() > deadline:
                    raise ValueError("too long")
    except urllib.error.HTTPError as error:
        error.close()  # or its connection stays open for as long as the refusal is kept
        raise
    return answer


def judge_ocsp(encoded: bytes, request: ocsp.OCSPRequest, issuer: x509.Certificate, at: datetime, nonce: bytes) -> None:
    """Demand that an OCSP answer is to this request, signed, of now, and `good`. Raises NotAccepted, ValueError."""
    response = ocsp.load_der_ocsp_response(encoded)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise NotAccepted("ocsp-unreachable", f"The OCSP responder says {response.response_status.name}")
    _check_ocsp_signature(response, issuer, at)
    if response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce != nonce:
        raise NotAccepted("ocsp-invalid", "The OCSP answer is to another question")
    (single,) = response.responses
    asked = (request.serial_number, request.issuer_name_hash, request.issuer_key_hash, request.hash_algorithm.name)
    told = (single.serial_number, single.issuer_name_hash, single.issuer_key_hash, single.hash_algorithm.name)
    if asked != told:
        raise NotAccepted("ocsp-invalid", "The OCSP answer is about another certificate")
    if single.next_update_utc is None or not single.this_update_utc - SKEW <= at < single.next_update_utc:
        raise NotAccepted("ocsp-stale", "The OCSP answer is not of this time")
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        raise NotAccepted("revoked", f"The certificate {single.serial_number:x} is revoked")
    if single.certificate_status is not ocsp.OCSPCertStatus.GOOD:
        raise NotAccepted("ocsp-unknown", f"The CA does not know the certificate {single.serial_number:x}")


def _check_ocsp_signature(response: ocsp.OCSPResponse, issuer: x509.Certificate, at: datetime) -> None:
    """Demand that the issuing CA signed, or one whom it made its OCSP signer (RFC 6960 §4.2.2.2)."""
    for signer in (issuer, *response.certificates[:MOST_CERTIFICATES]):
        with contextlib.suppress(Exception):  # who cannot have signed did not; the next one may have
            if signer is not issuer:
                _check_delegate(signer, issuer, at)
            _verify_signature(response, signer)
            return
    raise NotAccepted("ocsp-invalid", "The OCSP answer is not signed by the CA or by a signer of its own")


def _check_delegate(signer: x509.Certificate, issuer: x509.Certificate, at: datetime) -> None:
    """Raise an error unless the CA issued this certificate for signing OCSP answers, and it is valid."""
    signer.verify_directly_issued_by(issuer)
    purposes = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    signer.extensions.get_extension_for_class(x509.OCSPNoCheck)  # without it its own status would have to be asked
    if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        raise ValueError("not for OCSP")
    if not signer.not_valid_before_utc <= at <= signer.not_valid_after_utc:
        raise ValueError("not valid now")


def _verify_signature(response: ocsp.OCSPResponse, signer: x509.Certificate) -> None:
    key, algorithm = signer.public_key(), response.signature_hash_algorithm
    if algorithm is None or isinstance(algorithm, _WEAK):
        raise ValueError("a weak signature")
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm)
    else:
        raise TypeError("a key of another kind")


@contextlib.contextmanager
def _refusing(reason: str, sentence: str) -> Iterator[None]:
    """Turn whatever a library raises into a refusal."""
    try:
        yield
    except NotAccepted:
        raise
    except Exception as error:
        raise NotAccepted(reason, f"{sentence}: {error}") from error
