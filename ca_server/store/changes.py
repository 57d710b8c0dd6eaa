"""The records of administrator changes, one an application (DCM905)."""

import dataclasses
import datetime
from typing import Any

from sqlalchemy import bindparam, insert, or_, select, update

from ca_server.domain.administrators import Administrator, CallBack, Change, Half
from ca_server.domain.reasons import ChangeReason
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_c = tables.administrator_change.c
_INSERT = Statement(insert(tables.administrator_change))
_BY_NUMBER = Statement(
    select(
        _c.reason,
        _c.family_name,
        _c.given_name,
        _c.furigana,
        _c.email,
        _c.desired_on,
        _c.half,
        _c.failure,
        _c.called_by,
        _c.called_number,
        _c.called_person,
        _c.called_at,
    ).where(_c.application == bindparam("number"))
)
_CALL_BACK = Statement(
    update(tables.administrator_change)
    .where(_c.application == bindparam("number"), _c.half != Half.DONE, _c.called_by.is_(None))
    .values(
        called_by=bindparam("officer"),
        called_number=bindparam("dialled"),
        called_person=bindparam("person"),
        called_at=bindparam("now"),
    )
)
_FAIL = Statement(
    update(tables.administrator_change)
    .where(
        _c.application == bindparam("number"),
        _c.half != Half.DONE,
        or_(_c.failure.is_(None), _c.failure != bindparam("trouble")),  # what is known is not written again and again
    )
    .values(half=Half.FAILED, failure=bindparam("trouble"))
)
_DONE = Statement(
    update(tables.administrator_change)
    .where(_c.application == bindparam("number"), _c.half != Half.DONE)
    .values(half=Half.DONE, failure=None, changed_at=bindparam("now"), former_name=bindparam("former"))
)
_CHANGED = Statement(
    select(_c.changed_at, _c.former_name, _c.family_name, _c.given_name).where(_c.application == bindparam("number"))
)


def add(connection: Connection, number: int, change: Change) -> None:
    """Put what application `number` asks for on record."""
    _INSERT.run(
        connection,
        application=number,
        reason=change.reason,
        desired_on=None if change.desired_on is None else change.desired_on.isoformat(),
        half=change.half,
        failure=None,
        called_by=None,
        called_number=None,
        called_person=None,
        called_at=None,
        changed_at=None,
        former_name=None,
        **dataclasses.asdict(change.successor),
    )


def find(connection: Connection, number: int) -> Change | None:
    """Return what the application asks for, or None when it is no administrator change."""
    row = _BY_NUMBER.one(connection, number=number)
    return None if row is None else _change(row)


def call_back(connection: Connection, number: int, call: CallBack) -> None:
    """Record a call-back. Raises Conflict when there was one, or the change was carried out."""
    _CALL_BACK.must(
        connection, number=number, officer=call.officer, dialled=call.number, person=call.spoke_to, now=call.at
    )


def fail(connection: Connection, number: int, trouble: str) -> bool:
    """Record that the change could not be carried out, and tell whether that is new; it stays due."""
    return _FAIL.run(connection, number=number, trouble=trouble) == 1


def done(connection: Connection, number: int, former_name: str, now: int) -> None:
    """Record that the change was carried out, and whose place was taken. Raises Conflict when it was before."""
    _DONE.must(connection, number=number, former=former_name, now=now)


def carried_out(connection: Connection, number: int) -> tuple[int | None, str | None, str]:
    """Return (moment, name of the former administrator, name of the new one); the first two None before it is done."""
    row = _CHANGED.one(connection, number=number)
    if row is None:
        raise LookupError(f"application {number} changes no administrator")
    return row[0], row[1], f"{row[2]} {row[3]}"


def _change(row: tuple[Any, ...]) -> Change:
    reason, family_name, given_name, furigana, email, desired_on, half, failure, officer, number, person, at = row
    return Change(
        ChangeReason(reason),
        Administrator(family_name, given_name, furigana, email),
        None if desired_on is None else datetime.date.fromisoformat(desired_on),
        Half(half),
        failure,
        None if officer is None else CallBack(officer, number, person, at),
    )
