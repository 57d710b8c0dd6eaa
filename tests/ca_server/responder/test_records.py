"""The records as a process of the responder reads them: whatever lies in their place, it reads that."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ca_server.responder.records import Records

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
