"""The policy for keys, with badkeys as the judge: what it finds in the keys planted here, ours must find."""

import random

import pytest
from badkeys.checks import allchecks, checkrsa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from keys.algorithms import KEY_KINDS
from keys.errors import UnsupportedKey, WeakKey
from keys.generate import generate
from keys.policy import require_certifiable, require_strong, spki_sha256, weakness_of
from tests.keys.forge import BROKEN_MODULI, prime

# The blocklist has to be downloaded, and the payload of the xz backdoor is no weakness of a key.
CHECKS = sorted(set(allchecks) - {"blocklist", "xzbackdoor"})
CERTIFIABLE = [kind.name for kind in KEY_KINDS if kind.certifiable]


def judged_bad(modulus: int, exponent: int = 65537) -> bool:
    return bool(checkrsa(modulus, exponent, checks=CHECKS))


def public_key(modulus: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def sound_modulus(bits: int = 2048, seed: int = 1) -> int:
    chance = random.Random(seed)
    return prime(bits // 2, chance) * prime(bits - bits // 2, chance)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", BROKEN_MODULI)
def test_a_broken_modulus_that_badkeys_finds_is_refused_by_its_name(name: str, seed: int) -> None:
    breaking, sentence = BROKEN_MODULI[name]
    modulus = breaking(random.Random(seed))
    assert modulus.bit_length() == 2048
    assert judged_bad(modulus)
    with pytest.raises(WeakKey, match=sentence):
        require_strong(public_key(modulus))


@pytest.mark.parametrize("exponent", [3, 17, 65539, 2**64 + 1])
def test_an_exponent_that_badkeys_warns_of_is_refused(exponent: int) -> None:
    modulus = sound_modulus()
    assert judged_bad(modulus, exponent)
    with pytest.raises(WeakKey, match="exponent"):
        require_strong(public_key(modulus, exponent))


@pytest.mark.parametrize("exponent", [-1, 0, 1, 2, 65536])
def test_an_exponent_that_the_library_would_not_load_is_weak_by_itself(exponent: int) -> None:
    assert "exponent" in str(weakness_of(sound_modulus(), exponent))


def test_a_small_private_exponent_is_refused_through_its_public_one() -> None:
    chance = random.Random(5)
    p, q = prime(1024, chance), prime(1024, chance)
    exponent = pow(prime(256, chance), -1, (p - 1) * (q - 1))
    assert "smalld" in checkrsa(p * q, exponent, checks=CHECKS)
    with pytest.raises(WeakKey, match="exponent"):
        require_strong(public_key(p * q, exponent))


@pytest.mark.parametrize("bits", [1024, 2040, 2047, 4104, 8192])
def test_an_rsa_key_outside_2048_to_4096_bits_is_unsupported(bits: int) -> None:
    modulus = random.Random(bits).getrandbits(bits) | 1 << (bits - 1) | 1
    with pytest.raises(UnsupportedKey, match=f"{bits} bits"):
        require_strong(public_key(modulus))


def test_a_size_that_is_no_whole_number_of_bytes_is_refused() -> None:
    modulus = sound_modulus(2052)
    assert judged_bad(modulus)
    with pytest.raises(WeakKey, match="multiple of 8"):
        require_strong(public_key(modulus))


def test_an_unusual_but_sound_size_is_taken() -> None:
    require_certifiable(public_key(sound_modulus(2560)))


@pytest.mark.parametrize("seed", range(20))
def test_a_sound_modulus_pleases_both_judges(seed: int) -> None:
    modulus = sound_modulus(seed=seed)
    assert not judged_bad(modulus)
    assert weakness_of(modulus, 65537) is None


@pytest.mark.parametrize("kind", CERTIFIABLE)
def test_every_certifiable_kind_that_we_generate_is_let_into_a_certificate(kind: str) -> None:
    require_certifiable(generate(kind).public_key())


@pytest.mark.parametrize(
    "encoded",
    [
        "00" * 32,
        "01" + "00" * 31,
        "ec" + "ff" * 30 + "7f",
        "ee" + "ff" * 31,
        (0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826).to_bytes(32, "little").hex(),
        (0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7).to_bytes(32, "little").hex(),
    ],
)
def test_an_ed25519_key_of_small_order_is_refused_for_anybody_can_sign_for_it(encoded: str) -> None:
    key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(encoded))
    with pytest.raises(WeakKey, match="small order"):
        require_strong(key)


def test_ed25519_signs_for_an_account_but_is_not_certified() -> None:
    key = generate("Ed25519").public_key()
    require_strong(key)
    with pytest.raises(UnsupportedKey, match="Ed25519"):
        require_certifiable(key)


CURVES = [ec.SECP224R1(), ec.SECP521R1(), ec.SECP256K1(), ec.BrainpoolP256R1()]


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_another_curve_is_unsupported(curve: ec.EllipticCurve) -> None:
    with pytest.raises(UnsupportedKey, match=curve.name):
        require_strong(ec.generate_private_key(curve).public_key())


def test_another_algorithm_is_unsupported() -> None:
    with pytest.raises(UnsupportedKey, match="neither"):
        require_certifiable(ed448.Ed448PrivateKey.generate().public_key())  # type: ignore[arg-type]


def test_a_key_is_known_again_by_its_hash_wherever_it_was_read() -> None:
    key = generate("P-256").public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    again = serialization.load_pem_public_key(pem)
    assert isinstance(again, ec.EllipticCurvePublicKey)
    assert spki_sha256(again) == spki_sha256(key)
    assert len(bytes.fromhex(spki_sha256(key))) == 32
    assert spki_sha256(generate("P-256").public_key()) != spki_sha256(key)
