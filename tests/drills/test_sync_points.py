"""One kill at a sync of an enrolment, and that what strace tells is read rightly."""

import asyncio
from pathlib import Path

import pytest

from tests.drills import acts, ground, strace, sync_points
from tests.end_to_end.agency import Agency

_TRACED = """\
4014  fdatasync(15</tmp/ca/warifu.db-wal>) = 0
4020  fsync(21</tmp/ca/mailbox/tmp/1.a.eml> <unfinished ...>
4014  fdatasync(15</tmp/ca/warifu.db-wal>) = -1 EIO (Input/output error) (INJECTED)
4020  <... fsync resumed>)              = 0
"""


@pytest.mark.slow
@pytest.mark.skipif(strace.is_missing(), reason=strace.MISSING)
def test_an_enrolment_killed_before_its_certificate_is_recorded_ends_with_one(tmp_path: Path) -> None:
    with ground.standing(tmp_path, hurry=True, orderly=True) as agency:
        walk = asyncio.run(_killed_at(agency, 4))
        assert (walk.points, walk.found, dict(walk.files)) == (1, [], {"WAL": 1})
        assert ground.signed_unseen(agency) == []


async def _killed_at(agency: Agency, place: int) -> sync_points.Walk:
    async with acts.staged(agency, 1) as stage:
        fault = strace.Fault("fdatasync", strace.KILL, 0)
        return await sync_points.walk_along(stage, acts.Enrol, "enrol", fault, [place])


def test_calls_are_told_by_thread_and_file_and_each_once(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(_TRACED)
    seen = [(call.thread, Path(call.path).name, call.injected) for call in strace.calls(tmp_path / "log")]
    assert seen == [(4014, "warifu.db-wal", False), (4020, "1.a.eml", False), (4014, "warifu.db-wal", True)]
