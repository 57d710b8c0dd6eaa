"""JSON Web Signatures as ACME uses them (RFC 8555 §6.2, RFC 7515 flattened JSON, RFC 7518, RFC 8037), read strictly.

Reading refuses whatever has two meanings or none: see `strict_json`, `base64url` and `_header`. An algorithm belongs to
a key, never to a message: the row of the key in `keys.algorithms` says which one verifies, and a header that names
another is refused. Nothing but `Problem` is raised, whatever bytes come. Order of the checks: protocol.md, Verifying
a request. Building is plain too, not josepy's, which knows neither Ed25519 nor a key that lives in a token and has no
place for `nonce` and `url`; the tests hold it against josepy as an independent judge.
"""

import json
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from keys import algorithms
from keys.algorithms import KEY_KINDS, KeyKind, PrivateKey, PublicKey
from keys.errors import BadSignature, UnsupportedKey
from protocol import base64url, credential
from protocol.jwk import jwk, public_key, thumbprint
from protocol.problems import Problem, ProblemType
from protocol.strict_json import strict_json

__all__ = [
    "ALGORITHMS",
    "MAC_ALGORITHM",
    "MAX_BODY",
    "Jws",
    "bind",
    "decode",
    "encode",
    "jwk",
    "parse",
    "parse_members",
    "public_key",
    "sign",
    "sign_members",
    "strict_json",
    "thumbprint",
    "verify",
    "verify_mac",
]

MAX_BODY: Final = 65_536
ALGORITHMS: Final = tuple(dict.fromkeys(kind.jws for kind in KEY_KINDS))
MAC_ALGORITHM: Final = "HS256"

_COORDINATE_SIZES = {
    kind.name: (kind.parameter.key_size + 7) // 8 for kind in KEY_KINDS if isinstance(kind.parameter, ec.EllipticCurve)
}
_NONCE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_INNER_ALGORITHMS = (*ALGORITHMS, MAC_ALGORITHM)

encode = base64url.encode


class Jws(NamedTuple):
    """A signed message taken apart, its signature not yet verified.

    `protected` is the header; `signing_input` the octets that were signed, header and payload as they were sent.
    """

    protected: Mapping[str, object]
    payload: bytes
    signature: bytes
    signing_input: bytes

    @property
    def algorithm(self) -> str:
        """Return the header's `alg`, which parsing found to be a text."""
        return str(self.protected["alg"])

    def render(self) -> dict[str, str]:
        """Return the flattened JSON members again, nothing besides, as an account reflects its binding."""
        protected, _, payload = self.signing_input.decode("ascii").partition(".")
        return {"protected": protected, "payload": payload, "signature": encode(self.signature)}


def decode(text: str) -> bytes:
    """Return the octets of strict base64url. Raises Problem (malformed)."""
    try:
        return base64url.decode(text)
    except ValueError as error:
        raise _malformed("A value is not base64url without padding (RFC 7515 §2).") from error


def parse(body: bytes) -> Jws:
    """Take the body of a POST apart, at most MAX_BODY octets.

    Raises Problem: malformed, or badSignatureAlgorithm when `alg` is not one that an account may sign with.
    """
    if len(body) > MAX_BODY:
        raise Problem(ProblemType.MALFORMED, f"The body is larger than {MAX_BODY} octets.", status=413)
    return _take_apart(strict_json(body), ALGORITHMS)


def parse_members(members: object) -> Jws:
    """Take a JWS apart that stands as a JSON object in another's payload: a binding or the inner one of keyChange.

    Besides what `parse` takes, `alg` may be HS256, which `verify_mac` alone verifies. Raises Problem like `parse`.
    """
    return _take_apart(members, _INNER_ALGORITHMS)


def verify(jws: Jws, public_key: PublicKey) -> None:
    """Verify the signature with the one algorithm that belongs to the key.

    Raises Problem: badSignatureAlgorithm when the header names another, malformed when the signature is wrong.
    """
    try:
        kind = algorithms.kind_of(public_key)
    except UnsupportedKey as error:
        raise Problem(ProblemType.BAD_PUBLIC_KEY, str(error)) from error
    if jws.algorithm != kind.jws:
        raise _bad_algorithm(f"A key of kind {kind.name} signs with {kind.jws}.")
    try:
        algorithms.verify_hashed(public_key, _x509_signature(jws.signature, kind), jws.signing_input, kind.hash)
    except BadSignature as error:
        raise _malformed("The signature does not verify.") from error


def verify_mac(jws: Jws, mac_key: bytes) -> bool:
    """Tell whether a binding's MAC is right. Raises Problem (badSignatureAlgorithm) unless it is an HS256 one."""
    if jws.algorithm != MAC_ALGORITHM:
        raise _bad_algorithm("An external account binding is signed with HS256.", (MAC_ALGORITHM,))
    return credential.verify_mac(mac_key, jws.signing_input, jws.signature)


