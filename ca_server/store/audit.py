"""The audit log: one entry for each state move and decision, written in the transaction of what it records.

Entries have no place yet: a sequencer gives each its number afterwards, so that writers never wait for one another.
Never a secret: callers hand in ids, names and numbers. Control characters are escaped by JSON.
"""

import json

from sqlalchemy import bindparam, insert, select

from ca_server.ids import new_id
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_ENCODER = json.JSONEncoder(separators=(",", ":"), sort_keys=True)  # `json.dumps` would make one for each entry
_INSERT = Statement(insert(tables.audit))
_OF_SUBJECT = Statement(
    select(tables.audit.c.at, tables.audit.c.actor, tables.audit.c.action, tables.audit.c.detail)
    .where(tables.audit.c.subject == bindparam("subject"))
    .order_by(tables.audit.c.at, tables.audit.c.id)
)


def record(connection: Connection, now: int, actor: str, action: str, subject: str, **detail: object) -> None:
    """Write one entry: who (`officer:…`, `account:…`, `schedule`) did what to what, and its particulars."""
    text = _ENCODER.encode(detail)
    _INSERT.run(connection, id=new_id(), place=None, at=now, actor=actor, action=action, subject=subject, detail=text)


def of_subject(connection: Connection, subject: str) -> list[tuple[int, str, str, dict[str, object]]]:
    """Return when, who, what and the particulars of all that was recorded about `subject`, oldest first."""
    rows = _OF_SUBJECT.all(connection, subject=subject)
    return [(at, actor, action, json.loads(detail)) for at, actor, action, detail in rows]
