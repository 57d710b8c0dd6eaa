"""What a keeper cannot do is an alarm when it lasts, and its end is told too."""

import logging
import time

import pytest

from ca_server import responding


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be changed."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    words = [record.getMessage().partition(";")[0] for record in caplog.records]
    caplog.clear()
    return words


def fail(trouble: responding._Trouble) -> None:
    try:
        raise OSError("away")
    except OSError:
        trouble.tell()


def test_trouble_of_a_moment_is_nobodys_business(moment: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    trouble = responding._Trouble("meanwhile")
    fail(trouble)
    moment[0] += 2
    fail(trouble)
    trouble.end()
    moment[0] += 100
    fail(trouble)
    assert said(caplog) == []


def test_trouble_that_lasts_is_told_each_minute_and_when_it_is_over(
    moment: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    trouble = responding._Trouble("meanwhile")
    alarm = "ALARM: changes cannot be read, or ready answers not be kept"
    for _ in range(121):
        fail(trouble)
        moment[0] += 1
    assert said(caplog) == [alarm, alarm]
    trouble.end()
    trouble.end()
    assert said(caplog) == ["ALARM over: changes are read and ready answers kept again"]