def sign(private_key: PrivateKey, payload: bytes, protected: Mapping[str, object]) -> bytes:
    """Build the body of a POST: `payload` under a header of `protected` and the key's `alg`, signed."""
    return json.dumps(sign_members(private_key, payload, protected), separators=(",", ":")).encode("ascii")


def sign_members(private_key: PrivateKey, payload: bytes, protected: Mapping[str, object]) -> dict[str, str]:
    """Build a signed JWS as a JSON object, as keyChange nests it. Raises UnsupportedKey for a key without a kind."""
    kind = algorithms.kind_of(private_key.public_key())
    members, signing_input = _unsigned(payload, {**protected, "alg": kind.jws})
    members["signature"] = encode(_jws_signature(algorithms.sign(private_key, signing_input), kind))
    return members


def bind(kid: str, mac_key: bytes, url: str, public_key: PublicKey) -> dict[str, str]:
    """Build the external account binding: the account's public key under the MAC of a credential (RFC 8555 §7.3.4).

    `url` is that of newAccount, as the outer JWS has it.
    """
    members, signing_input = _unsigned(_compact(jwk(public_key)), {"alg": MAC_ALGORITHM, "kid": kid, "url": url})
    members["signature"] = encode(credential.make_mac(mac_key, signing_input))
    return members


def _take_apart(members: object, allowed: tuple[str, ...]) -> Jws:
    """Return the parts. Further members are ignored (RFC 7515 §7.2), but for those that would change the meaning."""
    if not isinstance(members, dict):
        raise _malformed("A JWS is a JSON object with protected, payload and signature.")
    if "signatures" in members or "header" in members:
        raise _malformed("A JWS has one signature and no unprotected header (RFC 8555 §6.2).")
    protected, payload, signature = members.get("protected"), members.get("payload"), members.get("signature")
    if not (isinstance(protected, str) and isinstance(payload, str) and isinstance(signature, str)):
        raise _malformed("A JWS has the members protected, payload and signature, each a text.")
    header = _header(decode(protected), allowed)
    return Jws(header, decode(payload), decode(signature), f"{protected}.{payload}".encode("ascii"))


def _header(octets: bytes, allowed: tuple[str, ...]) -> Mapping[str, object]:
    """Return the protected header.

    - extensions (`crit`, `b64`) are refused, for we have none;
    - `alg` is one of `allowed`;
    - there is either `jwk` or `kid`, never both, never neither;
    - `url` and `nonce`, where they stand, are of their type; whether they must stand is the caller's to say.
    """
    header = strict_json(octets)
    if not isinstance(header, dict):
        raise _malformed("The protected header is not a JSON object.")
    if "crit" in header or "b64" in header:
        raise _malformed("The header members crit and b64 are not supported (RFC 8555 §6.2).")
    if header.get("alg") not in allowed:
        raise _bad_algorithm("The header's alg is not supported.")
    if ("jwk" in header) == ("kid" in header):
        raise _malformed("The protected header has either jwk or kid (RFC 8555 §6.2).")
    if not isinstance(header.get("jwk", {}), dict) or not isinstance(header.get("kid", ""), str):
        raise _malformed("In the protected header jwk is an object and kid a text.")
    nonce = header.get("nonce", "0")
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise _malformed("The nonce is not base64url (RFC 8555 §6.5.2).")
    if not isinstance(header.get("url", ""), str):
        raise _malformed("In the protected header url is a text.")
    return header


def _unsigned(payload: bytes, protected: Mapping[str, object]) -> tuple[dict[str, str], bytes]:
    members = {"protected": encode(_compact(protected)), "payload": encode(payload)}
    return members, f"{members['protected']}.{members['payload']}".encode("ascii")


def _compact(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _x509_signature(signature: bytes, kind: KeyKind) -> bytes:
    """Turn r‖s, each of the curve's full length (RFC 7518 §3.4), into DER; the other algorithms have one form."""
    size = _COORDINATE_SIZES.get(kind.name)
    if size is None:
        return signature
    if len(signature) != 2 * size:
        raise BadSignature("The signature has not the length of its curve.")
    r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
    if not (r and s):
        raise BadSignature("Neither half of an ECDSA signature is zero.")
    return encode_dss_signature(r, s)


def _jws_signature(signature: bytes, kind: KeyKind) -> bytes:
    size = _COORDINATE_SIZES.get(kind.name)
    if size is None:
        return signature
    r, s = decode_dss_signature(signature)
    return r.to_bytes(size) + s.to_bytes(size)


def _malformed(detail: str) -> Problem:
    return Problem(ProblemType.MALFORMED, detail)


def _bad_algorithm(detail: str, supported: tuple[str, ...] = ALGORITHMS) -> Problem:
    """RFC 8555 §6.2 wants the list of what is supported."""
    return Problem(ProblemType.BAD_SIGNATURE_ALGORITHM, detail, extra={"algorithms": list(supported)})
