"""Kills at some syncs of an enrolment, and that what strace tells is read rightly."""

from pathlib import Path

import pytest

from tests.drills import strace, sync_points
from tests.drills.figures import missed

_TRACED = """\
4014  fdatasync(15</tmp/ca/warifu.db-wal>) = 0
4020  fsync(21</tmp/ca/mailbox/tmp/1.a.eml> <unfinished ...>
4014  fdatasync(15</tmp/ca/warifu.db-wal>) = -1 EIO (Input/output error) (INJECTED)
4020  <... fsync resumed>)              = 0
"""


@pytest.mark.skipif(strace.is_missing(), reason=strace.MISSING)
def test_an_enrolment_killed_at_some_of_its_syncs_ends_with_one_certificate(tmp_path: Path) -> None:
    assert missed(sync_points.drill(tmp_path, every=3, names=("enrol",), commands=False)) == []


def test_calls_are_told_by_thread_and_file_and_each_once(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(_TRACED)
    seen = [(call.thread, Path(call.path).name, call.injected) for call in strace.calls(tmp_path / "log")]
    assert seen == [(4014, "warifu.db-wal", False), (4020, "1.a.eml", False), (4014, "warifu.db-wal", True)]
