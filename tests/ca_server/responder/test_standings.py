"""The row of changes: every move takes the next place, and what was there before the row was made is in it."""

import random
import sqlite3
from pathlib import Path

import pytest

from ca_server.store import SynchronousDatabase, audit, migrations, standings
from ca_server.store.standings import Standing
from tests.ca_server.databases import file_of

_END = 2_000_000_000
_COLUMNS = "serial, issuer, cn, status, planned_at, not_after, revoked_at, reason"
_ROWS = [
    ("a1", "issuing-1", "F123456-001", "issued", 100, _END, None, None),
    ("a2", "issuing-1", "F123456-002", "planned", 150, _END, None, None),
    ("a3", "issuing-1", "F123456-003", "revoked", 50, _END, 1000, 4),
    ("a4", "issuing-2", "F123456-004", "suspended", 200, _END, 1100, 6),
    ("a5", "issuing-1", "F123456-005", "aborted", 200, _END, 1200, None),
    ("a6", "issuing-1", "F123456-006", "planned", 10, _END, None, None),
]


def _fill(path: Path, rows: list[tuple[object, ...]]) -> None:
    """Put certificates into an older schema, other columns that must not be empty filled with anything."""
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA foreign_keys = OFF")
        wanted = _COLUMNS.split(", ")
        others = {
            name: 0 if kind == "INTEGER" else b"" if kind == "BLOB" else "x"
            for _, name, kind, required, default, key in raw.execute("PRAGMA table_info(certificate)")
            if required and default is None and name not in wanted
        }
        names = [*wanted, *others]
        marks = ", ".join("?" * len(names))
        for number, row in enumerate(rows):
            unique = [value if not isinstance(value, str) else f"{value}{number}" for value in others.values()]
            raw.execute(f"INSERT INTO certificate ({', '.join(names)}) VALUES ({marks})", [*row, *unique])
    raw.close()


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A database of the schema before the row of changes, with certificates in every state."""
    path = tmp_path / "warifu.db"
    file_of(path, "0004")
    _fill(path, _ROWS)
    return path


def test_what_was_there_is_numbered_in_its_order_but_for_plans(older: Path) -> None:
    migrations.upgrade(older)
    with sqlite3.connect(older) as raw:
        places = dict(raw.execute("SELECT serial, place FROM certificate").fetchall())
    raw.close()
    assert places == {"a3": 1, "a1": 2, "a4": 3, "a5": 4, "a2": None, "a6": None}


def test_whoever_follows_from_the_beginning_learns_of_all_that_was_there(older: Path) -> None:
    migrations.upgrade(older)
    records = SynchronousDatabase(older)
    stretch = records.read(standings.since, 0, 100)
    records.close()
    assert (stretch.until, stretch.last) == (4, 4)
    assert stretch.changes == [
        Standing("issuing-1", "a3", 1000, 4, _END),
        Standing("issuing-1", "a1", None, None, _END),
        Standing("issuing-2", "a4", 1100, 6, _END),
        Standing("issuing-1", "a5", 1200, 0, _END),
    ]


def test_a_witness_is_believed_while_its_entry_is_there(older: Path) -> None:
    migrations.upgrade(older)
    records = SynchronousDatabase(older)
    records.write(audit.record, 1, "test", "first", "x")
    first = records.read(standings.since, 4, 100).witness
    records.write(audit.record, 1, "test", "second", "x")
    told = [records.read(standings.since, 4, 100, witness) for witness in (first, None, "lost")]
    records.close()
    assert [each.last for each in told] == [4, 4, 0]
    assert told[0].witness not in ("", first)


def test_an_empty_database_has_an_empty_row(tmp_path: Path) -> None:
    path = tmp_path / "warifu.db"
    migrations.create(path)
    records = SynchronousDatabase(path)
    assert records.read(standings.since, 0, 100) == (0, 0, [], "")
    records.close()


def test_read_in_stretches_of_any_size_nothing_is_missed_and_nothing_told_twice(older: Path) -> None:
    chance = random.Random(5)
    more = [(f"b{number:x}", "issuing-1", "x", "issued", 300 + number, _END, None, None) for number in range(200)]
    _fill(older, more)
    migrations.upgrade(older)
    records = SynchronousDatabase(older)
    seen, place = [], 0
    while (stretch := records.read(standings.since, place, chance.randint(1, 30))).until > place:
        seen += [each.serial for each in stretch.changes]
        place = stretch.until
    records.close()
    assert seen == ["a3", "a1", "a4", "a5", *(row[0] for row in more)]
    assert place == stretch.last
