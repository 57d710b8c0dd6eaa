"""The database keeps what it answered, and one operation never harms its neighbours; in a file and in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from ca_server.store import Conflict, Connection, Database, Duplicate, SynchronousDatabase, Unavailable
from ca_server.whereabouts import Whereabouts
from tests.ca_server import databases
from tests.ca_server.store.seats import METADATA, SEAT, Refused, add, claim, how_many, names


@pytest.fixture(params=["a file", "PostgreSQL"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Whereabouts:
    made: Whereabouts = request.getfixturevalue("path") if request.param == "a file" else databases.empty(tmp_path)
    records = SynchronousDatabase(made)
    records.write(METADATA.create_all)
    records.close()
    return made


@pytest.fixture
async def database(where: Whereabouts) -> AsyncIterator[Database]:
    opened = await Database.open(where)
    yield opened
    await opened.close()


async def test_what_was_answered_is_seen_by_the_next_look_up(database: Database) -> None:
    for number in range(20):
        await database.write(add, f"CN-{number:03}")
        assert await database.lookup(how_many) == number + 1
        assert await database.read(how_many) == number + 1


async def test_a_look_up_sees_at_once_what_another_process_committed(database: Database, where: Whereabouts) -> None:
    assert await database.lookup(names) == []
    other = SynchronousDatabase(where)
    other.write(add, "F123456-001")
    assert await database.lookup(names) == ["F123456-001"]
    other.close()


async def test_a_commit_elsewhere_changes_the_version_and_a_look_does_not(
    database: Database, where: Whereabouts
) -> None:
    before = await database.data_version()
    await database.lookup(names)
    assert await database.data_version() == before
    other = SynchronousDatabase(where)
    other.write(add, "F123456-001")
    other.close()
    assert await database.data_version() != before


async def test_a_look_and_a_long_read_see_one_state_from_beginning_to_end(
    database: Database, where: Whereabouts
) -> None:
    """Statement by statement they would see the newest commits, and a list would contradict its count."""
    other = SynchronousDatabase(where)

    def twice(connection: Connection) -> tuple[int, int]:
        before = how_many(connection)
        other.write(add, f"{before}")
        return before, how_many(connection)

    assert await database.lookup(twice) == (0, 0)
    assert await database.read(twice) == (1, 1)
    reader = SynchronousDatabase(where)
    assert reader.read(twice) == (2, 2)
    assert await database.read(how_many) == 3
    reader.close()
    other.close()


@pytest.mark.parametrize("way", ["lookup", "read"])
async def test_what_looks_cannot_write(database: Database, way: str) -> None:
    with pytest.raises(Unavailable, match=r"read-?only"):
        await getattr(database, way)(add, "F123456-001")
    assert await database.lookup(names) == []


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
    assert set(await database.lookup(names)) == stored | {"taken"}


async def test_a_name_taken_is_duplicate_even_where_the_operation_goes_through_sqlalchemy(database: Database) -> None:
    await database.write(add, "taken")
    with pytest.raises(Duplicate) as caught:
        await database.write(lambda c: c.execute(insert(SEAT).values(cn="taken", status="secret", count=0)).rowcount)
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"


async def test_of_a_hundred_racers_one_wins(database: Database) -> None:
    await database.write(add, "F123456-001")
    outcomes = await asyncio.gather(
        *(database.write(claim, "F123456-001", f"racer {n}") for n in range(100)), return_exceptions=True
    )
    winners = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 99
    status = await database.lookup(lambda c: c.execute(select(SEAT.c.status)).scalar_one())
    assert status == winners[0]


async def test_an_operation_runs_in_the_context_of_whoever_asked_for_it(database: Database) -> None:
    whose: ContextVar[int] = ContextVar("whose")
    seen: list[tuple[int, int]] = []

    def look(connection: Connection, number: int) -> None:
        seen.append((number, whose.get()))

    async def ask(number: int) -> None:
        whose.set(number)
        await database.write(look, number)

    await asyncio.gather(*(ask(number) for number in range(8)))
    assert sorted(seen) == [(number, number) for number in range(8)]
