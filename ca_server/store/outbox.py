"""The outbox: a mail is a row in the transaction of what it reports, holding kind, addressee and ids, never the body.

pending → sent | dead (the mail server refused it for good) | void (its credential ended before it left)
"""

import dataclasses
from enum import StrEnum

from sqlalchemy import and_, bindparam, exists, func, insert, not_, select, update

from ca_server.ids import new_id
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_c = tables.outbox.c
_COLUMNS = (
    _c.id,
    _c.kind,
    _c.recipient,
    _c.language,
    _c.institution,
    _c.cn,
    _c.application,
    _c.credential_id,
    _c.serial,
    _c.revocation_id,
    _c.call_id,
    _c.attempt,
    _c.checkpoint,
    _c.attempts,
    _c.created_at,
)
_INSERT = Statement(insert(tables.outbox))
_s = tables.seat.c
_WAITS = and_(  # U1: renewal mails are put off while the CN is suspended
    _c.kind.in_(("renewal-url", "renewal-password", "renewal-reminder")),
    exists().where(_s.cn == _c.cn, _s.status == "suspended"),
)
_DUE = Statement(
    select(*_COLUMNS)
    .where(_c.status == "pending", _c.next_try <= bindparam("now"), not_(_WAITS))
    .order_by(_c.next_try, _c.cn, _c.kind.desc(), _c.id)
    .limit(bindparam("most"))
)
_INTEND = Statement(
    update(tables.outbox)
    .where(_c.id == bindparam("mail"), _c.status == "pending", _c.attempts == bindparam("before"))
    .values(attempts=_c.attempts + 1, next_try=bindparam("again"))
)
_END = Statement(
    update(tables.outbox)
    .where(_c.id == bindparam("mail"), _c.status == "pending")
    .values(status=bindparam("after"), ended_at=bindparam("now"), failure=bindparam("why"))
)
_DEFER = Statement(
    update(tables.outbox)
    .where(_c.id == bindparam("mail"), _c.status == "pending", _c.attempts == bindparam("tries"))
    .values(failure=bindparam("why"), next_try=bindparam("again"))
)
_HOLD = Statement(
    update(tables.outbox)
    .where(_c.id == bindparam("mail"), _c.status == "pending", _c.attempts == bindparam("tries"))
    .values(failure=bindparam("why"), next_try=bindparam("now"), attempts=_c.attempts - 1)
)
_COUNTS = Statement(select(_c.status, func.count()).group_by(_c.status))
_OF_HALF = Statement(
    select(func.count()).where(_c.credential_id == bindparam("credential"), _c.kind == bindparam("notice"))
)
_HELD = Statement(
    select(func.max(_c.next_try)).where(
        _c.credential_id == bindparam("credential"),
        _c.kind.like(bindparam("notice")),
        _c.status == "pending",
        _c.attempts == 0,
        _c.next_try > bindparam("now"),
    )
)
_DEAD = Statement(
    select(_c.id)
    .where(_c.application == bindparam("number"), _c.kind == bindparam("notice"), _c.status == "dead")
    .limit(1)
)


class MailStatus(StrEnum):
    """Where a mail stands."""

    PENDING = "pending"
    SENT = "sent"
    DEAD = "dead"
    VOID = "void"


@dataclasses.dataclass(frozen=True)
class Mail:
    """A mail to be rendered at delivery from the ids it holds."""

    id: str
    kind: str
    recipient: str
    language: str
    institution: str
    cn: str | None = None
    application: int | None = None
    credential_id: str | None = None
    serial: str | None = None
    revocation_id: str | None = None
    call_id: str | None = None
    attempt: str | None = None
    checkpoint: int | None = None
    attempts: int = 0
    created_at: int = 0


def put(connection: Connection, mail: Mail, now: int, not_before: int | None = None) -> None:
    """Queue `mail`, to leave at once or not before a moment."""
    _INSERT.run(
        connection,
        **{**vars(mail), "id": new_id(), "attempts": 0, "created_at": now},
        status=MailStatus.PENDING,
        next_try=now if not_before is None else not_before,
        ended_at=None,
        failure=None,
    )


def due(connection: Connection, now: int, most: int) -> list[Mail]:
    """Return the mails whose next try has come, at most `most`."""
    return [Mail(*row) for row in _DUE.all(connection, now=now, most=most)]


def intend(connection: Connection, mail: Mail, again: int) -> None:
    """Record that a try begins, and when the next one would. Raises Conflict when another server took it."""
    _INTEND.must(connection, mail=mail.id, before=mail.attempts, again=again)


def end(connection: Connection, mail: Mail, status: MailStatus, now: int, why: str | None = None) -> None:
    """Record how the mail ended. Raises Conflict when it had ended."""
    _END.must(connection, mail=mail.id, after=status, now=now, why=why)


def defer(connection: Connection, mail: Mail, why: str, again: int) -> None:
    """Record why the try that was intended did not succeed, and when the next one is due, unless another began it."""
    _DEFER.run(connection, mail=mail.id, tries=mail.attempts + 1, why=why, again=again)


def hold(connection: Connection, mail: Mail, why: str, now: int) -> None:
    """Record that the mail server prevented the try that was intended: it does not count, and the mail is due again."""
    _HOLD.run(connection, mail=mail.id, tries=mail.attempts + 1, why=why, now=now)


def is_dead(connection: Connection, application: int, kind: str) -> bool:
    """Tell whether the mail of that kind about an application was refused for good."""
    return _DEAD.one(connection, number=application, notice=kind) is not None


def counts(connection: Connection) -> dict[str, int]:
    """Return how many mails stand in each status."""
    return {row[0]: row[1] for row in _COUNTS.all(connection)}


def held_until(connection: Connection, credential_id: str, now: int, kind: str = "%") -> int | None:
    """Return until when mails of a credential, or those of a kind, are held that nobody has tried to send yet."""
    row = _HELD.one(connection, credential=credential_id, notice=kind, now=now)
    return None if row is None else row[0]


def count_of_half(connection: Connection, credential_id: str, kind: str) -> int:
    """Return how often the half of a credential that a kind of mail brings was queued."""
    row = _OF_HALF.one(connection, credential=credential_id, notice=kind)
    return 0 if row is None else int(row[0])
