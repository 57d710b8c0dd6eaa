"""Of several servers one leads; the next follows within seconds, and who was asleep knows that it leads no more."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ca_server.operations import tenure
from ca_server.operations.tenure import LEASE_SECONDS, Tenure
from ca_server.store import Duplicate, SynchronousDatabase, audit
from tests.ca_server.databases import fresh
from tests.ca_server.operations.bureau import _Awaited
from tests.ca_server.paper import NOW


class Seconds:
    """What `time.monotonic` says."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SynchronousDatabase]:
    opened = SynchronousDatabase(fresh(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    passing = Seconds()
    monkeypatch.setattr(tenure, "time", passing)
    return passing


class Servers:
    """Two servers on the same records, and one clock."""

    def __init__(self, records: SynchronousDatabase, seconds: Seconds) -> None:
        self.records = records
        self.seconds = seconds
        self.first, self.second = Tenure("first", "one"), Tenure("second", "two")

    def wait(self, seconds: float) -> None:
        self.seconds.passed += seconds

    def hold(self, server: Tenure) -> bool:
        asyncio.run(server.hold(_Awaited(self.records), NOW + int(self.seconds.passed)))
        return server.is_held()

    def give_back(self, server: Tenure) -> None:
        asyncio.run(server.give_back(_Awaited(self.records)))


@pytest.fixture
def servers(records: SynchronousDatabase, seconds: Seconds) -> Servers:
    return Servers(records, seconds)


def test_nobody_leads_who_has_not_asked(servers: Servers) -> None:
    assert not servers.first.is_held()


def test_one_leads_as_long_as_it_renews(servers: Servers) -> None:
    assert servers.hold(servers.first)
    for _ in range(2 * LEASE_SECONDS):
        servers.wait(1)
        assert not servers.hold(servers.second)
        assert servers.hold(servers.first)


def test_who_dies_is_followed_when_its_seconds_are_over(servers: Servers) -> None:
    servers.hold(servers.first)
    servers.wait(LEASE_SECONDS - 1)
    assert not servers.hold(servers.second)
    servers.wait(1)
    assert servers.hold(servers.second)


def test_who_ends_is_followed_at_once(servers: Servers) -> None:
    servers.hold(servers.first)
    servers.give_back(servers.first)
    assert not servers.first.is_held()
    assert servers.hold(servers.second)


def test_who_was_stopped_knows_without_asking_that_its_time_is_over(servers: Servers) -> None:
    servers.hold(servers.first)
    servers.wait(LEASE_SECONDS)
    assert not servers.first.is_held()
    assert servers.hold(servers.second)
    assert not servers.hold(servers.first)


def test_who_gives_back_what_is_not_its_own_any_more_takes_nothing_from_others(servers: Servers) -> None:
    servers.hold(servers.first)
    servers.wait(LEASE_SECONDS)
    servers.hold(servers.second)
    servers.give_back(servers.first)
    assert not servers.hold(servers.first)
    assert servers.hold(servers.second)


def test_who_comes_to_lead_is_on_record_and_a_renewal_is_not(servers: Servers) -> None:
    for _ in range(3):
        servers.hold(servers.first)
        servers.wait(1)
    servers.wait(LEASE_SECONDS)
    servers.hold(servers.second)
    entries = servers.records.read(audit.of_subject, "schedule")
    assert [(actor, action, detail["host"], detail["before"]) for _, actor, action, detail in entries] == [
        ("server:first", "lease taken", "one", None),
        ("server:second", "lease taken", "two", "first"),
    ]


def test_who_loses_the_race_for_the_first_lease_does_not_lead(servers: Servers) -> None:
    class Lost(_Awaited):
        async def write(self, *_: object, **__: object) -> bool:
            raise Duplicate("lease_pkey")

    asyncio.run(servers.first.hold(Lost(servers.records), NOW))
    assert not servers.first.is_held()
