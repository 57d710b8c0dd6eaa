"""Public keys as JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037) and their thumbprints (RFC 7638).

A key has one form: coordinates of the curve's full length, RSA numbers without leading zeros, no private member. So
equal keys have equal thumbprints, and the thumbprint can be what an account is looked up by.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys.algorithms import KEY_KINDS, PublicKey, kind_of
from keys.errors import KeysError
from keys.policy import require_strong
from protocol import base64url
from protocol.problems import Problem, ProblemType

_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_CURVES: Final = {kind.name: kind.parameter for kind in KEY_KINDS if isinstance(kind.parameter, ec.EllipticCurve)}
_LONGEST_MODULUS = max(kind.parameter for kind in KEY_KINDS if isinstance(kind.parameter, int)) // 8
_LONGEST_EXPONENT = 8


def public_key(members: object) -> PublicKey:
    """Return the key that a JWK holds. Raises Problem (badPublicKey) unless `keys.policy` finds it strong."""
    if not isinstance(members, dict):
        raise Problem(ProblemType.BAD_PUBLIC_KEY, "The JWK is not a JSON object.")
    if not _PRIVATE_MEMBERS.isdisjoint(members):
        raise Problem(ProblemType.BAD_PUBLIC_KEY, "The JWK holds a private key; consider it lost and make another.")
    try:
        key = _read(members)
        require_strong(key)
    except KeysError as error:
        raise Problem(ProblemType.BAD_PUBLIC_KEY, str(error)) from error
    except ValueError as error:
        raise Problem(ProblemType.BAD_PUBLIC_KEY, "The JWK is not a valid public key.") from error
    return key


def jwk(public_key: PublicKey) -> dict[str, str]:
    """Return the key's required members, and those alone, in the order that RFC 7638 §3.3 hashes them in."""
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        point = public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        half = len(point) // 2
        return {
            "crv": kind_of(public_key).name,
            "kty": "EC",
            "x": base64url.encode(point[1 : half + 1]),
            "y": base64url.encode(point[half + 1 :]),
        }
    if isinstance(public_key, rsa.RSAPublicKey):
        numbers = public_key.public_numbers()
        return {"e": _encode_integer(numbers.e), "kty": "RSA", "n": _encode_integer(numbers.n)}
    return {"crv": "Ed25519", "kty": "OKP", "x": base64url.encode(public_key.public_bytes_raw())}


def thumbprint(public_key: PublicKey) -> str:
    """Return the SHA-256 thumbprint of the key, 43 characters of base64url (RFC 7638)."""
    canonical = json.dumps(jwk(public_key), separators=(",", ":")).encode("ascii")
    return base64url.encode(hashlib.sha256(canonical).digest())


def _read(members: Mapping[str, object]) -> PublicKey:
    match members.get("kty"):
        case "EC":
            curve = _CURVES.get(_text(members, "crv"))
            if curve is None:
                raise ValueError("not a curve of ours")
            size = (curve.key_size + 7) // 8
            point = b"\x04" + _octets(members, "x", size) + _octets(members, "y", size)
            return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
        case "RSA":
            modulus, exponent = _integer(members, "n", _LONGEST_MODULUS), _integer(members, "e", _LONGEST_EXPONENT)
            return rsa.RSAPublicNumbers(exponent, modulus).public_key()
        case "OKP" if members.get("crv") == "Ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(_octets(members, "x", 32))
        case _:
            raise ValueError("not a kind of key of ours")


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a text")
    return value


def _octets(members: Mapping[str, object], name: str, size: int) -> bytes:
    octets = base64url.decode(_text(members, name))
    if len(octets) != size:
        raise ValueError(f"{name} has not {size} octets")
    return octets


def _integer(members: Mapping[str, object], name: str, longest: int) -> int:
    """Return a Base64urlUInt (RFC 7518 §2), at most `longest` octets so that no arithmetic on giants begins."""
    octets = base64url.decode(_text(members, name))
    if not octets or octets[0] == 0 or len(octets) > longest:
        raise ValueError(f"{name} is not a positive integer in its shortest form")
    return int.from_bytes(octets)


def _encode_integer(value: int) -> str:
    return base64url.encode(value.to_bytes((value.bit_length() + 7) // 8))
