"""The records of telephone calls on which an officer revoked or suspended a CN at once (requirements A9).

A form is owed from then on until one that names the CN arrives, if none is under way already; whether it has is read
from the applications, so a form that is returned or withdrawn is owed again. A suspension is over when it was released,
or when its CN was revoked.
"""

import dataclasses
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, or_, select, update

from ca_server.domain.applications import OPEN, Status
from ca_server.domain.reasons import Reason
from ca_server.domain.seats import SeatStatus
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_c = tables.call.c
_COLUMNS = (
    _c.id,
    _c.cn,
    _c.act,
    _c.reason,
    _c.caller,
    _c.officer,
    _c.at,
    _c.application,
    _c.held_until,
    _c.released_at,
)
_CALLS = select(*_COLUMNS)
_FORM_CAME = (
    select(tables.application.c.number)
    .join_from(
        tables.application_item,
        tables.application,
        tables.application_item.c.application == tables.application.c.number,
    )
    .where(
        tables.application_item.c.cn == _c.cn,
        or_(
            tables.application.c.filed_at >= _c.at,
            tables.application.c.approved_at >= _c.at,
            tables.application.c.status.in_(OPEN),
        ),
        tables.application.c.status.not_in((Status.RETURNED, Status.WITHDRAWN)),
    )
    .correlate(tables.call)
)
_later = tables.call.alias("later")
_CALLED_AGAIN = select(_later.c.id).where(_later.c.cn == _c.cn, _later.c.at > _c.at).correlate(tables.call).exists()
_INSERT = Statement(insert(tables.call))
_BY_ID = Statement(_CALLS.where(_c.id == bindparam("call")))
_OWED = Statement(_CALLS.where(_c.cn == bindparam("name"), _c.released_at.is_(None), ~_FORM_CAME.exists()).limit(1))
_OWED_SINCE = Statement(
    _CALLS.where(_c.released_at.is_(None), _c.reminded_at <= bindparam("since"), ~_FORM_CAME.exists(), ~_CALLED_AGAIN)
    .order_by(_c.at, _c.id)
    .limit(bindparam("most"))
)
_REMIND = Statement(
    update(tables.call)
    .where(_c.id == bindparam("call"), _c.reminded_at <= bindparam("since"))
    .values(reminded_at=bindparam("now"))
)
_STANDING = Statement(
    _CALLS.where(_c.cn == bindparam("name"), _c.act == "suspended", _c.released_at.is_(None))
    .order_by(_c.at.desc())
    .limit(1)
)
_OVER = Statement(
    _CALLS.join_from(tables.call, tables.seat, _c.cn == tables.seat.c.cn).where(
        _c.held_until <= bindparam("now"),
        _c.released_at.is_(None),
        tables.seat.c.status == SeatStatus.SUSPENDED,
        ~_FORM_CAME.where(
            tables.application.c.status.in_(OPEN),
            tables.application_item.c.reason.in_([reason for reason in Reason if reason.urgent]),
        ).exists(),
    )
)
_RELEASE = Statement(
    update(tables.call)
    .where(_c.cn == bindparam("name"), _c.act == "suspended", _c.released_at.is_(None))
    .values(released_at=bindparam("now"), published_at=None)
)
_ON_FORM = Statement(select(_c.id).where(_c.cn == bindparam("name"), _c.application == bindparam("number")).limit(1))
_UNPUBLISHED = (
    select(_c.id, _c.released_at).where(_c.act == "suspended", _c.published_at.is_(None)).order_by(_c.at, _c.id)
)
_WAITING = Statement(_UNPUBLISHED)
_ONE_WAITS = Statement(_UNPUBLISHED.limit(1))
_PUBLISHED = Statement(
    update(tables.call)
    .where(_c.id == bindparam("call"), _c.released_at.is_not_distinct_from(bindparam("released")))
    .values(published_at=bindparam("now"))
)


class Act(StrEnum):
    """What an officer did on a call."""

    REVOKED = "revoked"
    SUSPENDED = "suspended"


@dataclasses.dataclass(frozen=True)
class Call:
    """One call: who called, what the officer did, and until when a hold lasts that ends by itself."""

    id: str
    cn: str
    act: Act
    reason: Reason
    caller: str
    officer: str
    at: int
    application: int | None = None
    """The returned urgent form on which the CN is held, in place of a call."""
    held_until: int | None = None
    released_at: int | None = None


class Hold(NamedTuple):
    """A suspension whose beginning or end no CRL has shown."""

    call_id: str
    released_at: int | None


def add(connection: Connection, call: Call) -> None:
    """Put a call on record; a form is owed from now on."""
    _INSERT.run(connection, **vars(call), reminded_at=call.at, published_at=None)


def get(connection: Connection, call_id: str) -> Call | None:
    """Return the call, or None."""
    return _call(_BY_ID.one(connection, call=call_id))


def form_owed(connection: Connection, cn: str) -> bool:
    """Tell whether the CN was revoked or suspended on a call and no form for it came since."""
    return _OWED.one(connection, name=cn) is not None


def owed_since(connection: Connection, since: int, most: int) -> list[Call]:
    """Return the last call about each CN whose form is owed and was asked for at or before `since`, oldest first."""
    return [Call(*_typed(row)) for row in _OWED_SINCE.all(connection, since=since, most=most)]


def remind(connection: Connection, call: Call, since: int, now: int) -> None:
    """Record that the form was asked for. Raises Conflict when another server did."""
    _REMIND.must(connection, call=call.id, since=since, now=now)


def standing(connection: Connection, cn: str) -> Call | None:
    """Return the suspension that the CN is under, or None."""
    return _call(_STANDING.one(connection, name=cn))


def over(connection: Connection, now: int) -> list[Call]:
    """Return suspensions whose time has run out, whose CN is still suspended, and for which no urgent form came."""
    return [Call(*_typed(row)) for row in _OVER.all(connection, now=now)]


def release(connection: Connection, cn: str, now: int) -> None:
    """Record that the CN's suspension ended."""
    _RELEASE.run(connection, name=cn, now=now)


def held_on(connection: Connection, cn: str, number: int) -> bool:
    """Tell whether the CN was held on this returned form before."""
    return _ON_FORM.one(connection, name=cn, number=number) is not None


def unpublished(connection: Connection) -> list[Hold]:
    """Return the suspensions whose beginning or end no CRL shows yet, oldest first."""
    return [Hold(*row) for row in _WAITING.all(connection)]


def one_waits(connection: Connection) -> bool:
    """Tell whether a suspension's beginning or end waits for a CRL."""
    return _ONE_WAITS.one(connection) is not None


def published(connection: Connection, hold: Hold, now: int) -> None:
    """Record that a CRL shows a suspension as it was when the CRL was begun; one released since then waits on."""
    _PUBLISHED.run(connection, call=hold.call_id, released=hold.released_at, now=now)


def _call(row: tuple[object, ...] | None) -> Call | None:
    return None if row is None else Call(*_typed(row))


def _typed(row: tuple[object, ...]) -> tuple[Any, ...]:
    return (row[0], row[1], Act(str(row[2])), Reason(str(row[3])), *row[4:])
