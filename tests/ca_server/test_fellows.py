"""On a file one server works alone; on PostgreSQL several do, of whom one leads."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ca_server.fellows import AlreadyServed, Fellows, joined
from ca_server.store import Database, migrations
from ca_server.whereabouts import Cluster
from tests.ca_server.databases import empty
from tests.ca_server.paper import NOW


class Watch:
    """A clock that stands."""

    def now(self) -> int:
        return NOW


async def nothing() -> None:
    """Find no key changed."""


async def turn(fellows: Fellows, database: Database) -> None:
    """Do once what is done by the clock."""
    for task in fellows.tasks(database, nothing):
        if task.everywhere or fellows.leads():
            await task.run(NOW)


async def test_a_file_has_one_server_and_the_next_when_that_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "warifu.db"
    async with joined(path, Watch()) as first:
        assert first.leads()
        with pytest.raises(AlreadyServed, match="stop that one first"):
            await joined(path, Watch()).__aenter__()
    async with joined(path, Watch()) as second:
        assert second.name != first.name
        assert second.holder == first.holder


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[tuple[Cluster, Database]]:
    where = empty(tmp_path)
    migrations.upgrade(where)
    opened = await Database.open(where)
    yield where, opened
    await opened.close()


async def test_of_two_on_a_database_one_leads_and_the_other_once_it_has_left(
    database: tuple[Cluster, Database],
) -> None:
    where, records = database
    async with contextlib.AsyncExitStack() as stack:
        both = [await stack.enter_async_context(joined(where, Watch())) for _ in range(2)]
        for each in (*both, *both):
            await each.begin(records)
            await turn(each, records)
        assert [each.leads() for each in both] == [True, False]
        await both[0].leave(records)
        await turn(both[1], records)
        assert [each.leads() for each in both] == [False, True]
        number = both[1].nonces.opened(both[0].nonces.fresh())
        assert number is not None
        assert await both[1].nonces.redeem(number)
        assert not await both[0].nonces.redeem(number)
