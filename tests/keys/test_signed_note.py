"""Signed notes are those of c2sp.org/signed-note: one of Go's documentation verifies, and no altered one does."""

import pytest

from keys.errors import BadSignature, UnsupportedKey
from keys.generate import generate
from keys.signed_note import NoteKey, sign_note, verify_note

# The example of golang.org/x/mod/sumdb/note, whose format the specification wrote down.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\N{EM DASH} PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
TEXT = "one line\nand another\n"


def test_a_note_that_another_program_signed_verifies() -> None:
    assert verify_note(NOTE, [NoteKey.parse(PETER)]).endswith("your problem is.\n")


def test_a_key_is_written_as_it_is_read() -> None:
    assert str(NoteKey.parse(PETER)) == PETER


def test_what_was_signed_is_what_comes_out() -> None:
    key = generate("Ed25519")
    note = sign_note(TEXT, "ca.example/audit", key)
    assert verify_note(note, [NoteKey.parse(PETER), NoteKey.of("ca.example/audit", key)]) == TEXT


def test_every_changed_octet_is_noticed() -> None:
    key = generate("Ed25519")
    public = NoteKey.of("log", key)
    note = sign_note(TEXT, "log", key)
    for place, sign in enumerate(note):
        changed = note[:place] + ("x" if sign != "x" else "y") + note[place + 1 :]
        with pytest.raises(BadSignature):
            verify_note(changed, [public])


def test_a_key_of_the_same_name_or_the_same_octets_alone_does_not_count() -> None:
    key = generate("Ed25519")
    note = sign_note(TEXT, "log", key)
    for other in (NoteKey.of("log", generate("Ed25519")), NoteKey.of("other", key)):
        with pytest.raises(BadSignature, match="no signature of a key"):
            verify_note(note, [other])


@pytest.mark.parametrize("text", ["", "no end", "two\n\nparts\n"])
def test_only_whole_lines_are_signed(text: str) -> None:
    with pytest.raises(ValueError, match="whole lines"):
        sign_note(text, "log", generate("Ed25519"))


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\nb"])
def test_a_name_that_a_line_could_not_bear_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name of a key"):
        NoteKey.of(name, generate("Ed25519"))


def test_only_ed25519_signs_notes() -> None:
    with pytest.raises(UnsupportedKey):
        sign_note(TEXT, "log", generate("P-256"))


@pytest.mark.parametrize(
    "text", ["", "name", PETER[:-4], PETER.replace("c74f20a3", "c74f20a4"), PETER.replace("+AR", "+BR"), "a b" + PETER]
)
def test_a_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedKey):
        NoteKey.parse(text)
