"""Nonces that several servers redeem together: each once, wherever, and none from before a crash of the database."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from ca_server.clock import HOUR
from ca_server.store import Unavailable, migrations
from ca_server.store.nonces import NonceMemory
from ca_server.web.nonces import SharedNonces
from ca_server.whereabouts import Cluster
from tests.ca_server.databases import empty
from tests.ca_server.paper import NOW


class Watch:
    """A clock that is set."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> int:
        return self.time


class Server:
    """One of the servers: its connection, and its nonces."""

    def __init__(self, cluster: Cluster, watch: Watch) -> None:
        self.memory = NonceMemory(cluster)
        self.nonces = SharedNonces(self.memory, watch)

    async def redeem(self, nonce: str) -> bool:
        found = self.nonces.opened(nonce)
        return found is not None and await self.nonces.redeem(found)


class Servers:
    """Two servers on one database, and somebody who is none."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.watch = Watch()
        self.first, self.second = Server(cluster, self.watch), Server(cluster, self.watch)

    async def ask(self, statement: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.cluster.url)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    where = empty(tmp_path_factory.mktemp("nonces"))
    migrations.upgrade(where)
    return where


@pytest.fixture
async def servers(cluster: Cluster) -> AsyncIterator[Servers]:
    both = Servers(cluster)
    for each in (both.first, both.second):
        await each.nonces.renew()
    yield both
    for each in (both.first, both.second):
        await each.memory.close()


async def test_both_tables_are_such_as_a_crash_empties(servers: Servers) -> None:
    found = await servers.ask(
        "SELECT relname::text FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r' ORDER BY 1"
    )
    assert [row[0] for row in found] == ["nonce_key", "redeemed_nonce"]


async def test_a_nonce_of_one_server_is_redeemed_at_the_other_and_then_at_none(servers: Servers) -> None:
    nonce = servers.first.nonces.fresh()
    assert await servers.second.redeem(nonce)
    assert not await servers.first.redeem(nonce)
    assert not await servers.second.redeem(nonce)


async def test_of_many_at_once_at_both_servers_one_is_the_first(servers: Servers) -> None:
    nonces = [servers.first.nonces.fresh() for _ in range(50)]
    tries = [(nonce, server.redeem(nonce)) for nonce in nonces for server in (servers.first, servers.second) * 3]
    redeemed = await asyncio.gather(*(each for _, each in tries))
    good = [nonce for (nonce, _), was_first in zip(tries, redeemed, strict=True) if was_first]
    assert sorted(good) == sorted(nonces)


async def test_nonces_never_repeat_among_servers(servers: Servers) -> None:
    both = [server.nonces.fresh() for server in (servers.first, servers.second) for _ in range(1000)]
    assert len(set(both)) == 2000


async def test_a_nonce_of_an_hour_ago_is_good_and_no_older_one(servers: Servers) -> None:
    first, second = (servers.first.nonces.fresh() for _ in range(2))
    servers.watch.time += HOUR
    assert await servers.second.redeem(first)
    servers.watch.time += 1
    assert not await servers.second.redeem(second)


async def test_what_is_forgotten_is_no_nonce_any_more(servers: Servers) -> None:
    nonce = servers.first.nonces.fresh()
    assert await servers.first.redeem(nonce)
    await servers.first.nonces.forget(servers.watch.time)
    assert not await servers.second.redeem(nonce)
    servers.watch.time += 2 * HOUR
    await servers.first.nonces.forget(servers.watch.time)
    assert await servers.ask("SELECT count(*) FROM redeemed_nonce WHERE at <= " + str(NOW)) == [(0,)]
    assert not await servers.second.redeem(nonce)


async def test_after_a_crash_of_the_database_every_old_nonce_is_bad_and_the_next_good(servers: Servers) -> None:
    used, unused = (servers.first.nonces.fresh() for _ in range(2))
    assert await servers.first.redeem(used)
    await servers.ask("TRUNCATE nonce_key, redeemed_nonce")
    assert not await servers.first.redeem(used)
    assert not await servers.second.redeem(unused)
    assert await servers.second.redeem(servers.first.nonces.fresh())


async def test_a_nonce_opened_before_a_crash_is_not_redeemed_as_one_of_the_time_after(servers: Servers) -> None:
    used = servers.first.nonces.fresh()
    assert await servers.first.redeem(used)
    again = servers.first.nonces.opened(used)
    assert again is not None
    await servers.ask("TRUNCATE nonce_key, redeemed_nonce")
    await servers.first.nonces.renew()
    assert not await servers.first.nonces.redeem(again)


async def test_a_server_that_lost_its_connection_goes_on(servers: Servers) -> None:
    nonce = servers.first.nonces.fresh()
    assert await servers.first.redeem(servers.first.nonces.fresh())
    await servers.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'warifu-ca'")
    assert await servers.first.redeem(nonce)


async def test_where_there_is_no_database_nothing_is_redeemed(tmp_path: Path) -> None:
    server = Server(Cluster(f"postgresql://warifu@/nothing?host={tmp_path}"), Watch())
    with pytest.raises(Unavailable):
        await asyncio.gather(*(server.redeem(server.nonces.fresh()) for _ in range(3)))
