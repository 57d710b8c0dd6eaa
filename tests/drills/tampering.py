"""Drill: a thousand random alterations of the audit log, of its export and of its records; each must be found.

    octet     one octet of the export is another
    missing   one entry is gone, in the middle
    tail      the end is gone, with its checkpoints
    all       everything is gone
    swap      two entries change places
    insert    an entry is put in
    rehash    an entry is changed and all hashes made anew, without the key
    old       yesterday's export, whole and signed, is shown for today's
    fork      another log, whole and signed with the right key, is shown for the one of which a checkpoint was kept
    stranger  another log, whole and signed with a stranger's key of the same name
    records   a row of the database is changed: an entry, a tile, a checkpoint or an institution's log

The verifier is the product's; a planted defect in it (`blind`) must make the drill red. How fast it is, is measured
on a log of a hundred thousand entries, a third of which hold personal fields, by the CPU time of this process.
"""

import contextlib
import dataclasses
import json
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from ca_server.clock import MINUTE
from ca_server.domain import merkle
from ca_server.domain.audit_entry import Placed
from ca_server.domain.checkpoint import Checkpoint
from ca_server.operations import audit_export, audit_proofs
from ca_server.operations.audit_export import line_of
from ca_server.operations.audit_verification import Altered, Verified
from ca_server.store import Connection, SynchronousDatabase, audit, migrations
from keys.algorithms import PrivateKey
from keys.generate import generate
from tests.ca_server.operations.auditing import exported, notary, note_key, sign, verified
from tests.drills.figures import Figure, none_of

NOW = 1_795_435_200
ALTERATIONS = 1000
_ENTRIES = 200
_MANY = 100_000
_LEAST_A_SECOND = 50_000
_RECORDS = (
    "UPDATE audit SET subject = subject || 'x' WHERE place = ?",
    "UPDATE audit SET at = at + 1 WHERE place = ?",
    "UPDATE audit SET detail = '{}' WHERE place = ? AND detail <> '{}'",
    "UPDATE audit SET result = 'refused' WHERE place = ?",
    "UPDATE audit SET salt = NULL WHERE salt IS NOT NULL AND place >= ?",
    "DELETE FROM audit WHERE place = ?",
    "DELETE FROM audit WHERE place >= ?",
    "UPDATE audit SET place = place + 1000 WHERE place = ?",
    "UPDATE audit_tile SET hashes = zeroblob(length(hashes)) WHERE ? >= 0",
    "UPDATE institution_log SET size = size + 1 WHERE ? >= 0",
    "DELETE FROM institution_log WHERE ? >= 0",
    "UPDATE checkpoint SET note = replace(note, 'time 2', 'time 3') WHERE ? >= 0",
)


@dataclasses.dataclass(frozen=True)
class Log:
    """A log with what an auditor kept of it."""

    lines: list[str]
    kept: Checkpoint
    older: list[str]
    fork: list[str]
    strange: list[str]
    records: Path


Alteration = Callable[[random.Random, Log], list[str]]


def octet(chance: random.Random, log: Log) -> list[str]:
    """Change one octet to another that prints."""
    text = "".join(log.lines)
    place = chance.randrange(len(text))
    sign = chance.choice([each for each in map(chr, range(32, 127)) if each != text[place]])
    return (text[:place] + sign + text[place + 1 :]).splitlines(keepends=True)


def missing(chance: random.Random, log: Log) -> list[str]:
    """Take an entry out; the number in the head is made right."""
    place = chance.choice(_entries(log))
    return _counted([*log.lines[:place], *log.lines[place + 1 :]])


def tail(chance: random.Random, log: Log) -> list[str]:
    """Cut the end off, now and then behind a checkpoint."""
    place = chance.randrange(1, len(log.lines))
    return _counted(log.lines[:place])


def everything(chance: random.Random, log: Log) -> list[str]:
    """Take everything away, or all but the head."""
    return _counted(log.lines[: chance.choice([0, 1])])


def swap(chance: random.Random, log: Log) -> list[str]:
    """Let two entries change places, their numbers made right in half of the cases."""
    one, other = sorted(chance.sample(_entries(log), 2))
    lines = list(log.lines)
    lines[one], lines[other] = lines[other], lines[one]
    if chance.random() < 0.5:
        for place in (one, other):
            document = json.loads(lines[place])
            lines[place] = _line(document | {"place": json.loads(log.lines[place])["place"]})
    return lines


