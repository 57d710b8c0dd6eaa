"""The page reads the two halves as the server does, to the letter."""

import functools
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import strategies as st

from protocol import base64url, credential
from protocol.credential import ALPHABET, BadCredential
from tests.pages.page import Refused, call, examples

KID = "5Z8XQ2M7RC4KD0TNVB9HJ3WEGS"
PASSWORD = "7K2QM-V9D4T-XHB06-ENRWS-3CJGA"
URL = f"https://ca.example/e/{KID}"

_CODES = {
    "This is too long": "tooLong",
    "This holds a character": "badCharacter",
    "The password has a typing error": "wrongCheck",
    "The password has 25": "wrongLength",
    "The one-time URL ends in": "wrongLength",
    "This is not a one-time URL": "notUrl",
}
_NAMES = {
    "normaliseKid": credential.normalise_kid,
    "normalisePassword": credential.normalise_password,
    "grouped": credential.grouped,
    "kidOfUrl": credential.kid_of_url,
}

# What Unicode had not assigned when this Python was made, a newer node may know.
_letters = st.characters(exclude_categories=("Cs", "Cn"))
_disguises = st.sampled_from(
    "\u00a0\u3000\u200b\ufeff\u00ad\x1c\x1f\x85 \r\n\t-–—−ー_oOiIlLßſﬁıＫ５ｋuUéが\0\U0001f511"
)
_halves = st.sampled_from([KID, PASSWORD, KID.lower(), PASSWORD.lower(), PASSWORD[:-1] + "B", PASSWORD[:12], ""])


@st.composite
def _typed(draw: st.DrawFn) -> str:
    """A half, right or wrong, with what people and word processors do to it."""
    half = draw(_halves | st.text(ALPHABET, min_size=24, max_size=24).map(lambda b: b + credential.check_character(b)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(half)))
        half = half[:place] + draw(_disguises | _letters) + half[place + draw(st.integers(0, 1)) :]
    return half


@st.composite
def _pasted(draw: st.DrawFn) -> str:
    """A one-time URL, right or wrong."""
    scheme = draw(
        st.sampled_from(["https://", "http://", "HTTPS://", "Https:/", "ftp://", "", "\0https://", "<https://"])
    )
    host = draw(st.sampled_from(["ca.example", "ca.example:8443", "[::1]:8443", "", "[ca", "ca]", "あ.example", "u@h"]))
    path = draw(st.sampled_from(["/e/", "/E/", "/warifu/e/", "/e/e/", "/", "e/", "?/e/", "#/e/", "/e//"]))
    end = draw(st.sampled_from(["", "/", "//", ">", "/more", "?from=mail#top", "#top", "\r\n", "'", "/e/"]))
    url = scheme + host + path + draw(_typed()) + end
    return unicodedata.normalize("NFKC", url) if draw(st.booleans()) else url.translate(_WIDE)


@functools.cache
def _typed_texts() -> list[str]:
    return examples(_typed(), 1000)


_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


def test_the_vector_of_the_protocol_gives_its_mac_key() -> None:
    [key] = call("credential", "macKey", [KID, PASSWORD])

    assert base64url.encode(key) == "WlSI-voUPBQS0dZTnrd77_zZyTGTBc9ZQbb7PQkKlgI"


def test_every_pair_gives_the_servers_mac_key() -> None:
    pairs = [[credential.new_kid(), credential.grouped(credential.new_password())] for _ in range(100)]

    assert call("credential", "macKey", *pairs) == [credential.mac_key(*pair) for pair in pairs]


@pytest.mark.parametrize("name", ["normaliseKid", "normalisePassword", "grouped"])
def test_what_is_typed_is_read_as_the_server_reads_it(name: str) -> None:
    texts = [*_typed_texts(), *examples(st.text(_letters), 300), "0" * 1000, "0" * 1001, "\U0001f511" * 999]
    outcomes = call("credential", name, *([text] for text in texts))

    assert dict(zip(texts, outcomes, strict=True)) == {text: _server(_NAMES[name], text) for text in texts}
    assert len({_kind(outcome) for outcome in outcomes}) > 3  # accepted, and refused for several reasons


def test_what_is_pasted_is_read_as_the_server_reads_it() -> None:
    texts = [*examples(_pasted(), 1000), URL, f"https://ca.example/e/{KID[:9]}\r\n {KID[9:]}", URL.translate(_WIDE)]
    outcomes = call("credential", "kidOfUrl", *([text] for text in texts))

    assert dict(zip(texts, outcomes, strict=True)) == {text: _server(credential.kid_of_url, text) for text in texts}
    assert len({_kind(outcome) for outcome in outcomes}) > 3


def test_every_character_but_ideographs_is_read_as_the_server_reads_it() -> None:
    unlike = {"Lo", "Co", "Cs", "Cn"}
    texts = [PASSWORD + chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in unlike]
    outcomes = call("credential", "normalisePassword", *([text] for text in texts))

    assert [
        (text, outcome)
        for text, outcome in zip(texts, outcomes, strict=True)
        if outcome != _server(credential.normalise_password, text)
    ] == []


def test_the_judgement_while_typing_ends_as_reading_does() -> None:
    texts = [*_typed_texts(), "", " - ", "u", "0" * 26, "0" * 1001]
    judgements = call("credential", "judge", *([text] for text in texts))
    states = {
        "complete": {"accepted"},
        "wrongCheck": {"wrongCheck"},
        "badCharacter": {"badCharacter", "tooLong"},
        "tooLong": {"wrongLength", "tooLong"},
        "incomplete": {"wrongLength"},
        "empty": {"wrongLength"},
    }

    assert {judgement["state"] for judgement in judgements} == states.keys()
    for text, judgement in zip(texts, judgements, strict=True):
        assert _kind(_server(credential.normalise_password, text)) in states[judgement["state"]], text


@pytest.mark.parametrize(
    ("typed", "judgement"),
    [
        ("", {"state": "empty", "count": 0}),
        (" \u3000-", {"state": "empty", "count": 0}),
        ("7k2qm-v", {"state": "incomplete", "count": 6}),
        (PASSWORD, {"state": "complete", "count": 25}),
        (PASSWORD[:-1] + "B", {"state": "wrongCheck", "count": 25}),
        (PASSWORD + "0", {"state": "tooLong", "count": 26}),
        ("7k2ｕm-", {"state": "badCharacter", "count": 5, "character": "u"}),
        ("7k\U0001f511", {"state": "badCharacter", "count": 3, "character": "\U0001f511"}),
        ("ß", {"state": "incomplete", "count": 2}),
    ],
)
def test_a_judgement_says_what_is_missing_or_wrong(typed: str, judgement: dict[str, object]) -> None:
    assert call("credential", "judge", [typed]) == [judgement]


def _server(read: Callable[[str], str], text: str) -> str | Refused:
    try:
        return read(text)
    except BadCredential as error:
        return Refused("BadCredential", next(code for start, code in _CODES.items() if str(error).startswith(start)))


def _kind(outcome: str | Refused) -> str | None:
    return outcome.code if isinstance(outcome, Refused) else "accepted"
