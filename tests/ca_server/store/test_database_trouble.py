"""The database in trouble: a full disk, a foreign lock, an operation that ends the transaction, a kill."""

import asyncio
import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ca_server.store import Conflict, Connection, Database, Duplicate, Overloaded, SynchronousDatabase, Unavailable
from ca_server.store.writer import Custody
from tests.ca_server.store.seats import ForeignLock, add, claim, how_many, names


async def test_a_full_disk_fails_one_operation_and_keeps_the_rest(database: Database) -> None:
    """SQLite gives up the whole transaction, so the batch runs again one by one."""
    runs = []

    def limit(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 20}").close()

    def counted(connection: Connection, cn: str, evidence: bytes | None) -> str:
        runs.append(cn)
        return add(connection, cn, evidence)

    def swallow(connection: Connection) -> None:
        with contextlib.suppress(Unavailable):
            add(connection, "big", bytes(1_000_000))

    await database.write(limit)
    outcomes = await asyncio.gather(
        *(database.write(counted, f"{n:02}", bytes(1_000_000) if n == 17 else None) for n in range(40)),
        return_exceptions=True,
    )
    full = outcomes.pop(17)
    assert isinstance(full, Unavailable)
    assert isinstance(full.__cause__, sqlite3.OperationalError)
    assert full.__cause__.sqlite_errorname == "SQLITE_FULL"
    assert outcomes == [f"{n:02}" for n in range(40) if n != 17]
    assert await database.lookup(names) == outcomes
    assert runs.count("16") == runs.count("17") == 2  # else this disk was never full in a batch
    with pytest.raises(Unavailable):
        await database.write(swallow)
    assert await database.write(add, "later") == "later"


async def test_a_commit_that_fails_keeps_the_neighbours(database: Database) -> None:
    """A deferred foreign key is refused only at COMMIT, when every operation of the batch has run.

    What one of them met of the offender's (a name taken) is judged anew when it runs alone.
    """

    def offend(connection: Connection) -> None:
        add(connection, "wanted by two")
        connection.exec_driver_sql("INSERT INTO linked VALUES ('nobody')")

    await database.write(
        lambda c: c.exec_driver_sql(
            "CREATE TABLE linked (cn TEXT REFERENCES seat(cn) DEFERRABLE INITIALLY DEFERRED)"
        ).close()
    )
    first, offender, second = await asyncio.gather(
        database.write(add, "1"), database.write(offend), database.write(add, "wanted by two"), return_exceptions=True
    )
    assert "FOREIGN KEY" in str(offender)
    assert (first, second) == ("1", "wanted by two")
    assert await database.lookup(names) == ["1", "wanted by two"]


async def test_a_foreign_lock_is_waited_for_while_the_loop_goes_on(database: Database, path: Path) -> None:
    lock = ForeignLock(path)
    writing = asyncio.create_task(database.write(add, "F123456-001"))
    begun = time.monotonic()
    turns = 0
    while time.monotonic() < begun + 0.3:
        await asyncio.sleep(0.01)
        assert await database.lookup(names) == []
        turns += 1
    assert turns > 10
    assert not writing.done()
    lock.release()
    assert await writing == "F123456-001"


async def test_a_foreign_lock_that_stays_fails_the_whole_batch_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the batch alone would wait as long again, and 64 of them for minutes."""
    monkeypatch.setattr("ca_server.store.sqlite._SECONDS_FOR_A_LOCK", 0.2)
    database = await Database.open(path)
    lock = ForeignLock(path)
    begun = time.monotonic()
    outcomes = await asyncio.gather(*(database.write(add, f"{n}") for n in range(20)), return_exceptions=True)
    assert time.monotonic() - begun < 2
    assert all(isinstance(outcome, Unavailable) and outcome.__cause__ is not None for outcome in outcomes)
    lock.release()
    assert await database.write(add, "later") == "later"
    assert await database.lookup(names) == ["later"]
    await database.close()


def _commit(connection: Connection) -> None:
    connection.commit()


def _roll_back(connection: Connection) -> None:
    connection.rollback()


def _close(connection: Connection) -> None:
    connection.close()


def _commit_in_words(connection: Connection) -> None:
    connection.exec_driver_sql("COMMIT")


def _commit_on_the_driver(connection: Connection) -> None:
    connection.get_execution_options()["driver"].commit()


@pytest.mark.parametrize("swallowed", [False, True], ids=["raised", "swallowed"])
@pytest.mark.parametrize("end", [_commit, _roll_back, _close, _commit_in_words, _commit_on_the_driver])
async def test_an_operation_cannot_end_the_transaction_of_its_neighbours(
    database: Database, end: Callable[[Connection], None], swallowed: bool
) -> None:
    """Whether it lets the refusal through or swallows it, what is answered is stored and what is not is not."""

    def offend(connection: Connection) -> str:
        add(connection, "offender")
        try:
            end(connection)
        except Exception:
            if not swallowed:
                raise
        return "offender"

    outcomes = await asyncio.gather(
        database.write(add, "1"), database.write(offend), database.write(add, "2"), return_exceptions=True
    )
    assert [outcomes[0], outcomes[2]] == ["1", "2"]
    answered = ["1", "2"] if isinstance(outcomes[1], Exception) else ["1", "2", "offender"]
    assert await database.lookup(names) == answered
    if swallowed:
        assert outcomes[1] == "offender" or isinstance(outcomes[1], Unavailable)
    else:
        assert isinstance(outcomes[1], Exception)
    assert await database.write(add, "later") == "later"
    assert await database.lookup(names) == sorted([*answered, "later"])


async def test_the_next_batch_has_another_connection_after_trouble(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the one in trouble cannot be given back; what its batch asked for runs again, once each."""

    def broken(connection: Connection) -> None:
        raise OSError("The connection could not be given back.")

    runs = []

    def counted(connection: Connection, cn: str) -> str:
        runs.append(cn)
        return add(connection, cn)

    def deny(_: Custody, action: int, *words: str | None) -> int:
        if (action, words[0]) != (sqlite3.SQLITE_TRANSACTION, "COMMIT"):
            return sqlite3.SQLITE_OK
        monkeypatch.undo()
        monkeypatch.setattr("sqlalchemy.Connection.close", broken)
        return sqlite3.SQLITE_DENY

    monkeypatch.setattr(Custody, "__call__", deny)
    answers = await asyncio.gather(database.write(counted, "1"), database.write(counted, "2"))
    assert list(answers) == ["1", "2"]
    assert runs == ["1", "2", "1", "2"]
    assert await database.write(counted, "3") == "3"
    assert await database.lookup(names) == ["1", "2", "3"]


