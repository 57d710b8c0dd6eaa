"""An order's status, derived from facts (RFC 8555 §7.1.6); nothing of it is stored but its error.

    ready → processing → valid | invalid

No order is ever pending: its authorizations are born valid, because the approval happened outside ACME (§7.4.1).
"""

from typing import NamedTuple

from ca_server.domain.certificates import CertificateStatus
from ca_server.domain.seats import SeatStatus
from protocol.vocabulary import AccountStatus, AuthorizationStatus, OrderStatus


class OrderFacts(NamedTuple):
    """What the records say of an order, its account, its seat and the certificate planned for it."""

    id: str
    account_id: str
    cn: str
    identifiers: str
    replaces: str | None
    predecessor: str | None
    deactivated: str
    error: str | None
    serial: str | None
    expires_at: int
    account_status: str
    seat_status: str
    certificate_status: str | None


def order_status(facts: OrderFacts, now: int) -> OrderStatus:
    """Return the order's status at `now`.

    - a certificate that was stored makes it valid for good, whatever became of the certificate
    - a plan makes it processing
    - an error recorded, an authorization deactivated, an account or seat that ended, or time make it invalid
    - otherwise it is ready; a suspended seat leaves it so, and finalize says why it must wait
    """
    if facts.error is not None or facts.deactivated:
        return OrderStatus.INVALID
    if facts.certificate_status == CertificateStatus.PLANNED:
        return OrderStatus.PROCESSING
    if facts.certificate_status is not None:
        return OrderStatus.VALID
    ended = facts.account_status != AccountStatus.VALID or facts.seat_status in (SeatStatus.REVOKED, SeatStatus.LAPSED)
    if ended or now >= facts.expires_at:
        return OrderStatus.INVALID
    return OrderStatus.READY


def authorization_status(facts: OrderFacts, place: int, now: int) -> AuthorizationStatus:
    """Return the status of the authorization for the identifier at `place` of the order (RFC 8555 §7.1.6)."""
    if str(place) in facts.deactivated.split():
        return AuthorizationStatus.DEACTIVATED
    if facts.account_status != AccountStatus.VALID or facts.seat_status in (SeatStatus.REVOKED, SeatStatus.LAPSED):
        return AuthorizationStatus.REVOKED
    return AuthorizationStatus.EXPIRED if now >= facts.expires_at else AuthorizationStatus.VALID