def insert(chance: random.Random, log: Log) -> list[str]:
    """Put a copy of an entry in, and number all anew."""
    place = chance.choice(_entries(log))
    return _numbered([*log.lines[:place], log.lines[place], *log.lines[place:]])


def rehash(chance: random.Random, log: Log) -> list[str]:
    """Change an entry and make its hash right; there is no key to sign a checkpoint with."""
    place = chance.choice(_entries(log))
    item = audit_export._parsed(json.loads(log.lines[place]))
    assert isinstance(item, Placed)
    entry = dataclasses.replace(item.entry, **chance.choice([{"subject": "F999999-001"}, {"at": 1}, {"action": "x"}]))
    changed = Placed(item.place, merkle.leaf_hash(entry.leaf()), entry)
    return [*log.lines[:place], line_of(changed) + "\n", *log.lines[place + 1 :]]


def old(_: random.Random, log: Log) -> list[str]:
    """Show what was true once."""
    return log.older


def fork(_: random.Random, log: Log) -> list[str]:
    """Show another log that is signed as well."""
    return log.fork


def stranger(_: random.Random, log: Log) -> list[str]:
    """Show a log that somebody else signed."""
    return log.strange


NEED_A_KEPT_CHECKPOINT = frozenset({"tail", "all", "old", "fork"})
"""What the log alone cannot tell: that it was longer, or another, once."""

OF_EXPORTS: dict[str, Alteration] = {
    "octet": octet,
    "missing": missing,
    "tail": tail,
    "all": everything,
    "swap": swap,
    "insert": insert,
    "rehash": rehash,
    "old": old,
    "fork": fork,
    "stranger": stranger,
}


def _entries(log: Log) -> list[int]:
    return [number for number, line in enumerate(log.lines) if line.startswith('{"place"')]


def _line(document: dict[str, object]) -> str:
    return json.dumps(document, separators=(",", ":")) + "\n"


def _counted(lines: list[str]) -> list[str]:
    """Make the number in the head right."""
    count = sum(line.startswith('{"place"') for line in lines)
    return [_line(json.loads(line) | {"entries": count}) if '"format"' in line else line for line in lines]


def _numbered(lines: list[str]) -> list[str]:
    place, made = 0, []
    for line in lines:
        if line.startswith('{"place"'):
            made.append(_line(json.loads(line) | {"place": place}))
            place += 1
        else:
            made.append(line)
    return _counted(made)


def build(folder: Path) -> Log:
    """Make a log of some hundred entries with three checkpoints, the newest of which the auditor kept, and its fork."""
    lines, older, kept = _written(folder / "log", "one")
    forked, _, _ = _written(folder / "fork", "another")
    strange, _, _ = _written(folder / "strange", "another", generate("Ed25519"))
    return Log(lines, kept, older, forked, strange, folder / "log" / "warifu.db")


