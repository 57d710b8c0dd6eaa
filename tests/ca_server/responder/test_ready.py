"""The ready store: what one process keeps another sees at once; what a power cut tore is left behind."""

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import pytest

from ca_server.responder import ready
from ca_server.responder.ready import NO_SIGNER, Entry, Keeping, ReadyStore, unpacked

ONE, TWO = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
KEY = b"issu" + bytes(15) + b"\x05"
ENTRY = Entry(1, 2, 0, 4, 0, 0, b"sign", (b"first", b"second"))
_EYE = """
import sys, time
from pathlib import Path
from ca_server.responder.ready import ReadyStore
store = ReadyStore.open(Path(sys.argv[1]))
for line in sys.stdin:
    record, is_current = store.look(bytes.fromhex(line), time.monotonic())
    print(None if record is None else record.hex(), is_current, flush=True)
"""


class Eye:
    """Another process that looks into the file."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def look(self, key: bytes) -> tuple[Entry | None, bool]:
        """Return what it sees, and whether that is how things are."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(key.hex() + "\n")
        self._process.stdin.flush()
        record, is_current = self._process.stdout.readline().split()
        return None if record == "None" else unpacked(bytes.fromhex(record)), is_current == "True"


@contextlib.contextmanager
def eye(folder: Path) -> Iterator[Eye]:
    command = [sys.executable, "-c", _EYE, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Eye(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    with contextlib.closing(Keeping.open(tmp_path / "ready")) as opened:
        yield opened


def test_another_process_sees_a_write_at_its_next_look(keeping: Keeping, tmp_path: Path) -> None:
    with eye(tmp_path / "ready") as other:
        assert other.look(KEY) == (None, False)
        keeping.put([(KEY, ENTRY)], 7)
        assert other.look(KEY) == (ENTRY, False)
        revoked = ENTRY._replace(revoked_at=3, is_revoked=1, reason=4, signatures=(b"", b""))
        keeping.put([(KEY, revoked)], 8)
        assert other.look(KEY) == (revoked, False)


def test_two_processes_see_what_a_third_keeps(keeping: Keeping, tmp_path: Path) -> None:
    with eye(tmp_path / "ready") as one, eye(tmp_path / "ready") as two:
        for number in range(20):
            entry = ENTRY._replace(this_update=number)
            keeping.put([(KEY, entry)])
            assert one.look(KEY)[0] == two.look(KEY)[0] == entry


def test_a_beat_tells_for_a_second_how_things_are_also_that_there_is_nothing(keeping: Keeping, tmp_path: Path) -> None:
    keeping.put([(KEY, ENTRY)])
    with eye(tmp_path / "ready") as other:
        keeping.beat(time.monotonic() - 0.5)
        assert other.look(KEY) == (ENTRY, True)
        assert other.look(KEY + b"\1") == (None, True)
        keeping.beat(time.monotonic() - 1.01)
        assert other.look(KEY + b"\1") == (None, False)
        time.sleep(0.55)
        assert other.look(KEY) == (ENTRY, False)


@pytest.mark.parametrize("key", [KEY, KEY + b"\1"], ids=["something", "nothing"])
@pytest.mark.parametrize(("seconds", "counts"), [(-0.1, False), (0, True), (0.99, True), (1.0, False), (9.0, False)])
def test_a_beat_counts_from_its_moment_for_a_second(keeping: Keeping, key: bytes, seconds: float, counts: bool) -> None:
    keeping.put([(KEY, ENTRY)])
    keeping.beat(100.0)
    assert keeping.look(key, 100.0)[1]
    assert keeping.look(key, 100.0 + seconds)[1] is counts


def test_a_beat_of_a_time_to_come_tells_nothing(keeping: Keeping) -> None:
    keeping.put([(KEY, ENTRY)])
    keeping.beat(time.monotonic() + 5)
    assert keeping.look(KEY, time.monotonic()) == (ENTRY.packed(), False)


def test_nothing_is_current_after_everything_was_forgotten(keeping: Keeping) -> None:
    keeping.put([(KEY, ENTRY)], 7)
    keeping.beat(time.monotonic())
    assert keeping.look(KEY, time.monotonic())[1]
    keeping.forget(b"")
    assert keeping.look(KEY, time.monotonic()) == (None, False)
    assert (keeping.place(), keeping.count()) == (0, 0)


@pytest.mark.parametrize("size", [0, 8, 64, 72, 104, 256, 384, 512])
def test_an_entry_comes_back_with_signatures_of_every_kind_of_key(size: int) -> None:
    entry = Entry(2**33, 2**34, 2**31, 2**40, 1, 6, NO_SIGNER, (os.urandom(size), os.urandom(size)))
    assert unpacked(entry.packed()) == entry


def test_entries_are_walked_through_in_order_and_each_once(keeping: Keeping) -> None:
    chance = random.Random(3)
    keys = sorted({chance.randbytes(chance.randint(4, 24)) for _ in range(500)} | {b"abcd", b"abcd\0", b"abcd\0\0"})
    keeping.put((key, ENTRY) for key in keys)
    walked, after = [], b""
    while batch := keeping.walk(after, 7):
        walked += [key for key, _ in batch]
        after = batch[-1][0]
    assert walked == keys


def test_what_was_kept_is_there_after_the_keeper_was_started_again(tmp_path: Path) -> None:
    with contextlib.closing(Keeping.open(tmp_path)) as keeping:
        keeping.put([(KEY, ENTRY)], 7)
    with contextlib.closing(Keeping.open(tmp_path)) as keeping:
        assert (keeping.get(KEY), keeping.place()) == (ENTRY, 7)


def test_a_write_that_fails_in_its_middle_leaves_nothing(keeping: Keeping) -> None:
    def entries() -> Iterator[tuple[bytes, Entry]]:
        yield KEY, ENTRY
        raise InterruptedError

    with pytest.raises(InterruptedError):
        keeping.put(entries(), 7)
    assert (keeping.get(KEY), keeping.place()) == (None, 0)


def test_the_next_boot_begins_with_nothing_and_removes_what_earlier_ones_left(
    tmp_path: Path, boot: Callable[[str], None]
) -> None:
    folder = tmp_path / "ready"
    boot(ONE)
    with contextlib.closing(Keeping.open(folder)) as keeping:
        keeping.put([(KEY, ENTRY)], 7)
    (folder / ONE / "data.mdb").write_bytes(b"torn")
    boot(TWO)
    with contextlib.closing(Keeping.open(folder)) as keeping:
        assert (keeping.get(KEY), keeping.place()) == (None, 0)
    assert [each.name for each in folder.iterdir()] == [TWO]


def test_what_somebody_else_put_into_the_folder_stays(tmp_path: Path, boot: Callable[[str], None]) -> None:
    """An operator may name a folder that has other things in it."""
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "root.crl").write_bytes(b"crl")
    boot(ONE)
    with contextlib.closing(Keeping.open(tmp_path)):
        assert (tmp_path / "public" / "root.crl").read_bytes() == b"crl"


def test_a_file_that_is_not_there_or_torn_raises_one_kind_of_error(tmp_path: Path) -> None:
    with pytest.raises(lmdb.Error):
        ReadyStore.open(tmp_path / "none")
    with contextlib.closing(Keeping.open(tmp_path)) as keeping:
        keeping.put([(KEY, ENTRY)])
    (file,) = tmp_path.glob("*/data.mdb")
    for content in (b"", b"\xff" * 10_000):
        file.write_bytes(content)
        with pytest.raises(lmdb.Error):
            ReadyStore.open(tmp_path)


def test_a_full_map_is_an_error_that_keeps_what_there_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "_MAP_BYTES", 1 << 18)
    with contextlib.closing(Keeping.open(tmp_path)) as keeping:
        keeping.put([(KEY, ENTRY)], 7)
        with pytest.raises(lmdb.MapFullError):
            keeping.put(((KEY + number.to_bytes(3, "big"), ENTRY) for number in range(10_000)), 8)
        assert (keeping.get(KEY), keeping.place(), keeping.count()) == (ENTRY, 7, 1)


def test_only_the_owner_reads_the_folder_and_the_file(tmp_path: Path) -> None:
    with contextlib.closing(Keeping.open(tmp_path / "ready")):
        (file,) = tmp_path.glob("ready/*/data.mdb")
        assert file.stat().st_mode & 0o077 == 0
        assert file.parent.stat().st_mode & 0o077 == 0
