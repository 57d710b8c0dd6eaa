"""A statement answers the same on the driver's connection and through SQLAlchemy's."""

import asyncio
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asyncpg import PostgresError
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    create_engine,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg

import ca_server.store
from ca_server.store import Conflict, Duplicate, SynchronousDatabase, Unavailable, migrations, tables
from ca_server.store.lines import connect
from ca_server.store.statement import Statement
from ca_server.whereabouts import Cluster
from tests.ca_server import databases

METADATA = MetaData()
SEAT = Table(
    "seat",
    METADATA,
    Column("cn", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("evidence", LargeBinary),
    Column("count", tables.Integer, nullable=False),
)
ROWS: list[dict[str, Any]] = [
    {"cn": "F123456-001", "status": "free", "evidence": b"\x00\xff", "count": 2**53},
    {"cn": "F123456-002", "status": "waiting", "evidence": None, "count": -1},
    {"cn": "日本語", "status": "free", "evidence": b"", "count": 0},
]
SELECTS: list[tuple[Any, dict[str, object]]] = [
    (select(SEAT).order_by(SEAT.c.cn), {}),
    (select(SEAT.c.cn, SEAT.c.evidence).where(SEAT.c.cn == bindparam("name")), {"name": "F123456-001"}),
    (select(SEAT.c.cn).where(SEAT.c.cn == bindparam("name")), {"name": "nobody"}),
    (select(SEAT.c.cn).where(SEAT.c.status.in_(["free", "waiting"]), SEAT.c.count > bindparam("least")), {"least": -1}),
    (select(SEAT.c.cn).where(SEAT.c.status == "free").order_by(SEAT.c.cn).limit(bindparam("most")), {"most": 1}),
    (select(SEAT.c.cn).order_by(SEAT.c.cn).limit(1).offset(2), {}),
    (select(func.count(), func.coalesce(func.max(SEAT.c.count), bindparam("none"))), {"none": 7}),
    (select(SEAT.c.cn).where(SEAT.c.evidence.is_(None)), {}),
    (select(SEAT.c.cn).where(SEAT.c.cn.like(bindparam("start") + "%")), {"start": "日"}),
]
WRITES: list[tuple[Any, dict[str, object]]] = [
    (insert(SEAT), {"cn": "new", "status": "free", "evidence": None, "count": 1}),
    (insert(SEAT).values(status="free"), {"cn": "new", "count": 1}),
    (update(SEAT).where(SEAT.c.status == "free").values(count=SEAT.c.count + bindparam("more")), {"more": 2}),
    (update(SEAT).where(SEAT.c.cn == bindparam("name")).values(evidence=None), {"name": "F123456-001"}),
    (update(SEAT).where(SEAT.c.cn == bindparam("name")).values(status=bindparam("after")), {"name": "", "after": "x"}),
    (delete(SEAT).where(SEAT.c.status.in_(["free", "lost"])), {}),
]


@pytest.fixture(scope="module", params=["a file", "PostgreSQL"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SynchronousDatabase]:
    """The rows, which no test of this fixture changes for good."""
    folder = tmp_path_factory.mktemp("statements")
    (folder / "records.db").touch()
    opened = SynchronousDatabase(folder / "records.db" if request.param == "a file" else databases.empty(folder))
    opened.write(_fill)
    yield opened
    opened.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SynchronousDatabase]:
    file = tmp_path / "records.db"
    file.touch()
    opened = SynchronousDatabase(file)
    opened.write(_fill)
    yield opened
    opened.close()


def _fill(connection: Connection) -> None:
    METADATA.create_all(connection)
    connection.execute(insert(SEAT), ROWS)


def _rows(connection: Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(select(SEAT).order_by(SEAT.c.cn))]


class Met(Exception):
    """What a write met; raised, so that nothing of it is kept."""


@pytest.mark.parametrize(("core", "parameters"), SELECTS)
def test_rows_are_the_same_by_the_driver_and_by_sqlalchemy(
    filled: SynchronousDatabase, core: Any, parameters: dict[str, object]
) -> None:
    statement = Statement(core)
    wanted = filled.read(lambda c: [tuple(row) for row in c.execute(core, parameters)])
    for _ in ("compiled now", "compiled before"):
        assert filled.read(lambda c: statement.all(c, **parameters)) == wanted
        assert filled.read(lambda c: statement.one(c, **parameters)) == (wanted[0] if wanted else None)


@pytest.mark.parametrize(("core", "parameters"), WRITES)
def test_writes_meet_the_same_rows_by_the_driver_and_by_sqlalchemy(
    filled: SynchronousDatabase, core: Any, parameters: dict[str, object]
) -> None:
    def by_driver(connection: Connection) -> None:
        raise Met(Statement(core).run(connection, **parameters), _rows(connection))

    def by_sqlalchemy(connection: Connection) -> None:
        raise Met(connection.execute(core, parameters).rowcount, _rows(connection))

    found = []
    for way in (by_driver, by_sqlalchemy):
        with pytest.raises(Met) as met:
            filled.write(way)
        found.append(met.value.args)
    assert found[0] == found[1]


def test_without_the_drivers_connection_it_runs_through_sqlalchemy() -> None:
    """This is how it runs on aiosqlite."""
    with create_engine("sqlite://").begin() as connection:
        _fill(connection)
        named = Statement(select(SEAT.c.status).where(SEAT.c.cn == bindparam("name")))
        assert named.one(connection, name="F123456-001") == ("free",)
        assert named.all(connection, name="nobody") == []
        Statement(delete(SEAT).where(SEAT.c.cn == bindparam("name"))).must(connection, name="F123456-001")
        with pytest.raises(Duplicate):
            Statement(insert(SEAT)).run(connection, **ROWS[1])


def test_a_guard_that_meets_no_row_is_a_conflict(database: SynchronousDatabase) -> None:
    take = Statement(update(SEAT).where(SEAT.c.cn == bindparam("name"), SEAT.c.status == "free").values(status="taken"))
    database.write(lambda c: take.must(c, name="F123456-001"))
    with pytest.raises(Conflict):
        database.write(lambda c: take.must(c, name="F123456-001"))


def test_a_value_taken_is_a_duplicate_that_names_the_column_and_not_the_value(database: SynchronousDatabase) -> None:
    with pytest.raises(Duplicate, match=r"seat\.cn") as caught:
        database.write(lambda c: Statement(insert(SEAT)).run(c, **ROWS[0]))
    assert "F123456-001" not in str(caught.value)


def test_writing_where_only_reading_is_meant_is_refused(database: SynchronousDatabase) -> None:
    with pytest.raises(Unavailable, match="readonly"):
        database.read(lambda c: Statement(delete(SEAT)).run(c))


@pytest.mark.parametrize("second", [{"name": "x"}, {"name": "x", "after": "y", "more": "z"}, {}])
def test_parameters_other_than_the_first_ones_are_refused(
    database: SynchronousDatabase, second: dict[str, object]
) -> None:
    """A column forgotten would be NULL, and one too many would be lost, in silence."""
    move = Statement(update(SEAT).where(SEAT.c.cn == bindparam("name")).values(status=bindparam("after")))
    database.write(lambda c: move.run(c, name="F123456-001", after="waiting"))
    with pytest.raises(TypeError):
        database.write(lambda c: move.run(c, **second))


def _found() -> list[tuple[str, Any]]:
    return [
        (f"{module.name.rpartition('.')[2]}.{name}", value._core)
        for module in pkgutil.iter_modules(ca_server.store.__path__, "ca_server.store.")
        for name, value in vars(importlib.import_module(module.name)).items()
        if isinstance(value, Statement)
    ]


@pytest.mark.parametrize("core", [pytest.param(core, id=name) for name, core in _found()])
def test_no_parameter_of_a_statement_is_taken_for_a_column(core: Any) -> None:
    """`Connection.execute` would SET a column that has a parameter's name; on the driver that went unnoticed."""
    if core.is_insert:
        return
    plain = core.compile(dialect=sqlite.dialect())
    names = [name for name, bind in plain.binds.items() if bind.required]
    assert str(core.compile(dialect=sqlite.dialect(), column_keys=names)) == str(plain)


@pytest.fixture(scope="module")
def present(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """A database of PostgreSQL of the present schema."""
    where = databases.empty(tmp_path_factory.mktemp("present"))
    migrations.upgrade(where)
    return where


def test_postgresql_understands_every_statement(present: Cluster) -> None:
    """It looks up names and types when it prepares one; asyncpg's dialect tells it the types of parameters."""
    dialect = asyncpg.dialect()
    wrong = []

    async def prepare() -> None:
        connection = await connect(present)
        for name, core in _found():
            values = core.compile().binds if core.is_insert else {}
            compiled = core.compile(dialect=dialect, column_keys=list(values) or None)
            text = str(compiled.construct_expanded_state(dict.fromkeys(compiled.binds)).statement)
            try:
                await connection.prepare(text)
            except PostgresError as error:
                wrong.append(f"{name}: {error}")
        await connection.close()

    asyncio.run(prepare())
    assert wrong == []


@pytest.mark.parametrize("column", [c for t in tables.metadata.tables.values() for c in t.columns], ids=str)
def test_columns_are_texts_numbers_and_bytes_without_defaults_of_python(column: Column[Any]) -> None:
    """Statements pass over what SQLAlchemy would do to values on their way."""
    assert isinstance(column.type, Text | BigInteger | LargeBinary) or column.type.python_type is str
    assert column.default is None
    assert column.onupdate is None
