"""The records as a process of the responder reads them: whatever lies in their place, it reads that."""

import asyncio
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ca_server import store
from ca_server.authority import ocsp
from ca_server.responder.answers import Waits
from ca_server.responder.records import Changes, DistantRecords, Records
from ca_server.store import SynchronousDatabase, audit, migrations
from ca_server.whereabouts import Cluster
from tests.ca_server.databases import empty

_HAPPEN = """
import sys
from pathlib import Path
from ca_server.store import SynchronousDatabase, audit, migrations
path = Path(sys.argv[1])
if not path.exists():
    migrations.create(path)
database = SynchronousDatabase(path)
database.write(audit.record, 1, "test", "happened", "x")
database.close()
"""


def happen(path: Path) -> None:
    """Have something happen, in another process: in one process SQLite shares what it knows of a file."""
    subprocess.run([sys.executable, "-c", _HAPPEN, str(path)], check=True, timeout=60)


def in_place(backup: Path, path: Path) -> None:
    """Copy the backup over the file."""
    inode = path.stat().st_ino
    shutil.copyfile(backup, path)
    assert path.stat().st_ino == inode


def instead(backup: Path, path: Path) -> None:
    """Take the file away and put the backup there."""
    path.unlink()
    shutil.copyfile(backup, path)


@pytest.mark.parametrize("restored", [in_place, instead])
def test_records_that_were_restored_are_read_by_who_had_the_others_open(
    tmp_path: Path, restored: Callable[[Path, Path], None]
) -> None:
    path, backup = tmp_path / "warifu.db", tmp_path / "backup.db"
    happen(path)
    shutil.copyfile(path, backup)
    happen(path)
    records = Records(path)
    lost = records.since(0, 1, None).witness
    for mark in ("-wal", "-shm"):
        path.with_name(f"{path.name}{mark}").unlink()
    restored(backup, path)
    happen(path)
    told = records.since(0, 1, lost).witness, records.since(0, 1, None).witness
    assert told[0] == ""
    assert told[1] not in ("", lost)


def test_records_that_nobody_touched_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "warifu.db"
    happen(path)
    records = Records(path)
    first = records.since(0, 1, None).witness
    happen(path)
    monkeypatch.setattr("ca_server.store.Glass", None)  # what would open them again
    assert records.since(0, 1, None).witness not in ("", first)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    where = empty(tmp_path)
    migrations.upgrade(where)
    return where


async def test_a_database_is_not_waited_for_but_by_who_can_wait(cluster: Cluster) -> None:
    records = DistantRecords(cluster)
    with pytest.raises(Waits) as asked:
        records.told("issuing-1", "17")
    assert await asked.value.told() == ocsp.UNKNOWN
    await records.close()


async def test_a_database_that_does_not_answer_is_given_up_soon_and_left_alone_for_a_moment(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        records = DistantRecords(Cluster(f"postgresql://warifu@127.0.0.1:{silent.getsockname()[1]}/nothing"))
        began = time.monotonic()
        with pytest.raises(Waits) as asked:
            records.told("issuing-1", "17")
        with pytest.raises(TimeoutError):
            await asked.value.told()
        assert time.monotonic() - began < 2
        with pytest.raises(store.Unavailable):
            records.told("issuing-1", "17")


async def test_only_so_many_ask_a_database_at_a_time(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ca_server.responder.records._MOST_ASKING", 1)
    records = DistantRecords(cluster)
    with pytest.raises(Waits) as asked:
        records.told("issuing-1", "17")
    first = asyncio.create_task(asked.value.told())
    await asyncio.sleep(0)
    with pytest.raises(store.Unavailable):
        records.told("issuing-1", "18")
    await first
    await records.close()


def test_the_keeper_reads_the_changes_of_a_database(cluster: Cluster) -> None:
    changes = Changes(cluster)
    assert changes.since(0, 10, None).witness == ""
    database = SynchronousDatabase(cluster)
    database.write(audit.record, 1, "test", "happened", "x")
    database.close()
    witness = changes.since(0, 10, None).witness
    assert witness
    assert changes.since(0, 10, witness).witness == witness
