"""The audit log: one entry for each state move, decision and privileged reading, written in the transaction of what
it records.

Entries have no place yet: a sequencer gives each its number afterwards (`audit_tree`), so that writers never wait for
one another. Ids sort as entries were written. Never a secret: callers hand in ids, names and numbers. Control
characters are escaped by JSON. What names a person goes into the detail, under a name of `audit_entry.PERSONAL`.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Final

from sqlalchemy import String, bindparam, func, insert, or_, select

from ca_server.domain.audit_entry import encoded, without_commitments
from ca_server.ids import new_id
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

DONE: Final = "done"
REFUSED: Final = "refused"
FAILED: Final = "failed"

_a = tables.audit.c
_INSERT = Statement(insert(tables.audit))
_OF_SUBJECT = Statement(
    select(_a.at, _a.actor, _a.action, _a.detail, _a.place, _a.salt)
    .where(_a.subject == bindparam("subject"))
    .order_by(_a.at, _a.id)
)
_NO_TEXT = ""
_CHOSEN = Statement(
    select(_a.place, _a.id, _a.at, _a.actor, _a.action, _a.subject, _a.result, _a.detail, _a.salt)
    .where(
        or_(bindparam("about", type_=String) == _NO_TEXT, _a.subject == bindparam("about", type_=String)),
        or_(bindparam("what", type_=String) == _NO_TEXT, _a.action == bindparam("what", type_=String)),
        or_(bindparam("how", type_=String) == _NO_TEXT, _a.result == bindparam("how", type_=String)),
        or_(
            bindparam("who", type_=String) == _NO_TEXT,
            _a.actor == bindparam("who", type_=String),
            func.substr(_a.actor, 1, func.length(bindparam("who", type_=String)) + 1)
            == bindparam("who", type_=String).concat("@"),
        ),
        _a.at >= bindparam("since"),
        _a.at < bindparam("until"),
    )
    .order_by(_a.id.desc())
    .limit(bindparam("most"))
)


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which entries are asked for: those of which all that is given here is so."""

    actor: str = ""
    """All of it, or for an officer what stands before the login."""
    action: str = ""
    subject: str = ""
    result: str = ""
    since: int = 0
    until: int = 1 << 40


@dataclasses.dataclass(frozen=True)
class Row:
    """An entry as it is listed; `place` is None until the sequencer has seen it."""

    place: int | None
    id: str
    at: int
    actor: str
    action: str
    subject: str
    result: str
    detail: dict[str, object]


def record(
    connection: Connection, /, now: int, actor: str, action: str, subject: str, *, result: str = DONE, **detail: object
) -> None:
    """Write one entry: who (`officer:…`, `account:…`, `schedule`) did what to what, how it ended, its particulars."""
    _INSERT.run(
        connection,
        id=new_id(),
        place=None,
        at=now,
        actor=actor,
        action=action,
        subject=subject,
        detail=encoded(detail),
        result=result,
        salt=None,
    )


def read(connection: Connection, now: int, actor: str, what: str, asked: Mapping[str, object]) -> None:
    """Write the entry of a privileged reading: who saw what, and what was asked for."""
    record(connection, now, actor, "read", what, asked=dict(asked) or None)


def chosen(connection: Connection, choice: Choice, most: int) -> list[Row]:
    """Return the newest entries of a choice, oldest first."""
    rows = _CHOSEN.all(
        connection,
        who=choice.actor,
        what=choice.action,
        about=choice.subject,
        how=choice.result,
        since=choice.since,
        until=choice.until,
        most=most,
    )
    return [
        Row(place, identity, at, actor, action, subject, result, _readable(detail, salt, place))
        for place, identity, at, actor, action, subject, result, detail, salt in reversed(rows)
    ]


def _readable(text: str, salt: str | None, place: int | None) -> dict[str, object]:
    """Return the particulars as people read them: personal ones whose time is over are None."""
    detail: dict[str, object] = json.loads(text)
    return detail if place is None or salt else without_commitments(detail)


def of_subject(connection: Connection, subject: str) -> list[tuple[int, str, str, dict[str, object]]]:
    """Return when, who, what and the particulars of all that was recorded about `subject`, oldest first.

    Personal particulars whose time is over are None.
    """
    rows = _OF_SUBJECT.all(connection, subject=subject)
    return [(at, actor, action, _readable(text, salt, place)) for at, actor, action, text, place, salt in rows]
