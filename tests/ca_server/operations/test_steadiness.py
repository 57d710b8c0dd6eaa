"""A clock that is set back under a running server issues nothing until it is right again."""

import time

import pytest

from ca_server.clock import DAY, HOUR, SystemClock
from ca_server.errors import TryLater
from ca_server.operations import steadiness


class Machine:
    """The machine's clock as somebody sets it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        true = time.time
        self.offset = 0
        monkeypatch.setattr(time, "time", lambda: true() + self.offset)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_a_clock_set_back_issues_nothing_until_it_is_right_again(machine: Machine) -> None:
    clock = SystemClock()
    machine.offset = -3 * DAY
    with pytest.raises(TryLater, match=f"set back by {3 * DAY}"):
        steadiness.require_steady(clock)
    machine.offset = 0
    steadiness.require_steady(clock)


@pytest.mark.parametrize("offset", [-60, HOUR, 366 * DAY], ids=["what NTP steps", "after a sleep", "far ahead"])
def test_a_step_of_ntp_and_a_clock_that_goes_ahead_stop_nothing(machine: Machine, offset: int) -> None:
    clock = SystemClock()
    machine.offset = offset
    steadiness.require_steady(clock)
    machine.offset = 0
    steadiness.require_steady(clock)


async def test_as_a_task_of_the_clockwork_it_is_an_alarm(machine: Machine) -> None:
    clock = SystemClock()
    machine.offset = -DAY
    with pytest.raises(TryLater):
        await steadiness.watch(clock, clock.now())