async def test_an_operation_that_raises_stop_iteration_is_answered_too(database: Database) -> None:
    """A future cannot hold it: whoever tried would leave every caller of the batch waiting."""
    outcomes = await asyncio.wait_for(
        asyncio.gather(
            database.write(lambda connection: next(iter(()))), database.write(add, "1"), return_exceptions=True
        ),
        5,
    )
    assert isinstance(outcomes[0], RuntimeError)
    assert outcomes[1] == "1"


async def test_two_thousand_may_wait_and_no_more(database: Database) -> None:
    tasks = [asyncio.create_task(database.write(how_many)) for _ in range(2001)]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Overloaded)] == [2000]
    assert outcomes[:2000] == [0] * 2000
    assert await database.write(add, "later") == "later"


async def test_closing_answers_what_waits_and_refuses_what_comes(path: Path) -> None:
    database = await Database.open(path)
    tasks = [asyncio.create_task(database.write(add, f"{n:03}")) for n in range(150)]
    await asyncio.sleep(0)
    await database.close()
    assert await asyncio.gather(*tasks) == [f"{n:03}" for n in range(150)]
    with pytest.raises(Unavailable):
        await database.write(add, "late")
    after = SynchronousDatabase(path)
    assert after.read(how_many) == 150
    after.close()


async def test_a_file_that_is_missing_or_no_database_is_unavailable(tmp_path: Path) -> None:
    missing, letter = tmp_path / "missing.db", tmp_path / "letter.db"
    letter.write_text("Dear officer, " * 200)
    for file in (missing, letter):
        with pytest.raises(Unavailable):
            await Database.open(file)
        with pytest.raises(Unavailable):
            SynchronousDatabase(file)
    assert not missing.exists()


def test_the_command_line_runs_the_same_operations(path: Path) -> None:
    database = SynchronousDatabase(path)
    assert database.write(add, "F123456-001") == "F123456-001"
    with pytest.raises(Duplicate):
        database.write(add, "F123456-001")
    assert database.write(claim, "F123456-001", "officer") == "officer"
    with pytest.raises(Conflict):
        database.write(claim, "F123456-001", "another")
    assert database.read(names) == ["F123456-001"]
    database.close()


def test_a_list_on_the_command_line_never_makes_a_writer_wait(path: Path) -> None:
    database = SynchronousDatabase(path)
    lock = ForeignLock(path)
    assert database.read(names) == []
    lock.release()
    database.close()


ROOT = Path(__file__).parents[3]
CHILD = """
import asyncio, os, sys
from pathlib import Path
from ca_server.store import Database
from tests.ca_server.store.test_database import add

async def load(path):
    database = await Database.open(Path(path))
    async def caller(letter):
        for n in range(1_000_000):
            os.write(1, (await database.write(add, f"{letter}{n:06}") + "\\n").encode())
    await asyncio.gather(*(caller(letter) for letter in "abcdefghijkl"))

asyncio.run(load(sys.argv[1]))
"""


@pytest.mark.parametrize("answers", [50, 700])
def test_a_process_killed_under_load_loses_nothing_that_it_answered(path: Path, answers: int) -> None:
    program = [sys.executable, "-c", CHILD, str(path)]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        answered = [child.stdout.readline() for _ in range(answers)]
        child.send_signal(signal.SIGKILL)
        answered += child.stdout.readlines()
    told = {line.strip() for line in answered if line.endswith("\n")}
    assert len(told) >= answers
    after = SynchronousDatabase(path)
    stored = set(after.read(names))
    after.close()
    assert told <= stored
    assert len(stored - told) <= 64
