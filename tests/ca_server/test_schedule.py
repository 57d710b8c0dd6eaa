"""The clockwork: what is due runs, a failure stops nobody, a slow task delays no other."""

import asyncio

import pytest

from ca_server import schedule
from ca_server.schedule import Schedule, Task
from ca_server.store import Unavailable


class Watch:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.time = 1_000_000

    def now(self) -> int:
        return self.time


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "_TICK_SECONDS", 0.005)


async def unchanged() -> bool:
    return False


async def changed() -> bool:
    return True


async def run_for(clockwork: Schedule, seconds: float) -> None:
    running = asyncio.create_task(clockwork.run())
    await asyncio.sleep(seconds)
    clockwork.stop()
    await running


async def test_a_task_runs_at_the_start_and_then_not_before_its_time() -> None:
    watch, runs = Watch(), list[int]()

    async def note(now: int) -> None:
        runs.append(now)
        watch.time += 7

    await run_for(Schedule(watch, unchanged, [Task("note", note, every=10)]), 0.2)
    assert runs[:1] == [1_000_000]
    assert len(runs) == 1


async def test_a_clock_set_back_does_not_silence_a_task() -> None:
    watch, runs = Watch(), list[int]()

    async def note(now: int) -> None:
        runs.append(now)
        watch.time = 500_000

    await run_for(Schedule(watch, unchanged, [Task("note", note, every=10)]), 0.1)
    assert runs[:2] == [1_000_000, 500_000]


async def test_what_anybody_wrote_wakes_the_eager_tasks_and_no_others() -> None:
    runs = {"eager": 0, "calm": 0}

    async def count(name: str) -> None:
        runs[name] += 1

    tasks = [
        Task("eager", lambda _: count("eager"), every=3600),
        Task("calm", lambda _: count("calm"), every=3600, eager=False),
    ]
    await run_for(Schedule(Watch(), changed, tasks), 0.1)
    assert runs["eager"] > 2
    assert runs["calm"] == 1


async def test_a_task_that_fails_is_an_alarm_and_is_tried_again_after_a_pause_that_doubles(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch, tries = Watch(), list[int]()

    async def fail(now: int) -> None:
        tries.append(now - 1_000_000)
        raise ValueError("planted")

    clockwork = Schedule(watch, changed, [Task("the planted one", fail, every=1)])
    running = asyncio.create_task(clockwork.run())
    for _ in range(20):
        await asyncio.sleep(0.015)
        watch.time += 1
    clockwork.stop()
    await running
    assert tries == [0, 1, 3, 7, 15]
    assert "ALARM: the task the planted one failed" in caplog.text


async def test_a_slow_task_delays_no_other_and_is_let_come_to_its_end() -> None:
    ended, runs = list[str](), 0

    async def slow(_: int) -> None:
        await asyncio.sleep(0.3)
        ended.append("slow")

    async def quick(_: int) -> None:
        nonlocal runs
        runs += 1

    tasks = [Task("slow", slow, every=3600), Task("quick", quick, every=1)]
    await run_for(Schedule(Watch(), changed, tasks), 0.1)
    assert runs > 2
    assert ended == ["slow"]


async def test_a_server_that_does_not_lead_runs_what_runs_everywhere_and_catches_up_once_it_leads() -> None:
    runs, leads = list[str](), [False]

    async def note(name: str) -> None:
        runs.append(name)

    tasks = [
        Task("leader's", lambda _: note("leader's"), every=3600),
        Task("everybody's", lambda _: note("everybody's"), every=3600, everywhere=True),
    ]
    clockwork = Schedule(Watch(), unchanged, tasks, lambda: leads[0])
    running = asyncio.create_task(clockwork.run())
    await asyncio.sleep(0.05)
    assert runs == ["everybody's"]
    leads[0] = True
    await asyncio.sleep(0.05)
    clockwork.stop()
    await running
    assert runs == ["everybody's", "leader's"]


async def test_while_the_records_cannot_be_read_nothing_is_begun_and_all_at_once_afterwards(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runs, away = list[int](), [True]

    async def look() -> bool:
        if away[0]:
            raise Unavailable("The database is away.")
        return False

    async def note(now: int) -> None:
        runs.append(now)

    clockwork = Schedule(Watch(), look, [Task("note", note, every=3600)])
    running = asyncio.create_task(clockwork.run())
    await asyncio.sleep(0.05)
    assert runs == []
    away[0] = False
    await asyncio.sleep(0.05)
    clockwork.stop()
    await running
    assert len(runs) == 1
    assert caplog.text.count("ALARM: the records cannot be read") == 1
    assert caplog.text.count("ALARM over") == 1


async def test_a_task_that_the_database_failed_is_tried_again_within_seconds_however_often_it_failed() -> None:
    watch, tries = Watch(), list[int]()

    async def fail(now: int) -> None:
        tries.append(now - 1_000_000)
        raise Unavailable("The database is away.")

    clockwork = Schedule(watch, changed, [Task("the planted one", fail, every=1)])
    running = asyncio.create_task(clockwork.run())
    for _ in range(20):
        await asyncio.sleep(0.015)
        watch.time += 1
    clockwork.stop()
    await running
    assert tries == [0, 1, 3, 7, 11, 15, 19]
