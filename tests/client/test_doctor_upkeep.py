"""`warifu doctor` on what keeps a renewal away from this PC's side: rights, room on the disk, a schedule."""

import errno
import os
import shutil
from collections.abc import Callable
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


def closed(*names: str) -> Callable[[Path, int], bool]:
    """Return an `os.access` that bars some names: root, as whom these tests may run, may do anything."""
    return lambda path, _: Path(path).name not in names


def test_a_disk_without_room_is_told(enrolled: Pc, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "full" not in words(enrolled, code=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4096))
    assert enrolled.json("doctor", code=1)["act"]["word"] == "makeRoom"


@pytest.mark.parametrize("name", ["generations", "lock"])
def test_what_must_be_written_and_may_not_be_is_told(enrolled: Pc, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: not (Path(path).name == name and mode & os.W_OK))
    document = enrolled.json("doctor", code=1)
    assert document["act"]["word"] == "own"
    assert name in str(document["findings"])
    assert "valid" in str(document["findings"])  # the rest is looked at as well


def test_keys_that_nobody_may_write_are_no_fault(enrolled: Pc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", closed("key.pem", "cert.pem", "account.json"))
    assert "barred" not in words(enrolled, code=1)


def test_a_folder_that_is_closed_to_this_login_is_told_and_nothing_else_guessed(
    enrolled: Pc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", closed(CN))
    document = enrolled.json("doctor", code=1)
    assert [each["word"] for each in document["findings"]] == ["barred"]
    assert document["act"]["word"] == "own"


def test_a_read_only_disk_wants_a_person(enrolled: Pc, monkeypatch: pytest.MonkeyPatch) -> None:
    read_only = SimpleNamespace(f_flag=os.ST_RDONLY, f_bavail=10**6, f_bfree=10**6, f_blocks=10**7, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda _: read_only)
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    assert enrolled.json("doctor", code=5)["act"]["word"] == "mount"


def test_a_record_that_is_closed_to_this_login_is_told_of_as_such(
    enrolled: Pc, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.name == "account.json":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert "may not read or write" in str(enrolled.json("doctor", code=5)["findings"])


def test_who_renews_daily_by_other_means_needs_no_schedule_of_ours(enrolled: Pc) -> None:
    assert "noSchedule" in words(enrolled, code=1)
    moments = [datetime.now(UTC) - timedelta(days=ago) for ago in (1, 0)]
    lines = [f"{each:%Y-%m-%dT%H:%M:%SZ} warifu/0 renew exit=0\n" for each in moments]
    (enrolled.home / "log").write_text("".join(lines))
    (enrolled.home / "log").chmod(0o600)
    found = words(enrolled, code=0)
    assert "runsDaily" in found
    assert not found & {"noSchedule", "schedule"}
