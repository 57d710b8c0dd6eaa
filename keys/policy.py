"""Judges public keys: the sizes, curves and exponents we take, and the known ways in which an RSA modulus is broken.

The list follows what public CAs refuse (CA/Browser Forum BR §6.1.6, Boulder's goodkey): an odd modulus without small
factors, primes that are not close (Fermat), not made by the ROCA library (CVE-2017-15361, Nemec et al. 2017 §4), bits
that look random. Keys leaked elsewhere are outside: their lists have to be downloaded, and a key reported to us is
blocked by its `spki_sha256`. The order is from cheap to dear; the dearest key, RSA-4096, costs about 1 ms.
"""

import functools
import hashlib
import math
import re
from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys.algorithms import PUBLIC_EXPONENT, PublicKey, kind_of
from keys.errors import UnsupportedKey, WeakKey

SMALL_FACTOR_LIMIT = 65537
FERMAT_ROUNDS = 110  # as many as Boulder spends; 100 break every key known from the field
_MAX_BIT_BIAS = 0.1  # share of ones away from one half: nine standard deviations at 2048 bits
_ROCA_LAST_PRIME = 167  # the 39 primes 2 … 167 divide the library's primorial for 512 bits and more
_ROCA_GENERATOR = 65537
_SMALL_ORDER = frozenset(  # the points of order 1, 2, 4 and 8 of edwards25519 in every encoding, the sign bit cleared
    number.to_bytes(32, "little")
    for number in (
        0,
        1,
        2**255 - 20,
        2**255 - 19,
        2**255 - 18,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    )
)
_REPETITION = re.compile(rb"(.)\1{15}", re.DOTALL)


def require_strong(public_key: PublicKey) -> None:
    """Lets a key of an account pass: a kind in `KEY_KINDS`, and for RSA none of the known weaknesses.

    Raises UnsupportedKey when the kind is none of ours, and WeakKey naming the weakness.
    """
    kind_of(public_key)
    if isinstance(public_key, ed25519.Ed25519PublicKey) and _has_small_order(public_key):
        raise WeakKey("The Ed25519 key is weak: it is of small order, so that anybody can sign for it.")
    if isinstance(public_key, rsa.RSAPublicKey):
        numbers = public_key.public_numbers()
        weakness = weakness_of(numbers.n, numbers.e)
        if weakness is not None:
            raise WeakKey(f"The RSA key is weak: {weakness}.")


def require_certifiable(public_key: PublicKey) -> None:
    """Lets a key into a certificate: as `require_strong`, but Ed25519 stays out, for browsers do not use it.

    Raises UnsupportedKey and WeakKey as `require_strong` does.
    """
    kind = kind_of(public_key)
    if not kind.certifiable:
        raise UnsupportedKey(f"A key of kind {kind.name} is not put into certificates; use P-256, P-384 or RSA.")
    require_strong(public_key)


def spki_sha256(public_key: PublicKey) -> str:
    """Identifies a key wherever it appears: SHA-256 of its SubjectPublicKeyInfo, 64 lower-case hex digits."""
    return hashlib.sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _has_small_order(public_key: ed25519.Ed25519PublicKey) -> bool:
    octets = bytearray(public_key.public_bytes_raw())
    octets[-1] &= 0x7F
    return bytes(octets) in _SMALL_ORDER


def weakness_of(modulus: int, exponent: int) -> str | None:
    """Names the first weakness of an RSA key of any size, as the end of a sentence, or None for a sound key."""
    if exponent != PUBLIC_EXPONENT:
        return f"the public exponent is not {PUBLIC_EXPONENT}"
    return next((sentence for sentence, found in _WEAKNESSES if found(modulus)), None)


def _is_even(modulus: int) -> bool:
    return modulus % 2 == 0


def _has_odd_size(modulus: int) -> bool:
    return modulus.bit_length() % 8 != 0


def _is_lopsided(modulus: int) -> bool:
    """Sees keys whose random numbers were mostly zeros (rsapoly, rsabias of badkeys) or that spell a word."""
    return abs(modulus.bit_count() / modulus.bit_length() - 0.5) > _MAX_BIT_BIAS


def _repeats(modulus: int) -> bool:
    return _REPETITION.search(modulus.to_bytes((modulus.bit_length() + 7) // 8)) is not None


def _has_small_factor(modulus: int) -> bool:
    return math.gcd(modulus, _product_of_small_primes()) != 1


def _has_roca_fingerprint(modulus: int) -> bool:
    """Sees moduli that are a power of 65537 modulo every small prime; a sound key looks so once in 2^27 times."""
    return all(modulus % prime in powers for prime, powers in _roca_powers())


def _has_close_primes(modulus: int) -> bool:
    """Tries Fermat's factorization: n = a² − b² with a just above √n (CVE-2022-26320); a square is round zero."""
    root = math.isqrt(modulus)
    a = root if root * root == modulus else root + 1
    rest = a * a - modulus
    for _ in range(FERMAT_ROUNDS):
        # Squares end in 0, 1, 4 or 9 in hexadecimal: three of four candidates need no root.
        if rest & 15 in (0, 1, 4, 9) and math.isqrt(rest) ** 2 == rest:
            return True
        rest += 2 * a + 1
        a += 1
    return False


_WEAKNESSES: tuple[tuple[str, Callable[[int], bool]], ...] = (
    ("the modulus is even", _is_even),
    ("the size of the modulus is not a multiple of 8 bits", _has_odd_size),
    ("the bits of the modulus are not random", _is_lopsided),
    ("the modulus repeats one byte 16 times", _repeats),
    ("the modulus was made by the ROCA library", _has_roca_fingerprint),
    ("the modulus has a small prime factor", _has_small_factor),
    ("the two primes are close together", _has_close_primes),
)


def _small_primes(limit: int) -> Iterator[int]:
    """Sieves the primes up to and including the limit (Eratosthenes)."""
    candidates = bytearray([1]) * (limit + 1)
    for number in range(2, limit + 1):
        if candidates[number]:
            yield number
            candidates[number * number :: number] = bytes(len(range(number * number, limit + 1, number)))


@functools.cache
def _product_of_small_primes() -> int:
    return math.prod(_small_primes(SMALL_FACTOR_LIMIT))


@functools.cache
def _roca_powers() -> tuple[tuple[int, frozenset[int]], ...]:
    """Pairs each small prime with the powers of the generator modulo it."""
    return tuple(
        (prime, frozenset(pow(_ROCA_GENERATOR, power, prime) for power in range(prime - 1)))
        for prime in _small_primes(_ROCA_LAST_PRIME)
    )
