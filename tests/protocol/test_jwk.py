"""A JSON Web Key has one form, and a thumbprint names the key in it."""

import functools

import josepy
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.algorithms import KEY_KINDS, PrivateKey
from keys.generate import generate
from protocol import base64url
from protocol.jwk import jwk, public_key, thumbprint
from protocol.problems import Problem, ProblemType

RFC7638_RSA = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
    "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8"
    "KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
    "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
RFC8037_ED25519 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
RFC7515_P256 = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}

private_key = functools.cache(generate)


def refusal(members: object) -> Problem:
    with pytest.raises(Problem) as caught:
        public_key(members)
    assert caught.value.type is ProblemType.BAD_PUBLIC_KEY
    return caught.value


def josepys(key: PrivateKey) -> josepy.JWK:
    wrapped = josepy.JWKRSA if isinstance(key, rsa.RSAPrivateKey) else josepy.JWKEC
    return wrapped(key=key).public_key()


def test_the_thumbprint_of_rfc_7638() -> None:
    assert thumbprint(public_key(RFC7638_RSA)) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_the_thumbprint_of_rfc_8037() -> None:
    assert thumbprint(public_key(RFC8037_ED25519)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("kind", [each.name for each in KEY_KINDS])
def test_a_key_is_read_as_it_was_written(kind: str) -> None:
    key = private_key(kind).public_key()

    assert public_key(jwk(key)) == key


@pytest.mark.parametrize("kind", [each.name for each in KEY_KINDS if each.jws != "EdDSA"])
def test_josepy_writes_and_names_a_key_the_same(kind: str) -> None:
    key = private_key(kind)

    assert jwk(key.public_key()) == josepys(key).to_json()
    assert thumbprint(key.public_key()) == base64url.encode(josepys(key).thumbprint())


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=lambda curve: curve.name)
def test_a_coordinate_that_begins_with_zeros_keeps_its_length(curve: ec.EllipticCurve) -> None:
    size = curve.key_size // 8
    points = (ec.derive_private_key(secret, curve).public_key() for secret in range(1, 5000))
    key = next(point for point in points if point.public_numbers().x < 1 << (8 * (size - 1)))

    assert len(base64url.decode(jwk(key)["x"])) == size
    assert public_key(jwk(key)) == key


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_a_private_key_is_refused_whatever_its_kind(name: str) -> None:
    assert "private" in refusal({**RFC7515_P256, name: "AQAB"}).detail


@pytest.mark.parametrize("members", [None, [], "jwk", 7, {}, {"kty": "oct"}, {"kty": ["EC"]}, {"kty": None}])
def test_what_is_no_key_of_ours_is_refused(members: object) -> None:
    refusal(members)


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({"crv": "P-224"}, "another curve"),
        ({"crv": "P-521"}, "another curve"),
        ({"crv": "secp256k1"}, "another curve"),
        ({"crv": "P-384"}, "another curve's length"),
        ({"crv": ["P-256"]}, "no text"),
        ({"crv": "Ed25519"}, "a curve of another kind of key"),
        ({"x": None}, "no text"),
        ({"x": RFC7515_P256["x"] + "="}, "padding"),
        ({"x": "AA" + RFC7515_P256["x"]}, "too long"),
        ({"x": base64url.encode(bytes(32))}, "a point off the curve"),
        ({"x": RFC7515_P256["y"], "y": RFC7515_P256["x"]}, "a point off the curve"),
        ({"y": base64url.encode(b"\xff" * 32)}, "beyond the field"),
        ({"y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1"}, "stray bits"),
    ],
)
def test_an_elliptic_curve_key_that_is_not_one_is_refused(change: dict[str, object], flaw: str) -> None:
    refusal({**RFC7515_P256, **change})


def rsa_members(bits: int, exponent: int = 65537) -> dict[str, str]:
    key = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    return {"kty": "RSA", "n": _unsigned(key.n), "e": _unsigned(exponent)}


def _unsigned(value: int) -> str:
    return base64url.encode(value.to_bytes((value.bit_length() + 7) // 8))


@pytest.mark.parametrize("bits", [1024, 2040])
def test_an_rsa_key_under_2048_bits_is_refused(bits: int) -> None:
    assert "2048" in refusal(rsa_members(bits)).detail


@pytest.mark.parametrize("octets", [513, 1024, 40_000])
def test_an_rsa_key_over_4096_bits_is_refused_before_anything_is_computed(octets: int) -> None:
    assert "valid" in refusal({"kty": "RSA", "n": base64url.encode(b"\xff" * octets), "e": "AQAB"}).detail


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({"e": "Aw"}, "an exponent of three"),
        ({"e": "AQ"}, "an exponent of one"),
        ({"e": "AQAC"}, "an even exponent"),
        ({"e": ""}, "no exponent"),
        ({"e": "AAEAAQ"}, "a leading zero"),
        ({"e": "AQAB" * 3}, "an exponent of nine octets"),
        ({"e": 65537}, "a number"),
        ({"n": "AA" + RFC7638_RSA["n"]}, "a leading zero"),
        ({"n": _unsigned((1 << 2047) + 2)}, "an even modulus"),
        ({"n": _unsigned((1 << 2048) - 1)}, "small factors"),
    ],
)
def test_an_rsa_key_that_is_weak_or_has_two_forms_is_refused(change: dict[str, object], flaw: str) -> None:
    refusal({**RFC7638_RSA, **change})


@pytest.mark.parametrize("change", [{"crv": "X25519"}, {"crv": "Ed448"}, {"x": "AAAA"}, {"x": None}, {"crv": None}])
def test_an_octet_key_pair_that_is_no_ed25519_key_is_refused(change: dict[str, object]) -> None:
    refusal({**RFC8037_ED25519, **change})


names = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "k", "use"])
words = st.sampled_from(["EC", "RSA", "OKP", "P-256", "P-384", "Ed25519", "AQAB", "Aw"])
numbers = st.integers(0, 600).flatmap(lambda size: st.binary(min_size=size, max_size=size)).map(base64url.encode)
anything = words | numbers | st.text() | st.none() | st.booleans() | st.lists(st.none()) | st.dictionaries(names, words)


@settings(derandomize=True, max_examples=500, deadline=None)
@given(st.sampled_from([RFC7515_P256, RFC7638_RSA, RFC8037_ED25519, {}]), st.dictionaries(names, anything))
def test_whatever_comes_is_a_key_or_a_bad_one(members: dict[str, str], change: dict[str, object]) -> None:
    try:
        key = public_key({**members, **change})
    except Problem:
        return
    assert thumbprint(key) == thumbprint(public_key(jwk(key)))
