"""The records of officers' signatures under their decisions."""

from typing import Any

from sqlalchemy import bindparam, insert, select, update

from ca_server.domain.approvals import Act, Approval, Mandate
from ca_server.store import applications, audit, seats, tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement
from protocol.names import CommonName

_c = tables.approval.c
_INSERT = Statement(insert(tables.approval))
_REPLACE = Statement(
    update(tables.approval)
    .where(_c.application == bindparam("number"), _c.act == bindparam("decision"))
    .values(
        officer=bindparam("signer"),
        at=bindparam("moment"),
        key_sha256=bindparam("key"),
        signature=bindparam("bytes"),
    )
)
_OF = Statement(
    select(_c.act, _c.officer, _c.at, _c.key_sha256, _c.signature)
    .where(_c.application == bindparam("number"))
    .order_by(_c.act.desc())
)


def put(connection: Connection, number: int, approval: Approval, now: int, actor: str) -> None:
    """Put a signature on record, in the place of the one that stood under this decision, if any."""
    written = _REPLACE.run(
        connection,
        number=number,
        decision=approval.act,
        signer=approval.officer,
        moment=approval.at,
        key=approval.key_sha256,
        bytes=approval.signature,
    )
    if not written:
        _INSERT.run(connection, application=number, **vars(approval))
    audit.record(
        connection,
        now,
        actor,
        "decision signed",
        f"application:{number}",
        decision=approval.act,
        signed_at=approval.at,
        key=approval.key_sha256,
        signature=approval.signature.hex(),
    )


def of(connection: Connection, number: int) -> tuple[Approval, ...]:
    """Return the signatures under an application, the examination's first; a row that no operation wrote is none."""
    return tuple(_approval(row) for row in _OF.all(connection, number=number) if _is_legible(row))


def mandate(connection: Connection, cn: CommonName) -> Mandate | None:
    """Return what a seat stands on, or None when nothing assigned it."""
    number = seats.application_of(connection, cn)
    return None if number is None else Mandate(applications.get(connection, number), of(connection, number))


def _is_legible(row: tuple[Any, ...]) -> bool:
    """Tell whether a row is of the right types; SQLite keeps whatever somebody writes into a column."""
    act, _, at, _, signature = row
    return act in list(Act) and isinstance(at, int) and isinstance(signature, bytes)


def _approval(row: tuple[Any, ...]) -> Approval:
    act, officer, at, key_sha256, signature = row
    return Approval(Act(act), officer, at, key_sha256, signature)
