"""Checkpoints are read as they are written, and found in what people keep."""

import dataclasses

import pytest

from ca_server.domain.checkpoint import Checkpoint, NoCheckpoint, notes_in
from keys.generate import generate
from keys.signed_note import sign_note

MADE = Checkpoint("ca.example:8443/audit", 1234, b"r" * 32, 1_795_435_200, 2, b"i" * 32)


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    assert Checkpoint.parse(MADE.text()) == MADE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1234\n", "01234\n"),
        ("1234\n", "-1\n"),
        ("time 2026", "time 20260"),
        ("-11-", "-13-"),
        ("institutions 2 ", "institutions 02 "),
        ("ca.example:8443/audit", "ca example"),
        ("cnJy", "!!!!"),
        ("=\ntime", "=\n\ntime"),
    ],
)
def test_one_checkpoint_has_one_writing(before: str, after: str) -> None:
    changed = MADE.text().replace(before, after)
    assert changed != MADE.text()
    with pytest.raises(NoCheckpoint):
        Checkpoint.parse(changed)


def test_bits_that_base64_does_not_need_are_none() -> None:
    text = MADE.text()
    root = text.splitlines()[2]
    with pytest.raises(NoCheckpoint):
        Checkpoint.parse(text.replace(root, root[:-2] + chr(ord(root[-2]) + 1) + "="))


def test_the_checkpoint_is_found_in_a_mail_whatever_its_line_ends() -> None:
    note = sign_note(MADE.text(), MADE.origin, generate("Ed25519"))
    mail = f"Subject: the log\n\nDear auditor,\nthis is it\n\n{note}\nwith kind regards\n"
    assert notes_in(mail) == [note]
    assert notes_in(mail.replace("\n", "\r\n")) == [note]


def test_a_text_without_a_checkpoint_is_told_so() -> None:
    with pytest.raises(NoCheckpoint):
        notes_in(dataclasses.asdict(MADE).__repr__())
