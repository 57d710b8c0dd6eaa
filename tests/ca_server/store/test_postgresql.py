"""PostgreSQL: races lose nothing, and of a lost connection it is known whether anything was kept."""

import asyncio
import concurrent.futures.thread
import gc
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from ca_server.store import Connection, Database, Duplicate, SynchronousDatabase, Unavailable, lines, postgresql
from ca_server.store.errors import Unsure
from ca_server.store.lines import connect
from ca_server.whereabouts import Cluster
from tests.ca_server import databases
from tests.ca_server.databases import Raw
from tests.ca_server.store.seats import ADD, METADATA, SEAT, add, how_many, names

CN = "F123456-001"


@pytest.fixture
def where(tmp_path: Path) -> Cluster:
    made = databases.empty(tmp_path)
    records = SynchronousDatabase(made)
    records.write(METADATA.create_all)
    records.close()
    return made


@pytest.fixture
async def database(where: Cluster) -> AsyncIterator[Database]:
    opened = await Database.open(where)
    yield opened
    await opened.close()


def add_one(connection: Connection) -> int:
    """Read, then write what was read and one more: at a weaker level of isolation this loses what others added."""
    count = connection.execute(select(SEAT.c.count).where(SEAT.c.cn == CN)).scalar_one()
    connection.execute(update(SEAT).where(SEAT.c.cn == CN).values(count=count + 1))
    return int(count)


def hang_up_others(raw: Raw) -> None:
    """End every connection to the database but the one that asks, as a crash of the server does."""
    raw.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def connections(where: Cluster) -> int:
    """Return how many of ours there are."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'warifu-ca' AND datname = current_database()"
    )
    return int(Raw(where).execute(query)[0][0])


def at_commit(raw: Raw, doing: str) -> None:
    """Have PostgreSQL do something while it commits an insertion."""
    raw.execute(f"CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {doing}; RETURN NULL; END $$")
    raw.execute(
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON seat DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION late()"
    )


def test_records_thrown_away_where_nothing_may_be_waited_for_hang_up(where: Cluster) -> None:
    records = SynchronousDatabase(where)
    assert connections(where) == 1
    with concurrent.futures.thread._global_shutdown_lock:  # as held by whom the collector interrupts
        del records
        gc.collect()
    while connections(where):
        time.sleep(0.01)


async def test_of_forty_that_read_and_then_write_at_the_same_time_none_is_lost(database: Database) -> None:
    await database.write(add, CN)
    outcomes = await asyncio.gather(*(database.write(add_one) for _ in range(40)))
    assert sorted(outcomes) == list(range(40))
    assert await database.lookup(lambda c: c.execute(select(SEAT.c.count)).scalar_one()) == 40


async def test_a_cancelled_caller_leaves_its_operation_to_its_end_and_the_connections_clean(
    database: Database, where: Cluster
) -> None:
    tasks = [asyncio.create_task(database.write(add, f"{n:02}")) for n in range(20)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    await database.close()  # waits for all that runs
    assert connections(where) == 0
    opened = await Database.open(where)
    assert await opened.lookup(how_many) == 20
    await opened.close()


async def test_an_operation_whose_connection_is_lost_before_the_commit_runs_again(
    database: Database, where: Cluster
) -> None:
    runs = []

    def broken_once(connection: Connection, cn: str) -> str:
        runs.append(cn)
        add(connection, cn)
        if len(runs) == 1:
            hang_up_others(Raw(where))
            how_many(connection)
        return cn

    assert await database.write(broken_once, CN) == CN
    assert runs == [CN, CN]
    assert await database.lookup(names) == [CN]


async def test_when_the_answer_to_commit_is_lost_the_caller_is_told_and_nothing_runs_twice(
    database: Database, where: Cluster
) -> None:
    at_commit(Raw(where), "PERFORM pg_terminate_backend(pg_backend_pid())")
    runs = []

    def counted(connection: Connection) -> str:
        runs.append(1)
        return add(connection, CN)

    with pytest.raises(Unsure, match="look whether it was kept"):
        await database.write(counted)
    assert runs == [1]


async def test_after_all_connections_were_lost_everybody_is_served_again(database: Database, where: Cluster) -> None:
    await asyncio.gather(*(database.write(add, f"a{n}") for n in range(10)))
    hang_up_others(Raw(where))
    await asyncio.gather(*(database.write(add, f"b{n}") for n in range(20)), database.read(names))
    assert await database.lookup(how_many) == 30


async def test_a_commit_takes_as_long_as_the_standby_takes(where: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A COMMIT that is cancelled while it waits for the synchronous standby counts as done without being safe."""
    monkeypatch.setitem(lines._SETTINGS, "statement_timeout", "200ms")
    at_commit(Raw(where), "PERFORM pg_sleep(0.5)")
    database = await Database.open(where)
    begun = time.monotonic()
    assert await database.write(add, CN) == CN
    assert time.monotonic() - begun > 0.5
    await database.close()


