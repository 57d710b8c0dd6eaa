"""The page's DER is what asn1crypto and cryptography write, and its reader takes nothing that is not DER."""

import random

import pytest
from asn1crypto import core
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import strategies as st

from tests.pages.page import Refused, call, examples

LENGTHS = [0, 1, 127, 128, 255, 256, 65535, 65536]
TEXTS = ["", "Warifu", "みどり銀行", "か\u3099", "\U0001f511\U0002000b", "é" * 200]
random_values = random.Random(20261126)


class _Integers(core.SetOf):
    _child_spec = core.Integer


def test_a_thousand_integers_of_any_size() -> None:
    values = [0, 127, 128, 255, 256, 2**31, 2**53 - 1] + [random_values.getrandbits(n) for n in range(1000)]
    octets = [bytes(random_values.randrange(3)) + value.to_bytes(value.bit_length() // 8 + 1) for value in values]

    assert call("der", "integer", *([value] for value in octets)) == [core.Integer(value).dump() for value in values]


def test_a_thousand_small_integers() -> None:
    values = [0, 127, 128, 2**53 - 1] + [random_values.getrandbits(n % 54) for n in range(1000)]

    assert call("der", "integer", *([value] for value in values)) == [core.Integer(value).dump() for value in values]


def test_a_thousand_object_identifiers() -> None:
    values = ["2.999.3", "2.100.4294967295", "0.39", "1.0.0"]
    for _ in range(1000):
        arcs = (random_values.getrandbits(random_values.randrange(1, 50)) for _ in range(random_values.randrange(1, 9)))
        values.append(".".join(map(str, (random_values.randrange(3), random_values.randrange(40), *arcs))))

    assert call("der", "oid", *([value] for value in values)) == [
        core.ObjectIdentifier(value).dump() for value in values
    ]


@pytest.mark.parametrize(
    ("name", "of"), [("octetString", core.OctetString), ("bitString", core.OctetBitString), ("sequence", core.Sequence)]
)
def test_lengths_are_in_their_shortest_form(name: str, of: type[core.Asn1Value]) -> None:
    values = [bytes(length) for length in LENGTHS]
    expected = [of(contents=value).dump() if of is core.Sequence else of(value).dump() for value in values]

    assert call("der", name, *([value] for value in values)) == expected


def test_texts() -> None:
    assert call("der", "utf8String", *([text] for text in TEXTS)) == [core.UTF8String(text).dump() for text in TEXTS]
    assert call("der", "bmpString", *([text] for text in TEXTS)) == [_bmp_string(text) for text in TEXTS]


def test_what_has_one_form_only() -> None:
    assert call("der", "nul", []) == [core.Null().dump()]
    assert call("der", "boolean", [True], [False]) == [core.Boolean(value).dump() for value in (True, False)]


def test_a_set_is_sorted_by_its_bytes() -> None:
    sets = [[random_values.getrandbits(random_values.randrange(1, 40)) for _ in range(n % 7)] for n in range(200)]
    encoded = [[core.Integer(value).dump() for value in values] for values in sets]

    assert call("der", "setOf", *encoded) == [_Integers(values).dump() for values in sets]


def test_context_tags() -> None:
    number, empty = core.Integer(5).dump(), _Integers([]).dump()

    assert call("der", "explicit", [0, number], [3, number, number]) == [
        core.Integer(5, explicit=0).dump(),
        b"\xa3\x06" + number * 2,
    ]
    assert call("der", "implicit", [0, number], [2, empty]) == [core.Integer(5, implicit=0).dump(), b"\xa2\x00"]


def test_an_ecdsa_signature() -> None:
    pairs = [(random_values.getrandbits(256 - n), random_values.getrandbits(256 - n // 2)) for n in range(200)]

    assert call("der", "ecdsaSignature", *([r.to_bytes(32) + s.to_bytes(32)] for r, s in pairs)) == [
        encode_dss_signature(r, s) for r, s in pairs
    ]


@pytest.mark.parametrize("length", LENGTHS)
def test_what_was_written_is_read(length: int) -> None:
    der = core.OctetString(bytes(length)).dump()

    assert call("der", "read", [der]) == [{"tag": 4, "content": bytes(length), "der": der}]
    assert call("der", "children", [{"tag": 0x30, "content": der + b"\x05\x00"}]) == [
        [{"tag": 4, "content": bytes(length), "der": der}, {"tag": 5, "content": b"", "der": b"\x05\x00"}]
    ]


@pytest.mark.parametrize(
    "octets",
    ["", "04", "0401", "0480", "048000", "04800000", "048101ff", "04820080" + "00" * 128, "0481", "0482ff", "04ff",
     "0485000000000100", "048400000001ff", "0484ffffffff00", "1f0100", "bf2000", "050000", "05000500"],
)  # fmt: skip
def test_what_is_not_one_element_of_der_is_refused(octets: str) -> None:
    assert call("der", "read", [bytes.fromhex(octets)]) == [Refused("BadDer")]


def test_no_bytes_do_worse_than_be_refused() -> None:
    values = examples(st.binary(max_size=12), 1000)

    for value, element in zip(values, call("der", "read", *([value] for value in values)), strict=True):
        assert element == Refused("BadDer") or element["der"] == value


def _bmp_string(text: str) -> bytes:
    """asn1crypto leaves the surrogates to us."""
    return core.BMPString(contents=text.encode("utf-16-be")).dump()
