"""Reads and makes certificate signing requests: PKCS#10 (RFC 2986), DER (X.690), extensions by RFC 2985 §5.4.2.

A request that parses is whole, has a key that may be certified, proves possession of it, and asks for nothing that only
an authority or a server needs. The names it carries are told, not judged: the certificate's come from the records.
Strangers' bytes meet one parser only, cryptography's; it reads lazily, so every field is touched here, where whatever
it raises becomes a refusal. Cheap checks come first, and the key is judged before it verifies anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, OtherNameFormOID, SignatureAlgorithmOID

from keys.algorithms import PrivateKey, PublicKey, kind_of, verify_hashed
from keys.errors import BadSignature, BadSigningRequest, KeysError, UnsupportedKey
from keys.policy import require_certifiable
from keys.token import RequestedKey

MAX_BYTES = 16 * 1024  # an honest request with RSA-4096 and ten names has 2 KiB

_EXTENSION_REQUESTS = frozenset(
    {
        x509.ObjectIdentifier("1.2.840.113549.1.9.14"),  # RFC 2985 §5.4.2
        x509.ObjectIdentifier("1.3.6.1.4.1.311.2.1.14"),  # the same under Microsoft's arc, from older Windows
    }
)

# PKCS#10 lets the requester choose the hash; SHA-1 and PSS stay out, and each identifier goes with its own kind of key.
_SIGNATURES: dict[x509.ObjectIdentifier, tuple[type, hashes.HashAlgorithm]] = {
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: (ec.EllipticCurvePublicKey, hashes.SHA256()),
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: (ec.EllipticCurvePublicKey, hashes.SHA384()),
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: (ec.EllipticCurvePublicKey, hashes.SHA512()),
    SignatureAlgorithmOID.RSA_WITH_SHA256: (rsa.RSAPublicKey, hashes.SHA256()),
    SignatureAlgorithmOID.RSA_WITH_SHA384: (rsa.RSAPublicKey, hashes.SHA384()),
    SignatureAlgorithmOID.RSA_WITH_SHA512: (rsa.RSAPublicKey, hashes.SHA512()),
}


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """Holds what a proven request says: its key, the names it carries (in its order, unjudged) and its own bytes."""

    public_key: PublicKey
    common_names: tuple[str, ...]
    dns_names: tuple[str, ...]
    der: bytes
    permanent_identifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _AlternativeNames:
    dns_names: tuple[str, ...] = ()
    permanent_identifiers: tuple[str, ...] = ()


@asn1.sequence
class _PermanentIdentifier:
    """The value of the otherName of RFC 4043 §2."""

    identifier_value: str | None
    assigner: x509.ObjectIdentifier | None


def parse_signing_request(der: bytes) -> SigningRequest:
    """Reads a request, checks the proof of possession, and refuses what no client certificate may ask for.

    Raises BadSigningRequest when it is too long, malformed, unproven, repeats itself or asks for too much;
    UnsupportedKey and WeakKey when its key may not be certified. Nothing else, whatever the bytes.
    """
    if len(der) > MAX_BYTES:
        raise BadSigningRequest(f"The request has {len(der)} bytes; at most {MAX_BYTES} are read.")
    try:
        return _read(der)
    except KeysError:
        raise
    except UnsupportedAlgorithm as error:
        raise UnsupportedKey("The key of the request is of a kind that is not accepted.") from error
    except x509.DuplicateExtension as error:
        raise BadSigningRequest(f"The extension {error.oid.dotted_string} stands twice in the request.") from error
    except Exception as error:
        if "ExtraData" in str(error) and "Csr::signature_alg" in str(error):
            # The TPM 2.0 provider for OpenSSL, up to 1.1, writes the NULL that RFC 5758 §3.2 forbids.
            raise BadSigningRequest(
                "The signature algorithm of the request has parameters it must not have."
            ) from error
        raise BadSigningRequest("The request is not one whole PKCS#10 structure in DER.") from error


def build_signing_request(private_key: PrivateKey, common_name: str | None, dns_names: Iterable[str] = ()) -> bytes:
    """Makes a request in DER, with an empty subject if no name is given, since the authority knows the name anyway.

    A RequestedKey brings its own. Raises UnsupportedKey when the key is none of ours, ValueError when a name cannot be
    encoded.
    """
    if isinstance(private_key, RequestedKey):
        return private_key.signing_request
    names = [] if common_name is None else [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    alternatives = [x509.DNSName(name) for name in dns_names]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=not names)
    request = builder.sign(private_key, kind_of(private_key.public_key()).hash)  # type: ignore[arg-type]
    return request.public_bytes(Encoding.DER)


def _read(der: bytes) -> SigningRequest:
    request = x509.load_der_x509_csr(der)
    _refuse_repeated_attributes([attribute.oid for attribute in request.attributes])
    public_key = _proven_key(request)
    alternatives = _AlternativeNames()
    for extension in request.extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                raise BadSigningRequest("The request asks to become an authority (CA:TRUE).")
            case x509.ExtendedKeyUsage() as usages:
                _refuse_other_usages(usages)
            case x509.SubjectAlternativeName() as names:
                alternatives = _alternative_names(names)
            case _:
                pass  # the profile alone decides about the rest
    return SigningRequest(
        public_key=public_key,
        common_names=_common_names(request.subject),
        dns_names=alternatives.dns_names,
        der=der,
        permanent_identifiers=alternatives.permanent_identifiers,
    )


def _refuse_repeated_attributes(attributes: Sequence[x509.ObjectIdentifier]) -> None:
    if len(set(attributes)) != len(attributes):
        raise BadSigningRequest("An attribute stands twice in the request.")
    if len(_EXTENSION_REQUESTS.intersection(attributes)) > 1:
        raise BadSigningRequest("The request carries two lists of extensions.")


def _proven_key(request: x509.CertificateSigningRequest) -> PublicKey:
    """Judges the key before it verifies, since a huge modulus or exponent would make that slow."""
    public_key = request.public_key()
    if not isinstance(public_key, PublicKey):
        raise UnsupportedKey("The key of the request is neither an elliptic curve key nor RSA.")
    require_certifiable(public_key)
    expected, hash_algorithm = _SIGNATURES.get(request.signature_algorithm_oid, (None, None))
    if expected is None or not isinstance(public_key, expected):
        raise BadSigningRequest("The request is not signed by ECDSA or RSA PKCS#1 v1.5 with SHA-256, 384 or 512.")
    try:
        verify_hashed(public_key, request.signature, request.tbs_certrequest_bytes, hash_algorithm)
    except BadSignature as error:
        raise BadSigningRequest("The request's own signature does not verify: no proof of the private key.") from error
    return public_key


def _refuse_other_usages(usages: x509.ExtendedKeyUsage) -> None:
    for usage in usages:
        if usage != ExtendedKeyUsageOID.CLIENT_AUTH:
            raise BadSigningRequest(f"The request asks for the key usage {usage.dotted_string}, not clientAuth alone.")


def _alternative_names(names: x509.SubjectAlternativeName) -> _AlternativeNames:
    dns_names: list[str] = []
    identifiers: list[str] = []
    for name in names:
        match name:
            case x509.DNSName():
                dns_names.append(_ascii(name.value))
            case x509.OtherName(type_id=OtherNameFormOID.PERMANENT_IDENTIFIER):
                identifiers.append(_identifier_value(name.value))
            case _:
                raise BadSigningRequest(
                    "The request has an alternative name that is no dNSName or permanentIdentifier."
                )
    return _AlternativeNames(tuple(dns_names), tuple(identifiers))


def _ascii(name: str) -> str:
    """Holds a dNSName to IA5String (RFC 5280 §4.2.1.6), which the library reads as UTF-8."""
    if not name.isascii():
        raise BadSigningRequest("A dNSName of the request is not ASCII.")
    return name


def _identifier_value(der: bytes) -> str:
    value = asn1.decode_der(_PermanentIdentifier, der).identifier_value
    if value is None:
        raise BadSigningRequest("The permanentIdentifier of the request has no value.")
    return value


def _common_names(subject: x509.Name) -> tuple[str, ...]:
    values = [attribute.value for attribute in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return tuple(value if isinstance(value, str) else value.decode() for value in values)