def _written(
    folder: Path, word: str, key: PrivateKey | None = None, entries: int = _ENTRIES
) -> tuple[list[str], list[str], Checkpoint]:
    folder.mkdir(parents=True)
    migrations.create(folder / "warifu.db")
    records, who = SynchronousDatabase(folder / "warifu.db"), notary(folder)
    who = dataclasses.replace(who, key=key or who.key)
    older: list[str] = []
    for third in range(3):
        records.write(_fill, third * entries // 3, (third + 1) * entries // 3, word)
        made = sign(records, who, NOW + third * MINUTE)
        assert made is not None
        if third == 1:
            older = exported(records)
    lines = exported(records)
    records.close()
    return lines, older, made


def _fill(connection: Connection, first: int, end: int, word: str) -> None:
    for number in range(first, end):
        cn = f"F{number % 7:06d}-001"
        if number % 3 == 0:
            detail = {"serial": f"{number:x}", "sha256": f"{number:064x}", "predecessor": None}
            audit.record(connection, NOW + number, "account:pc", "certificate issued", cn, **detail)
        elif number % 3 == 1:
            audit.record(connection, NOW + number, "officer:o@sato", "PC labelled", cn, label=f"営業部 {number}")
        else:
            audit.record(connection, NOW + number, "schedule", "mail sent", cn, kind=word, why=None)


def is_found(lines: list[str], *kept: Checkpoint) -> bool:
    """Tell whether the verifier finds that an export is not what was signed."""
    try:
        verified(lines, *kept)
    except Altered:
        return True
    return False


def is_found_in_records(path: Path) -> bool:
    """Tell whether the verifier finds that records are not what was signed."""
    records = SynchronousDatabase(path)
    try:
        records.read(audit_proofs.verify_records, [note_key()])
    except Altered:
        return True
    finally:
        records.close()
    return False


def altered_records(chance: random.Random, log: Log, path: Path) -> None:
    """Copy the records and change a row of them; one that changes nothing is followed by another."""
    source = sqlite3.connect(log.records)
    target = sqlite3.connect(path)
    source.backup(target)
    source.close()
    while target.execute(chance.choice(_RECORDS), (chance.randrange(_ENTRIES),)).rowcount == 0:
        pass
    target.commit()
    target.close()


def alter(folder: Path, count: int, seed: int = 1) -> tuple[Counter[str], list[str]]:
    """Make so many alterations, and return how many there were of each kind, and those that were not found."""
    log, chance = build(folder), random.Random(seed)
    assert not is_found(log.lines, log.kept)
    assert not is_found_in_records(log.records)
    made: Counter[str] = Counter()
    unfound = []
    for number in range(count):
        kind = chance.choice([*OF_EXPORTS, "records"])
        made[kind] += 1
        if kind == "records":
            path = folder / "altered.db"
            path.unlink(missing_ok=True)
            altered_records(chance, log, path)
            found = is_found_in_records(path)
        else:
            kept = [log.kept] if kind in NEED_A_KEPT_CHECKPOINT else []
            found = is_found(OF_EXPORTS[kind](chance, log), *kept)
        if not found:
            unfound.append(f"{number}: {kind}")
    return made, unfound


@contextlib.contextmanager
def blind(to: str) -> Iterator[None]:
    """Plant a defect in the verifier: it skips one of the comparisons."""
    from ca_server.operations import audit_verification
    from ca_server.operations.audit_verification import Examination

    defects: dict[str, tuple[object, str, object]] = {
        "kept checkpoints": (Examination, "_compare_with_kept", lambda self: self._kept.clear()),
        "roots": (Examination, "_checkpoint", lambda self, checkpoint: setattr(self, "_newest", checkpoint)),
        "signatures": (audit_verification, "verify_note", lambda note, keys: note.partition("\n\n")[0] + "\n"),
        "hashes": (merkle, "leaf_hash", lambda leaf: b"\0" * 32),
    }
    owner, name, instead = defects[to]
    before = getattr(owner, name)
    setattr(owner, name, instead)
    try:
        yield
    finally:
        setattr(owner, name, before)


def drill(folder: Path) -> list[Figure]:
    """Make a thousand, and verify a hundred thousand entries."""
    made, unfound = alter(folder, ALTERATIONS)
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(made.items()))
    return [none_of(f"tampering: {ALTERATIONS} alterations ({kinds}), not found", unfound), *_speeds(folder / "many")]


def _speeds(folder: Path) -> Iterator[Figure]:
    lines, _, kept = _written(folder, "one", entries=_MANY)
    records = SynchronousDatabase(folder / "warifu.db")
    ways: dict[str, Callable[[], Verified]] = {
        "an export": lambda: verified(lines, kept),
        "records": lambda: records.read(audit_proofs.verify_records, [note_key()], [kept]),
    }
    for what, verify in ways.items():
        used, passed = time.process_time(), time.perf_counter()
        entries = verify().entries
        by_cpu, by_clock = entries / (time.process_time() - used), entries / (time.perf_counter() - passed)
        yield Figure(
            f"tampering: entries of {what} verified a second of CPU",
            f"≥ {_LEAST_A_SECOND:,}",
            f"{by_cpu:,.0f} ({by_clock:,.0f} by the clock)",
            by_cpu >= _LEAST_A_SECOND,
        )
    records.close()
