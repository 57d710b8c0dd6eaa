"""A coffer opens with its passphrases, whole and in order, or not at all."""

import io
import random
from collections.abc import Sequence

import pytest

from keys import coffer
from keys.coffer import CofferReader, CofferWriter
from keys.errors import KeystoreError, SealBroken, WrongPassphrase

ONE, OTHER = "correct horse battery", "staple of another person"
PIECE = (1 << 16) + 16
HEAD = 41


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessing costs nothing here."""
    monkeypatch.setattr(coffer, "_ROUNDS", 2)


def sealed(content: bytes, passphrases: Sequence[str] = (ONE,), step: int = 1 << 30) -> bytes:
    file = io.BytesIO()
    writer = CofferWriter(file, passphrases)
    for start in range(0, len(content), step):
        writer.write(content[start : start + step])
    writer.finish()
    return file.getvalue()


def opened(encrypted: bytes, passphrases: Sequence[str] = (ONE,)) -> bytes:
    reader = CofferReader(io.BytesIO(encrypted), passphrases)
    content = b""
    while piece := reader.read(10_000):
        content += piece
    reader.finish()
    return content


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000])
def test_what_was_written_is_read_whatever_its_size(size: int) -> None:
    content = random.Random(size).randbytes(size)
    assert opened(sealed(content)) == content
    assert opened(sealed(content, step=777)) == content


def test_two_passphrases_open_in_either_order_and_neither_alone() -> None:
    encrypted = sealed(b"keys", (ONE, OTHER))
    assert opened(encrypted, (OTHER, ONE)) == b"keys"
    for some in ((ONE,), (OTHER,), (ONE, ONE), (ONE, OTHER, OTHER)):
        with pytest.raises(WrongPassphrase):
            opened(encrypted, some)


def test_one_passphrase_cannot_stand_for_two() -> None:
    """The count stands in what the key is made of: who changes it in the file opens nothing."""
    encrypted = bytearray(sealed(b"keys", (ONE, OTHER)))
    encrypted[8] = 1
    with pytest.raises(WrongPassphrase):
        opened(bytes(encrypted))


def test_another_passphrase_does_not_open_it() -> None:
    with pytest.raises(WrongPassphrase):
        opened(sealed(b"records"), (OTHER,))


def test_a_change_of_any_byte_is_noticed() -> None:
    encrypted = sealed(random.Random(1).randbytes(150_000))
    chance = random.Random(2)
    places = [*range(HEAD), *(chance.randrange(HEAD, len(encrypted)) for _ in range(100))]
    for place in places:
        altered = bytearray(encrypted)
        altered[place] ^= 1 << chance.randrange(8)
        with pytest.raises((SealBroken, WrongPassphrase)):
            opened(bytes(altered))


@pytest.mark.parametrize("kept", [0, HEAD - 1, HEAD, HEAD + 100, HEAD + PIECE, HEAD + 2 * PIECE])
def test_a_cut_is_noticed_between_pieces_too(kept: int) -> None:
    encrypted = sealed(b"x" * 150_000)
    assert kept < len(encrypted)
    with pytest.raises((SealBroken, WrongPassphrase)):
        opened(encrypted[:kept])


def test_pieces_in_another_order_or_twice_are_noticed() -> None:
    encrypted = sealed(b"x" * 150_000)
    head, first, second, last = (
        encrypted[:HEAD],
        encrypted[HEAD : HEAD + PIECE],
        encrypted[HEAD + PIECE : HEAD + 2 * PIECE],
        encrypted[HEAD + 2 * PIECE :],
    )
    for moved in (head + second + first + last, head + first + first + second + last, head + first + last):
        with pytest.raises((SealBroken, WrongPassphrase)):
            opened(moved)


def test_bytes_behind_the_end_are_noticed() -> None:
    with pytest.raises((SealBroken, WrongPassphrase)):
        opened(sealed(b"records") + b"more")


def test_a_stranger_is_told_apart_from_a_wrong_passphrase() -> None:
    with pytest.raises(SealBroken, match="no backup"):
        opened(b"PK\x03\x04" + b"\0" * 100)


def test_a_short_passphrase_or_the_same_twice_protects_nothing() -> None:
    with pytest.raises(KeystoreError, match="12 characters"):
        sealed(b"keys", ("short",))
    with pytest.raises(KeystoreError, match="two different"):
        sealed(b"keys", (ONE, ONE))


def test_the_same_content_never_looks_the_same() -> None:
    assert sealed(b"records") != sealed(b"records")


def test_a_guess_costs_what_the_format_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert coffer._ROUNDS == 1 << 17
    assert opened(sealed(b"records")) == b"records"
