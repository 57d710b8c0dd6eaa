"""What a leaf is the hash of: everything of an entry, and of personal fields nothing that could be guessed."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca_server.domain.audit_entry import PERSONAL, Entry, encoded, issued

SALT = "0f" * 16
ENTRY = Entry(
    "id", 7, "officer:abc@sato", "PC labelled", "F123456-001", "done", encoded({"label": "営業部", "n": 1}), SALT
)
VALUES = st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=3)
DETAILS = st.dictionaries(st.sampled_from([*sorted(PERSONAL), "serial", "number"]), VALUES, max_size=5)
ACTORS = st.sampled_from(["schedule", "login:root", "officer:abc@sato", "officer:abc@a@b", "login:", "account:x"])


@given(ACTORS, DETAILS)
def test_the_leaf_is_the_same_before_and_after_names_are_erased(actor: str, detail: dict[str, object]) -> None:
    entry = dataclasses.replace(ENTRY, actor=actor, detail=encoded(detail))
    assert entry.leaf() == entry.erased().leaf()
    assert entry.erased().salt is None
    kept = json.loads(entry.erased().detail)
    assert {name: kept[name] for name in detail if name not in PERSONAL} == {
        name: value for name, value in detail.items() if name not in PERSONAL
    }


@given(ACTORS, DETAILS)
def test_what_may_be_personal_is_never_overlooked(actor: str, detail: dict[str, object]) -> None:
    """An entry that is left without a salt has nothing that a salt would hide."""
    entry = dataclasses.replace(ENTRY, actor=actor, detail=encoded(detail), salt=None)
    salted = dataclasses.replace(entry, salt=SALT)
    assert entry.may_be_personal or salted.erased() == entry


def test_nothing_personal_stands_in_a_leaf() -> None:
    leaf = ENTRY.leaf().decode()
    assert "sato" not in leaf
    assert json.dumps("営業部")[1:-1].replace("\\", "\\\\") not in leaf
    assert "officer:abc@" in leaf


@pytest.mark.parametrize(
    "change",
    [
        {"id": "other"},
        {"at": 8},
        {"actor": "officer:abc@suzuki"},
        {"actor": "officer:abd@sato"},
        {"action": "other"},
        {"subject": "F123456-002"},
        {"result": "refused"},
        {"detail": encoded({"label": "総務部", "n": 1})},
        {"detail": encoded({"label": "営業部", "n": 2})},
        {"detail": encoded({"why": "営業部", "n": 1})},
        {"salt": "1f" * 16},
    ],
    ids=str,
)
def test_every_part_of_an_entry_counts(change: dict[str, object]) -> None:
    assert dataclasses.replace(ENTRY, **change).leaf() != ENTRY.leaf()  # type: ignore[arg-type]


@given(st.lists(st.text(), min_size=5, max_size=5), st.lists(st.text(), min_size=5, max_size=5))
def test_two_entries_that_differ_have_two_leaves_whatever_is_in_them(one: list[str], other: list[str]) -> None:
    entries = [Entry("id", 7, *texts) for texts in (one, other)]
    assert (entries[0].leaf() == entries[1].leaf()) == (one == other)


def test_a_certificate_is_found_in_the_entries_that_tell_of_one_alone() -> None:
    text = encoded({"serial": "ab", "sha256": "00" * 32})
    for action in ("certificate issued", "certificate stored"):
        told = issued(dataclasses.replace(ENTRY, action=action, detail=text))
        assert told == ("F123456", bytes(32))
    assert issued(dataclasses.replace(ENTRY, action="certificate planned", detail=text)) is None
    for broken in ("[]", "{}", "{", '{"sha256":7}', '{"sha256":"xy"}'):
        assert issued(dataclasses.replace(ENTRY, action="certificate issued", detail=broken)) is None
