"""The log: never longer than a megabyte, and turned over by one process at a time."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from client import journal
from client.journal import last_line, write_line
from client.stores.lock import locked


def test_the_log_is_measured_in_octets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST_OCTETS", 1000)
    for _ in range(10):
        write_line(tmp_path, ["renew"], ["割符" * 50])
    assert 0 < (tmp_path / "log.1").stat().st_size <= 1000
    assert (tmp_path / "log").stat().st_size <= 1000


def test_who_would_write_waits_for_who_turns_the_log_over(tmp_path: Path) -> None:
    writer = threading.Thread(target=write_line, args=(tmp_path, ["renew"]))
    with locked(tmp_path / "log.lock"):
        writer.start()
        writer.join(0.2)
        assert last_line(tmp_path) is None
    writer.join(10)
    assert (last_line(tmp_path) or "").endswith(" renew")


def test_a_home_that_is_not_there_stops_nothing(tmp_path: Path) -> None:
    write_line(tmp_path / "none", ["renew"])
    assert last_line(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("hours_ago", "daily"),
    [
        ([24, 0], True),
        ([72, 48, 24], True),
        ([30, 2], True),
        ([0.5, 0], False),  # a person who tried twice
        ([0], False),
        ([48, 0.5], True),
        ([100, 72], False),  # it ran each day, and runs no more
        ([], False),
    ],
)
def test_a_run_in_the_last_day_and_one_a_day_before_are_a_daily_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours_ago: list[float], daily: bool
) -> None:
    today = journal.now()
    for ago in hours_ago:
        monkeypatch.setattr(journal, "now", lambda ago=ago: today - timedelta(hours=ago))
        journal.write_line(tmp_path, ["renew", "exit=0"], ["2026-11-27T00:00:00Z a hook said renew something"])
    monkeypatch.setattr(journal, "now", lambda: today)
    journal.write_line(tmp_path, ["enroll", "exit=0"])
    with (tmp_path / "log").open("a") as log:
        log.write("2026-11-27 a person tried renew by hand\n")
    assert journal.runs_daily(tmp_path) is daily
