"""No room, no growth, no lock: 503 while it lasts, and nothing lost."""

from pathlib import Path

from tests.drills import disk
from tests.drills.figures import missed


def test_a_full_disk_and_a_locked_database_only_make_clients_wait(tmp_path: Path) -> None:
    assert missed(disk.drill(tmp_path, enrolments=12, full=2)) == []


def test_files_that_may_not_grow_only_make_clients_wait(tmp_path: Path) -> None:
    assert missed(disk.drill(tmp_path, enrolments=12, full=2, as_root=False)) == []
