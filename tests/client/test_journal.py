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
    ("days_ago", "daily"), [([0, 1], True), ([1, 2], True), ([0], False), ([0, 0], False), ([3, 4], False), ([], False)]
)
def test_renewals_on_two_of_the_last_three_days_are_a_daily_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days_ago: list[int], daily: bool
) -> None:
    today = journal.now()
    for ago in sorted(days_ago, reverse=True):
        monkeypatch.setattr(journal, "now", lambda ago=ago: today - timedelta(days=ago))
        journal.write_line(tmp_path, ["renew", "exit=0"], ["a hook said something"])
    monkeypatch.setattr(journal, "now", lambda: today)
    journal.write_line(tmp_path, ["enroll", "exit=0"])
    assert journal.ran_daily(tmp_path) is daily
