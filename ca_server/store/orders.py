"""The records of orders; their status is derived (domain.orders)."""

from sqlalchemy import bindparam, insert, select, update

from ca_server.domain.orders import OrderFacts
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_o = tables.acme_order.c
_FACTS = (
    select(
        _o.id,
        _o.account_id,
        _o.cn,
        _o.identifiers,
        _o.replaces,
        _o.predecessor,
        _o.deactivated,
        _o.error,
        _o.serial,
        _o.expires_at,
        tables.account.c.status,
        tables.seat.c.status,
        tables.certificate.c.status,
    )
    .join_from(tables.acme_order, tables.account, _o.account_id == tables.account.c.id)
    .join(tables.seat, _o.cn == tables.seat.c.cn)
    .outerjoin(tables.certificate, _o.serial == tables.certificate.c.serial)
)
_INSERT = Statement(insert(tables.acme_order))
_BY_ID = Statement(_FACTS.where(_o.id == bindparam("order")))
_LATEST_OF_ACCOUNT = Statement(
    _FACTS.where(_o.account_id == bindparam("account"), _o.identifiers == bindparam("names"))
    .order_by(_o.created_at.desc(), _o.id.desc())
    .limit(1)
)
_PAGE = Statement(
    _FACTS.where(_o.account_id == bindparam("account"), _o.id > bindparam("after"))
    .order_by(_o.id)
    .limit(bindparam("most"))
)
_PLAN = Statement(
    update(tables.acme_order)
    .where(_o.id == bindparam("order"), _o.serial.is_(None), _o.error.is_(None), _o.deactivated == "")
    .values(serial=bindparam("planned"))
)
_FAIL = Statement(
    update(tables.acme_order).where(_o.id == bindparam("order"), _o.error.is_(None)).values(error=bindparam("why"))
)
_DEACTIVATE = Statement(
    update(tables.acme_order)
    .where(_o.id == bindparam("order"), _o.serial.is_(None))
    .values(deactivated=bindparam("places"))
)


def add(connection: Connection, order: OrderFacts, now: int) -> None:
    """Put a ready order on record."""
    _INSERT.run(
        connection,
        id=order.id,
        account_id=order.account_id,
        cn=order.cn,
        identifiers=order.identifiers,
        replaces=order.replaces,
        predecessor=order.predecessor,
        deactivated="",
        error=None,
        serial=None,
        created_at=now,
        expires_at=order.expires_at,
    )


def find(connection: Connection, order_id: str) -> OrderFacts | None:
    """Return what the records say of an order, or None."""
    row = _BY_ID.one(connection, order=order_id)
    return None if row is None else OrderFacts(*row)


def latest(connection: Connection, account_id: str, identifiers: str) -> OrderFacts | None:
    """Return the account's newest order for these identifiers, or None."""
    row = _LATEST_OF_ACCOUNT.one(connection, account=account_id, names=identifiers)
    return None if row is None else OrderFacts(*row)


def page(connection: Connection, account_id: str, after: str, most: int) -> list[OrderFacts]:
    """Return up to `most` of the account's orders whose ids come behind `after`."""
    return [OrderFacts(*row) for row in _PAGE.all(connection, account=account_id, after=after, most=most)]


def plan(connection: Connection, order_id: str, serial: str) -> None:
    """Name the certificate planned for a ready order. Raises Conflict when it is not ready any more."""
    _PLAN.must(connection, order=order_id, planned=serial)


def fail(connection: Connection, order_id: str, error: str) -> None:
    """Record in a sentence why the order became invalid; the first error stays."""
    _FAIL.run(connection, order=order_id, why=error)


def deactivate(connection: Connection, order_id: str, places: str) -> None:
    """Record which authorizations the holder gave up (RFC 8555 §7.5.2). Raises Conflict once a plan stands."""
    _DEACTIVATE.must(connection, order=order_id, places=places)