async def test_a_statement_that_takes_too_long_is_ended_and_its_connection_is_good(
    where: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(lines._SETTINGS, "statement_timeout", "100ms")
    database = await Database.open(where)
    with pytest.raises(Unavailable, match="statement timeout"):
        await database.write(lambda c: c.execute(text("SELECT pg_sleep(5)")).scalar())
    assert await database.read(lambda c: c.execute(text("SELECT pg_sleep(0.2)")).scalar()) is None
    assert await database.write(add, CN) == CN
    await database.close()


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
async def test_an_operation_cannot_end_its_transaction_unnoticed(database: Database, end: str) -> None:
    with pytest.raises(Unavailable, match="ended the transaction"):
        await database.write(lambda c: c.exec_driver_sql(end).close())
    assert await database.write(add, CN) == CN


async def test_an_operation_that_goes_on_after_an_error_is_not_answered(database: Database) -> None:
    """A plain COMMIT would roll it back and say nothing."""
    await database.write(add, CN)

    def swallow(connection: Connection) -> str:
        try:
            return add(connection, CN)
        except Duplicate:
            return "done"

    with pytest.raises(Unavailable, match="went on after an error"):
        await database.write(swallow)
    assert await database.write(add, "other") == "other"


async def test_no_error_shows_the_values_of_a_row(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    await database.write(add, "secret")
    with pytest.raises(Duplicate, match="seat_pkey") as taken:
        await database.write(add, "secret")
    missing = {"cn": "secret", "status": None, "evidence": None, "count": 0}
    with pytest.raises(DBAPIError) as incomplete:
        await database.write(lambda c: ADD.run(c, **missing))
    for caught in (taken, incomplete):
        logging.getLogger("test").error("a row was refused", exc_info=caught.value)
    assert caplog.text.count("a row was refused") == 2
    assert "asyncpg.exceptions.NotNullViolationError" in caplog.text
    assert "secret" not in caplog.text.replace('"secret"', "")


async def test_of_several_hosts_the_one_that_takes_writes_is_found(where: Cluster) -> None:
    socket = str(databases.cluster()).replace("/", "%2F")
    several = Cluster(f"postgresql://warifu@127.0.0.1:1,{socket}:5432/{databases._name(where)}")
    database = await Database.open(several)
    assert await database.write(add, CN) == CN
    await database.close()


async def test_a_host_that_takes_no_writes_is_none(where: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a standby looks, and a primary that became one: a write waits for another host, then it is refused."""
    database = await Database.open(where)
    monkeypatch.setattr(postgresql, "_SECONDS_TO_TRY", 0.3)
    Raw(where).execute(f"ALTER DATABASE {databases._name(where)} SET default_transaction_read_only = on")
    hang_up_others(Raw(where))
    with pytest.raises(Unavailable, match="cannot be reached"):
        await database.write(add, CN)
    await database.close()


async def test_a_server_that_is_not_there_is_unavailable_and_named_without_secrets(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("swordfish\n")
    password.chmod(0o600)
    with pytest.raises(Unavailable, match=r"postgresql://warifu@127\.0\.0\.1:1/ca cannot be reached") as caught:
        await Database.open(Cluster("postgresql://warifu@127.0.0.1:1/ca", password))
    assert "swordfish" not in str(caught.value)


async def test_a_password_that_others_may_read_is_refused(where: Cluster, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("swordfish\n")
    password.chmod(0o640)
    with pytest.raises(Unavailable, match="chmod 600"):
        await connect(Cluster(where.url, password))


def changed(where: Cluster, settings: str) -> None:
    """Make the database anew, otherwise than it is wanted."""
    name = databases._name(where)
    admin = Raw(databases._database("postgres"))
    admin.execute(f"DROP DATABASE {name}")
    admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 {settings}")


@pytest.mark.parametrize(
    "settings", ["LOCALE_PROVIDER icu ICU_LOCALE 'en'", "ENCODING 'SQL_ASCII'"], ids=["sorts by language", "no UTF-8"]
)
def test_a_database_of_other_characters_is_refused_with_the_way_to_make_one(where: Cluster, settings: str) -> None:
    changed(where, settings)
    with pytest.raises(Unavailable, match=r"createdb --template=template0 --encoding=UTF8 --locale=C"):
        SynchronousDatabase(where)


def test_a_database_that_answers_before_it_is_safe_is_refused(where: Cluster) -> None:
    Raw(where).execute(f"ALTER DATABASE {databases._name(where)} SET synchronous_commit = off")
    with pytest.raises(Unavailable, match="synchronous_commit is off"):
        SynchronousDatabase(where)


def test_what_is_not_closed_is_closed_when_it_is_forgotten(where: Cluster) -> None:
    records = SynchronousDatabase(where)
    assert records.write(add, CN) == CN
    assert connections(where) == 1
    del records
    deadline = time.monotonic() + 5
    while connections(where):
        assert time.monotonic() < deadline
        time.sleep(0.01)
