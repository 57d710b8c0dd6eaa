"""One text for each value."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import base64url


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.binary())
def test_what_is_encoded_is_decoded(octets: bytes) -> None:
    text = base64url.encode(octets)

    assert text == base64.urlsafe_b64encode(octets).decode().rstrip("=")
    assert base64url.decode(text) == octets


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("AA==", "padding"),
        ("AAA=", "padding"),
        ("=", "padding alone"),
        ("A", "a length that cannot be"),
        ("AAAAA", "a length that cannot be"),
        ("AB", "stray bits in the last letter"),
        ("AAB", "stray bits in the last letter"),
        ("++//", "letters of plain base64"),
        ("AA AA", "a blank"),
        ("AAAA\n", "a line break"),
        ("AA.A", "another letter"),
        ("AA=A", "padding inside"),
        ("AA\0A", "NUL"),
        ("ＡＡＡＡ", "wide letters"),
        ("AA\ud800A", "half a surrogate pair"),
    ],
)
def test_a_second_text_for_a_value_is_refused(text: str, flaw: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        base64url.decode(text)


@settings(derandomize=True, max_examples=500, deadline=None)
@given(st.text("AQgwZ09-_+/= \n", max_size=12))
def test_whatever_is_accepted_is_the_text_that_encoding_gives(text: str) -> None:
    try:
        octets = base64url.decode(text)
    except ValueError:
        return
    assert base64url.encode(octets) == text
