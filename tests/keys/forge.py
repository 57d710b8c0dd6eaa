"""Forges what well-behaved libraries do not make: signing requests byte by byte, and RSA moduli that can be broken."""

import math
import random
from collections.abc import Callable

import gmpy2
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys.algorithms import PrivateKey, sign

SEQUENCE, SET, INTEGER, OCTETS, BITS, UTF8, BOOLEAN = 0x30, 0x31, 0x02, 0x04, 0x03, 0x0C, 0x01

ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
RSA_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")
RSA_SHA1 = bytes.fromhex("300d06092a864886f70d0101050500")
RSA_ENCRYPTION = bytes.fromhex("300d06092a864886f70d0101010500")
COMMON_NAME = bytes.fromhex("0603550403")
EXTENSION_REQUEST = bytes.fromhex("06092a864886f70d01090e")
MICROSOFT_EXTENSIONS = bytes.fromhex("060a2b0601040182370201 0e")
SUBJECT_ALT_NAME = bytes.fromhex("0603551d11")
BASIC_CONSTRAINTS = bytes.fromhex("0603551d13")
EXTENDED_KEY_USAGE = bytes.fromhex("0603551d25")
PERMANENT_IDENTIFIER = bytes.fromhex("06082b06010505070803")


def tlv(tag: int, *parts: bytes) -> bytes:
    """Encodes one DER value of the concatenated parts."""
    content = b"".join(parts)
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8)
    return bytes([tag, 128 | len(size)]) + size + content


def integer(value: int) -> bytes:
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def subject(*names: bytes) -> bytes:
    """Encodes a subject with one common name for each UTF-8 value."""
    return tlv(SEQUENCE, *(tlv(SET, tlv(SEQUENCE, COMMON_NAME, tlv(UTF8, name))) for name in names))


def extension(oid: bytes, value: bytes, *, critical: bool = False) -> bytes:
    return tlv(SEQUENCE, oid, tlv(BOOLEAN, b"\xff") if critical else b"", tlv(OCTETS, value))


def attribute(oid: bytes, *values: bytes) -> bytes:
    return tlv(SEQUENCE, oid, tlv(SET, *values))


def extensions(*members: bytes, oid: bytes = EXTENSION_REQUEST) -> bytes:
    """Encodes an attribute that asks for these extensions."""
    return attribute(oid, tlv(SEQUENCE, *members))


def alternative_names(*names: bytes) -> bytes:
    return extension(SUBJECT_ALT_NAME, tlv(SEQUENCE, *names))


def rsa_spki(modulus: int, exponent: int) -> bytes:
    return tlv(SEQUENCE, RSA_ENCRYPTION, tlv(BITS, b"\0", tlv(SEQUENCE, integer(modulus), integer(exponent))))


def spki(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def signed(
    key: PrivateKey, *attributes: bytes, names: bytes = subject(b"F123456-001"), algorithm: bytes = ECDSA_SHA256
) -> bytes:
    """Makes a request with these attributes, in the order that DER gives a SET OF, and a signature that verifies."""
    body = tlv(SEQUENCE, b"\x02\x01\x00", names, spki(key), tlv(0xA0, *sorted(attributes)))
    return tlv(SEQUENCE, body, algorithm, tlv(BITS, b"\0", sign(key, body)))


def unsigned(key_info: bytes, algorithm: bytes = RSA_SHA256) -> bytes:
    """Makes a request for any key at all, with a signature of zeros."""
    body = tlv(SEQUENCE, b"\x02\x01\x00", subject(b"F123456-001"), key_info, tlv(0xA0))
    return tlv(SEQUENCE, body, algorithm, tlv(BITS, b"\0", bytes(256)))


def prime(bits: int, chance: random.Random) -> int:
    """Finds a prime whose two highest bits are set, so that two of them multiply to twice the bits."""
    return int(gmpy2.next_prime(chance.getrandbits(bits) | 3 << (bits - 2)))


def _close(chance: random.Random) -> int:
    """Places the second prime so that Fermat's method needs up to 90 rounds: a − √n is about d² / 8√n."""
    p = prime(1024, chance)
    return p * int(gmpy2.next_prime(p + math.isqrt(8 * p * chance.randrange(90))))


def _square(chance: random.Random) -> int:
    return prime(1024, chance) ** 2


def _even(chance: random.Random) -> int:
    return 2 * prime(2047, chance)


def _small_factor(chance: random.Random) -> int:
    small = chance.choice([3, 5, 251, 65521, 65537])
    return small * int(gmpy2.next_prime(chance.randrange((1 << 2047) // small + 1, (1 << 2048) // small)))


def _roca_prime(chance: random.Random) -> int:
    """Builds a prime as the library did: k·M + (65537^a mod M), M the primorial of 126 primes for 1024 bits."""
    primorial = int(gmpy2.primorial(701))
    while True:
        power = int(gmpy2.powmod(65537, chance.getrandbits(256), primorial))
        candidate = chance.randrange((3 << 1022) // primorial, (1 << 1024) // primorial) * primorial + power
        if gmpy2.is_prime(candidate) and candidate.bit_length() == 1024:
            return candidate


def _roca(chance: random.Random) -> int:
    return _roca_prime(chance) * _roca_prime(chance)


def _sparse(chance: random.Random) -> int:
    """Multiplies primes made of 32-bit words of which a broken generator filled only the low 16 bits."""

    def half(shift: int) -> int:
        words = sum(chance.getrandbits(8) << (64 * place) for place in range(15))
        return int(gmpy2.next_prime((3 << 1022) + (1 << shift) + words))

    return half(1000) * half(900)


def _vanity(chance: random.Random) -> int:
    ones = (1 << 600) - 1 << 1448
    return int(gmpy2.next_prime(ones | chance.getrandbits(1448)))


def _repeated(chance: random.Random) -> int:
    run = int.from_bytes(b"\xa5" * 16)
    return int(gmpy2.next_prime((prime(1024, chance) << 1024 | run << 800) ^ chance.getrandbits(800)))


# What stands behind each name is how the modulus was broken; beside it, how the policy calls it.
BROKEN_MODULI: dict[str, tuple[Callable[[random.Random], int], str]] = {
    "close primes": (_close, "close together"),
    "a square": (_square, "close together"),
    "even": (_even, "even"),
    "a small factor": (_small_factor, "small prime factor"),
    "made by the ROCA library": (_roca, "ROCA"),
    "sparse primes": (_sparse, "not random"),
    "a vanity modulus": (_vanity, "not random"),
    "a repeated byte": (_repeated, "repeats one byte"),
}
