"""The two halves survive people and word processors, and errors in them are found on the PC."""

import base64
import contextlib
import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import credential
from protocol.credential import ALPHABET, BadCredential

KID = "5Z8XQ2M7RC4KD0TNVB9HJ3WEGS"
PASSWORD = "7K2QM-V9D4T-XHB06-ENRWS-3CJGA"
URL = f"https://ca.example/e/{KID}"
characters = st.sampled_from(ALPHABET)


def test_the_vector_of_the_protocol_gives_its_mac_key() -> None:
    key = credential.mac_key(KID, PASSWORD)

    assert base64.urlsafe_b64encode(key).rstrip(b"=") == b"WlSI-voUPBQS0dZTnrd77_zZyTGTBc9ZQbb7PQkKlgI"


def test_the_mac_key_is_as_long_as_hs256_wants() -> None:
    assert len(credential.mac_key(credential.new_kid(), credential.new_password())) == 32


def test_the_alphabet_is_crockfords() -> None:
    assert len(set(ALPHABET)) == 32
    assert not set("ILOU") & set(ALPHABET)


def test_a_new_kid_is_26_characters_of_the_alphabet() -> None:
    kid = credential.new_kid()

    assert len(kid) == 26
    assert credential.normalise_kid(kid) == kid


def test_a_new_password_is_25_characters_with_a_check_character_that_fits() -> None:
    password = credential.new_password()

    assert len(password) == 25
    assert credential.normalise_password(password) == password


def test_no_two_credentials_are_alike() -> None:
    assert len({credential.new_kid() for _ in range(500)} | {credential.new_password() for _ in range(500)}) == 1000


def test_every_character_of_the_alphabet_is_drawn() -> None:
    assert set("".join(credential.new_kid() for _ in range(200))) == set(ALPHABET)


def test_a_password_is_read_in_five_groups() -> None:
    assert credential.grouped(PASSWORD.replace("-", "")) == PASSWORD


@pytest.mark.parametrize(
    "typed",
    [
        "7k2qm-v9d4t-xhb06-enrws-3cjga",
        " 7K2QM V9D4T XHB06 ENRWS 3CJGA ",
        "7K2QM\r\nV9D4T\nXHB06\tENRWS3CJGA",
        "７Ｋ２ＱＭ－Ｖ９Ｄ４Ｔ－ＸＨＢ０６－ＥＮＲＷＳ－３ＣＪＧＡ",
        "7K2QM–V9D4T—XHB06−ENRWSー3CJGA",
        "7K2QM\u00a0V9D4T\u3000XHB06\u200bENRWS\ufeff3CJ\u00adGA",
        "7K2QM-V9D4T-XHBO6-ENRWS-3CJGA",
        "7K2QM-V9D4T-XHBo6-ENRWS-3CJGA",
    ],
)
def test_what_people_and_word_processors_do_to_a_password_is_forgiven(typed: str) -> None:
    assert credential.normalise_password(typed) == PASSWORD.replace("-", "")


def test_i_and_l_are_read_as_one() -> None:
    assert credential.normalise_kid("iIlL1" + KID[5:]) == "11111" + KID[5:]


@pytest.mark.parametrize(
    "text", ["", "-", KID[:-1], KID + "0", "U" + KID[1:], "?" + KID[1:], "é" + KID[1:], "0" * 5000]
)
def test_another_text_is_no_kid(text: str) -> None:
    with pytest.raises(BadCredential):
        credential.normalise_kid(text)


@pytest.mark.parametrize("text", ["", PASSWORD[:-1], PASSWORD + "0", "U" + PASSWORD[1:], PASSWORD[:-1] + "B"])
def test_another_text_is_no_password(text: str) -> None:
    with pytest.raises(BadCredential):
        credential.normalise_password(text)


@pytest.mark.parametrize("text", [PASSWORD[:-1] + "B", PASSWORD[:-2], PASSWORD[:-1] + "é"])
def test_no_message_repeats_a_half(text: str) -> None:
    with pytest.raises(BadCredential) as caught:
        credential.normalise_password(text)

    assert "7K2QM" not in str(caught.value)
    assert text not in str(caught.value)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text(characters, min_size=24, max_size=24), st.integers(0, 24), characters)
def test_every_single_wrong_character_is_found(body: str, place: int, wrong: str) -> None:
    password = body + credential.check_character(body)
    mistyped = password[:place] + wrong + password[place + 1 :]
    if mistyped == password:
        return

    with pytest.raises(BadCredential, match="typing error"):
        credential.normalise_password(mistyped)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text(characters, min_size=24, max_size=24), st.integers(0, 23))
def test_every_swap_of_neighbours_is_found_but_for_first_and_last_letter_of_the_alphabet(body: str, place: int) -> None:
    password = body + credential.check_character(body)
    pair = password[place : place + 2]
    if len(set(pair)) == 1 or set(pair) == {"0", "Z"}:
        return

    with pytest.raises(BadCredential, match="typing error"):
        credential.normalise_password(password[:place] + pair[::-1] + password[place + 2 :])


def test_a_mac_is_hmac_sha256() -> None:
    assert credential.make_mac(b"k" * 32, b"message") == hmac.new(b"k" * 32, b"message", hashlib.sha256).digest()


def test_a_mac_of_other_bytes_or_another_key_or_length_is_refused() -> None:
    mac = credential.make_mac(b"k" * 32, b"message")

    assert credential.verify_mac(b"k" * 32, b"message", mac)
    assert not credential.verify_mac(b"k" * 32, b"messagf", mac)
    assert not credential.verify_mac(b"j" * 32, b"message", mac)
    assert not credential.verify_mac(b"k" * 32, b"message", mac[:-1])
    assert not credential.verify_mac(b"k" * 32, b"message", b"")


@pytest.mark.parametrize(
    "pasted",
    [
        URL,
        f"  {URL}\r\n",
        f"<{URL}>",
        f"{URL}/",
        f"{URL}?from=mail#top",
        URL.lower(),
        f"https://ca.example/e/{KID[:9]}\r\n {KID[9:]}",
        f"\ufeffhttps://ca.example:8443/warifu/e/{KID}\u200b",
    ],
)
def test_the_kid_is_found_in_a_pasted_url(pasted: str) -> None:
    assert credential.kid_of_url(pasted) == KID


@pytest.mark.parametrize(
    "pasted",
    ["", KID, "https://ca.example/e/", f"https://ca.example/{KID}", f"file:///e/{KID}", f"ftp://ca.example/e/{KID}", f"https:///e/{KID}",
     f"https://[ca/e/{KID}", "https://ca.example/e/" + "0" * 4000, f"https://ca.example/e/{KID}/more", f"{URL}x"],
)  # fmt: skip
def test_another_text_is_no_one_time_url(pasted: str) -> None:
    with pytest.raises(BadCredential):
        credential.kid_of_url(pasted)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text())
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    for read in (credential.normalise_kid, credential.normalise_password, credential.kid_of_url):
        with contextlib.suppress(BadCredential):
            assert set(read(text)) <= set(ALPHABET)


def test_a_url_in_wide_letters_is_read_as_it_was_meant() -> None:
    wide = "ｈｔｔｐｓ：／／ｃａ．ｅｘａｍｐｌｅ／ｅ／５Ｚ８ＸＱ２Ｍ７ＲＣ４ＫＤ０ＴＮＶＢ９ＨＪ３ＷＥＧＳ"
    assert credential.kid_of_url(wide) == "5Z8XQ2M7RC4KD0TNVB9HJ3WEGS"
