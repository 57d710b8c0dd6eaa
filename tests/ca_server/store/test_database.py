"""The database keeps what it answered, and one operation never harms its neighbours."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from ca_server.store import Conflict, Connection, Database, Duplicate, SynchronousDatabase, Unavailable
from ca_server.store.writer import Custody
from tests.ca_server.store.seats import ADD, SEAT, Refused, add, claim, how_many, names


async def test_what_was_answered_is_seen_by_the_next_look_up(database: Database) -> None:
    for number in range(20):
        await database.write(add, f"CN-{number:03}")
        assert await database.lookup(how_many) == number + 1
        assert database.look(how_many) == number + 1


async def test_a_look_up_sees_at_once_what_another_process_committed(database: Database, path: Path) -> None:
    assert database.look(names) == []
    other = SynchronousDatabase(path)
    other.write(add, "F123456-001")
    assert database.look(names) == ["F123456-001"]
    other.close()


async def test_a_commit_elsewhere_changes_the_version_and_a_look_does_not(database: Database, path: Path) -> None:
    before = database.data_version()
    database.look(names)
    assert database.data_version() == before
    other = SynchronousDatabase(path)
    other.write(add, "F123456-001")
    other.close()
    assert database.data_version() != before


async def test_a_look_and_a_long_read_see_one_state_from_beginning_to_end(database: Database, path: Path) -> None:
    """Statement by statement they would see the newest commits, and a list would contradict its count."""
    other = SynchronousDatabase(path)

    def twice(connection: Connection) -> tuple[int, int]:
        before = how_many(connection)
        other.write(add, f"{before}")
        return before, how_many(connection)

    assert database.look(twice) == (0, 0)
    assert await database.read(twice) == (1, 1)
    assert other.read(twice) == (2, 2)
    assert await database.read(how_many) == 3
    other.close()


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


@pytest.mark.parametrize("way", ["lookup", "read"])
async def test_what_looks_cannot_write(database: Database, way: str) -> None:
    with pytest.raises(Unavailable, match="readonly"):
        await getattr(database, way)(add, "F123456-001")
    assert database.look(names) == []


async def test_failing_operations_leave_their_neighbours_alone(database: Database) -> None:
    """Of 200 in the same turn every tenth raises after its write, and every tenth inserts a name twice."""
    await database.write(add, "taken")

    def refuse(connection: Connection, cn: str) -> str:
        add(connection, cn)
        raise Refused(cn)

    def duplicate(connection: Connection, cn: str) -> str:
        add(connection, cn)
        return add(connection, "taken")

    operations = [refuse if n % 10 == 3 else duplicate if n % 10 == 7 else add for n in range(200)]
    outcomes = await asyncio.gather(
        *(database.write(operation, f"{n:03}") for n, operation in enumerate(operations)), return_exceptions=True
    )
    for n, (operation, outcome) in enumerate(zip(operations, outcomes, strict=True)):
        if operation is refuse:
            assert isinstance(outcome, Refused)
            assert outcome.args == (f"{n:03}",)
        elif operation is duplicate:
            assert isinstance(outcome, Duplicate)
        else:
            assert outcome == f"{n:03}"
    stored = {f"{n:03}" for n, operation in enumerate(operations) if operation is add}
    assert set(database.look(names)) == stored | {"taken"}


async def test_a_name_taken_is_duplicate_even_where_the_operation_goes_through_sqlalchemy(database: Database) -> None:
    await database.write(add, "taken")
    with pytest.raises(Duplicate) as caught:
        await database.write(lambda c: c.execute(insert(SEAT).values(cn="taken", status="secret", count=0)).rowcount)
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"


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
    assert database.look(names) == ["other", "taken"]


async def test_of_a_hundred_racers_one_wins(database: Database) -> None:
    await database.write(add, "F123456-001")
    outcomes = await asyncio.gather(
        *(database.write(claim, "F123456-001", f"racer {n}") for n in range(100)), return_exceptions=True
    )
    winners = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 99
    status = database.look(lambda c: c.execute(select(SEAT.c.status)).scalar_one())
    assert status == winners[0]


@pytest.mark.parametrize(("callers", "writes", "commits"), [(1, 3, 3), (10, 1, 3), (5, 4, 5), (4, 6, 6)])
async def test_what_arrives_in_one_turn_shares_a_commit(path: Path, callers: int, writes: int, commits: int) -> None:
    """At most four here. Callers just answered who write again join those still waiting, so that no commit is idle."""
    database = await Database.open(path, batch_limit=4)
    versions = set()

    async def caller(letter: str) -> None:
        for n in range(writes):
            await database.write(add, f"{letter}{n}")
            versions.add(database.data_version())

    await asyncio.gather(*(caller("abcdefghij"[n]) for n in range(callers)))
    assert len(versions) == commits
    await database.close()


async def test_who_comes_within_three_turns_of_the_loop_shares_the_commit(database: Database) -> None:
    async def caller(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        await database.write(add, f"{turns}")
        return database.data_version()

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
    assert database.look(names) == kept


async def test_what_a_caller_cancelled_during_the_commit_asked_for_is_stored(database: Database) -> None:
    def add_and_cancel(connection: Connection, cn: str) -> str:
        asyncio.get_running_loop().call_soon(tasks[1].cancel)  # the turn after this one; nothing is answered before
        return add(connection, cn)

    tasks = [asyncio.create_task(database.write(add_and_cancel, f"{n}")) for n in range(3)]
    outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert isinstance(outcomes.pop(1), asyncio.CancelledError)
    assert outcomes == ["0", "2"]
    assert database.look(names) == ["0", "1", "2"]


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
        assert database.look(names) == []
    assert not writing.done()
    written.set()
    assert await writing == "F123456-001"
    assert database.look(names) == ["F123456-001"]
