"""The records of seats."""

from sqlalchemy import bindparam, insert, select, update

from ca_server.domain.seats import Seat, SeatStatus
from ca_server.errors import NotFound
from ca_server.language import sentence
from ca_server.store import audit, tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement
from protocol.names import CommonName

_c = tables.seat.c
_INSERT = Statement(insert(tables.seat))
_BY_CN = Statement(select(_c.cn, _c.status, _c.status_before_suspension).where(_c.cn == bindparam("name")))
_APPLICATION = Statement(select(_c.application).where(_c.cn == bindparam("name")))
_MOVE = Statement(
    update(tables.seat)
    .where(_c.cn == bindparam("name"), _c.status == bindparam("before"))
    .values(status=bindparam("after"), status_before_suspension=bindparam("remembered"))
)
_ACTIVATE = Statement(
    update(tables.seat)
    .where(_c.cn == bindparam("name"), _c.status == SeatStatus.APPROVED)
    .values(status=SeatStatus.ACTIVE)
)
_LABEL = Statement(update(tables.seat).where(_c.cn == bindparam("name")).values(label=bindparam("words")))


def add(connection: Connection, cn: CommonName, application: int, now: int, actor: str) -> None:
    """Put an approved seat on record."""
    _INSERT.run(
        connection,
        cn=str(cn),
        institution=str(cn.institution),
        number=cn.number,
        status=SeatStatus.APPROVED,
        status_before_suspension=None,
        application=application,
        approved_at=now,
    )
    audit.record(connection, now, actor, "seat approved", str(cn), application=application)


def find(connection: Connection, cn: CommonName) -> Seat | None:
    """Return the seat, or None when the CN was never assigned."""
    row = _BY_CN.one(connection, name=str(cn))
    if row is None:
        return None
    return Seat(cn, SeatStatus(row[1]), None if row[2] is None else SeatStatus(row[2]))


def get(connection: Connection, cn: CommonName) -> Seat:
    """Return the seat. Raises NotFound when the CN was never assigned."""
    seat = find(connection, cn)
    if seat is None:
        raise NotFound(sentence("There is no certificate {cn}; see `warifu-ca certificate list`.", cn=cn))
    return seat


def application_of(connection: Connection, cn: CommonName) -> int | None:
    """Return the number of the application that the seat was approved by, or None for an unknown one."""
    row = _APPLICATION.one(connection, name=str(cn))
    return None if row is None else row[0]


def move(connection: Connection, before: Seat, after: Seat, now: int, actor: str, **detail: str) -> None:
    """Write the seat's next state, and an entry with `detail`. Raises Conflict when it moved meanwhile."""
    _MOVE.must(
        connection,
        name=str(before.cn),
        before=before.status,
        after=after.status,
        remembered=after.status_before_suspension,
    )
    is_released = before.status is SeatStatus.SUSPENDED and after.status is before.status_before_suspension
    action = "seat released" if is_released else f"seat {after.status}"
    audit.record(connection, now, actor, action, str(after.cn), **detail)


def label(connection: Connection, cn: CommonName, words: str | None, now: int, actor: str) -> None:
    """Write the institution's own name of the PC that the CN is on, or take it away. Raises Conflict without seat."""
    _LABEL.must(connection, name=str(cn), words=words)
    audit.record(connection, now, actor, "PC labelled", str(cn), label=words)


def activate(connection: Connection, cn: str) -> None:
    """Make an approved seat active with its first certificate; the entry that records the certificate says so."""
    _ACTIVATE.run(connection, name=cn)
