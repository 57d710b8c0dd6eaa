"""A table of seats, and the operations on it that these tests run."""

import sqlite3
from pathlib import Path

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text, bindparam, func, insert, select, update

from ca_server.store import Connection
from ca_server.store.statement import Statement

METADATA = MetaData()
SEAT = Table(
    "seat",
    METADATA,
    Column("cn", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("evidence", LargeBinary),
    Column("count", Integer, nullable=False),
)
ADD = Statement(insert(SEAT))
ALL = Statement(select(SEAT.c.cn).order_by(SEAT.c.cn))
HOW_MANY = Statement(select(func.count()).select_from(SEAT))
CLAIM = Statement(
    update(SEAT).where(SEAT.c.cn == bindparam("name"), SEAT.c.status == "free").values(status=bindparam("winner"))
)


class Refused(Exception):
    """What an operation of these tests raises."""


def add(connection: Connection, cn: str, evidence: bytes | None = None) -> str:
    ADD.run(connection, cn=cn, status="free", evidence=evidence, count=0)
    return cn


def claim(connection: Connection, cn: str, winner: str) -> str:
    CLAIM.must(connection, name=cn, winner=winner)
    return winner


def names(connection: Connection) -> list[str]:
    return [row[0] for row in ALL.all(connection)]


def how_many(connection: Connection) -> int:
    row = HOW_MANY.one(connection)
    assert row is not None
    return int(row[0])


class ForeignLock:
    """Another process's write transaction: this one's too, but on a connection that knows nothing of ours."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()
