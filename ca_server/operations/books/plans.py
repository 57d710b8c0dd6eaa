"""Plans: every planned serial is stored, revoked or aborted, and each claim has one certificate at most."""

from collections import Counter
from collections.abc import Iterator

from ca_server.domain.certificates import CertificateStatus
from ca_server.operations.books.book import Book, book
from ca_server.store.ledger import CertificateRow, Ledger, OrderRow

_STORED = (CertificateStatus.ISSUED, CertificateStatus.SUSPENDED)


def plans(ledger: Ledger, now: int) -> Book:
    """Balance every plan with its certificate and its order.

    - a plan older than its lease was left behind: no server is at work on it
    - an issued certificate has its bytes, an aborted one has none; a revoked one may have been revoked while planned
    - a first certificate names its credential, a renewal its predecessor
    - order and certificate name each other
    """
    return book("plans", len(ledger.certificates), _plans(ledger, now))


def _plans(ledger: Ledger, now: int) -> Iterator[str]:
    orders = {order.id: order for order in ledger.orders}
    for row in ledger.certificates:
        name = f"The certificate {row.serial} of {row.cn}"
        yield from _state(row, name, now)
        if (row.credential_id is None) == (row.predecessor is None):
            yield f"{name} must name either its credential or its predecessor."
        order = orders.get(row.order_id)
        if order is None or (order.serial, order.account_id, order.cn) != (row.serial, row.account_id, row.cn):
            yield f"{name} is not the one that its order {row.order_id} names."
    yield from _ordered(ledger.orders, {row.serial for row in ledger.certificates})


def _state(row: CertificateRow, name: str, now: int) -> Iterator[str]:
    if row.status == CertificateStatus.PLANNED:
        if row.lease_until < now:
            yield f"{name} is still planned, {now - row.lease_until} seconds after its lease; `serve` finishes it."
        if row.tbs is None:
            yield f"{name} is planned without the bytes to be signed."
    elif row.status in _STORED and row.der is None:
        yield f"{name} is {row.status}, but it is not stored."
    elif row.status not in list(CertificateStatus):
        yield f"{name} has the status {row.status!r}, which there is none of."
    if row.status in (CertificateStatus.PLANNED, CertificateStatus.ABORTED) and row.der is not None:
        yield f"{name} is {row.status}, but a signed one is stored."
    if (row.der is None) != (row.issued_at is None):
        yield f"{name} is stored without the moment, or has the moment and is not stored."


def _ordered(orders: list[OrderRow], serials: set[str]) -> Iterator[str]:
    for order in orders:
        if order.serial is not None and order.serial not in serials:
            yield f"The order {order.id} of {order.cn} names the certificate {order.serial}, which was never planned."


def claims(ledger: Ledger) -> Book:
    """Balance credentials and predecessors with the certificates that claimed them.

    - a credential and a predecessor have one certificate each, aborted ones aside
    - predecessor and successor are of one CN and name each other
    """
    return book("claims", len(ledger.certificates), _claims(ledger))


def _claims(ledger: Ledger) -> Iterator[str]:
    standing = [row for row in ledger.certificates if row.status != CertificateStatus.ABORTED]
    by_serial = {row.serial: row for row in standing}
    for what, used in (
        ("credential", Counter(row.credential_id for row in standing if row.credential_id)),
        ("certificate", Counter(row.predecessor for row in standing if row.predecessor)),
    ):
        yield from (
            f"The {what} {name} was used for {count} certificates." for name, count in used.items() if count > 1
        )
    for row in standing:
        if row.predecessor is not None:
            before = by_serial.get(row.predecessor)
            if before is None or before.successor != row.serial or before.cn != row.cn:
                yield f"The certificate {row.serial} of {row.cn} follows {row.predecessor}, which does not say so."
        if row.successor is not None:
            after = by_serial.get(row.successor)
            if after is None or after.predecessor != row.serial or after.cn != row.cn:
                yield f"The certificate {row.serial} of {row.cn} was renewed by {row.successor}, which does not say so."
