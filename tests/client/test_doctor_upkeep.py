"""`warifu doctor` on what keeps a renewal away from this PC's side: rights, room on the disk, a schedule."""

import errno
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.client.pc import Pc
from tests.client.stand_in import StandIn

CN = "F123456-001"


@pytest.fixture
def enrolled(pc: Pc, server: StandIn) -> Pc:
    pc.enrol(server.invite(CN))
    return pc


def words(pc: Pc, *, code: int) -> set[str]:
    return {each["word"] for each in pc.json("doctor", code=code)["findings"]}


def test_a_disk_without_room_and_what_may_not_be_written_are_told(
    enrolled: Pc, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not {"full", "unwritable"} & words(enrolled, code=1)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "account.json")  # root may write anything
    document = enrolled.json("doctor", code=1)
    assert document["act"]["word"] == "own"
    assert f"{CN}/account.json" in str(document["findings"])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4096))
    assert {"full", "unwritable"} <= words(enrolled, code=1)


def test_a_folder_that_is_closed_to_this_login_is_told_of_as_such(
    enrolled: Pc, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def closed(path: Path) -> bytes:
        if path.name == "account.json":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", closed)
    assert "may not read or write" in str(enrolled.json("doctor", code=5)["findings"])


def test_who_renews_daily_by_other_means_needs_no_schedule_of_ours(enrolled: Pc) -> None:
    assert "noSchedule" in words(enrolled, code=1)
    moments = [datetime.now(UTC) - timedelta(days=ago) for ago in (1, 0)]
    lines = [f"{each:%Y-%m-%dT%H:%M:%SZ} warifu/0 renew exit=0\n" for each in moments]
    (enrolled.home / "log").write_text("".join(lines))
    (enrolled.home / "log").chmod(0o600)
    assert "noSchedule" not in words(enrolled, code=0)
