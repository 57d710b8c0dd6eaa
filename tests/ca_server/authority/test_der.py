"""Whole elements of DER: written as another library writes them, and taken apart strictly."""

import contextlib

import pytest
from asn1crypto import core
from hypothesis import given, settings
from hypothesis import strategies as st

from ca_server.authority import der


@given(st.integers(min_value=0, max_value=2**200))
def test_an_integer_is_written_as_asn1crypto_writes_it(value) -> None:
    assert der.integer(value) == core.Integer(value).dump()


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_an_element_comes_apart_as_it_was_joined(size) -> None:
    whole = der.element(der.OCTET_STRING, bytes(size))

    assert whole == core.OctetString(bytes(size)).dump()
    assert der.contents(whole, der.OCTET_STRING) == bytes(size)
    assert der.split(whole + der.NULL) == [whole, der.NULL]


@pytest.mark.parametrize(
    "encoded",
    ["30", "3001", "308000", "30818000", "3081", "30820005", "3082000100", "1f0100", "300500"],
)
def test_what_is_not_der_is_refused(encoded) -> None:
    with pytest.raises(der.BadDer):
        der.split(bytes.fromhex(encoded))


@pytest.mark.parametrize("encoded", ["", "310100", "300000"])
def test_another_element_or_bytes_after_it_are_refused(encoded) -> None:
    with pytest.raises(der.BadDer):
        der.contents(bytes.fromhex(encoded), der.SEQUENCE)


@settings(max_examples=500)
@given(st.binary(max_size=40))
def test_any_bytes_are_elements_or_refused(encoded) -> None:
    with contextlib.suppress(der.BadDer):
        assert b"".join(der.split(encoded)) == encoded


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (-631_152_001, "180f31393439313233313233353935395a"),
        (-631_152_000, "170d3530303130313030303030305a"),
        (2_524_607_999, "170d3439313233313233353935395a"),
        (2_524_608_000, "180f32303530303130313030303030305a"),
    ],
)
def test_time_has_another_form_from_1950_through_2049(seconds, written) -> None:
    assert der.time(seconds).hex() == written
