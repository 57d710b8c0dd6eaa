"""A file of SQLite: what arrives together shares a commit, and the loop never waits for the disk."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from ca_server.store import Connection, Database, Duplicate, SynchronousDatabase
from ca_server.store.writer import Custody
from tests.ca_server.store.seats import ADD, add, how_many, names


async def test_an_operation_holds_the_lock_from_its_beginning(database: Database, path: Path) -> None:
    """Else what it read could change before it writes, and SQLite would refuse the write at once (BUSY_SNAPSHOT)."""

    def read_then_write(connection: Connection) -> str:
        name = f"{how_many(connection)}"
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            sqlite3.connect(path, timeout=0).execute("INSERT INTO seat VALUES ('foreign', 'free', NULL, 0)")
        return add(connection, name)

    assert await database.write(read_then_write) == "0"


@pytest.mark.parametrize(("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)])
async def test_commits_are_durable_and_references_checked(
    database: Database, path: Path, pragma: str, value: object
) -> None:
    def setting(connection: Connection) -> object:
        return connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()

    assert await database.write(setting) == value
    other = SynchronousDatabase(path)
    assert other.write(setting) == value
    other.close()


async def test_a_missing_value_is_a_fault_of_the_program_and_no_duplicate(database: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
        await database.write(lambda c: ADD.run(c, cn="F123456-001", status=None, evidence=None, count=0))


async def test_an_operation_may_go_on_after_a_duplicate(database: Database) -> None:
    await database.write(add, "taken")

    def add_either(connection: Connection) -> str:
        try:
            return add(connection, "taken")
        except Duplicate:
            return add(connection, "other")

    assert await database.write(add_either) == "other"
    assert await database.lookup(names) == ["other", "taken"]


@pytest.mark.parametrize(("callers", "writes", "commits"), [(1, 3, 3), (10, 1, 3), (5, 4, 5), (4, 6, 6)])
async def test_what_arrives_in_one_turn_shares_a_commit(path: Path, callers: int, writes: int, commits: int) -> None:
    """At most four here. Callers just answered who write again join those still waiting, so that no commit is idle."""
    database = await Database.open(path, batch_limit=4)
    versions = set()

    async def caller(letter: str) -> None:
        for n in range(writes):
            await database.write(add, f"{letter}{n}")
            versions.add(await database.data_version())

    await asyncio.gather(*(caller("abcdefghij"[n]) for n in range(callers)))
    assert len(versions) == commits
    await database.close()


async def test_who_comes_within_three_turns_of_the_loop_shares_the_commit(database: Database) -> None:
    async def caller(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        await database.write(add, f"{turns}")
        return await database.data_version()

    first, second, third, late = await asyncio.gather(*(caller(turns) for turns in (0, 1, 2, 9)))
    assert first == second == third < late


async def test_a_caller_cancelled_before_the_hand_over_leaves_no_trace(database: Database) -> None:
    tasks = [asyncio.create_task(database.write(add, f"{n:03}")) for n in range(300)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    kept = [f"{n:03}" for n in range(300) if n % 3]
    assert [outcome for outcome in outcomes if not isinstance(outcome, asyncio.CancelledError)] == kept
    assert await database.lookup(names) == kept


async def test_what_a_caller_cancelled_during_the_commit_asked_for_is_stored(database: Database) -> None:
    def add_and_cancel(connection: Connection, cn: str) -> str:
        asyncio.get_running_loop().call_soon(tasks[1].cancel)  # the turn after this one; nothing is answered before
        return add(connection, cn)

    tasks = [asyncio.create_task(database.write(add_and_cancel, f"{n}")) for n in range(3)]
    outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert isinstance(outcomes.pop(1), asyncio.CancelledError)
    assert outcomes == ["0", "2"]
    assert await database.lookup(names) == ["0", "1", "2"]


async def test_the_loop_goes_on_while_the_disk_is_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is seen by then, and nobody is answered."""
    written = threading.Event()

    def slow(_: Custody, action: int, *words: str | None) -> int:
        assert (action, words[0]) != (sqlite3.SQLITE_TRANSACTION, "COMMIT") or written.wait(5)
        return sqlite3.SQLITE_OK

    monkeypatch.setattr(Custody, "__call__", slow)
    writing = asyncio.create_task(database.write(add, "F123456-001"))
    for _ in range(10):
        await asyncio.sleep(0.01)
        assert await database.lookup(names) == []
    assert not writing.done()
    written.set()
    assert await writing == "F123456-001"
    assert await database.lookup(names) == ["F123456-001"]
