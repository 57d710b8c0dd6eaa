"""Orders (RFC 8555 §7.4): which certificate an account may have, a first one or the successor of one.

An order claims nothing; two ready ones may exist and the loser of the claim becomes invalid. It is derived from facts
(`domain.orders`), so reading it needs no state of its own.
"""

import dataclasses
import json

from ca_server import store
from ca_server.clock import DAY
from ca_server.domain.certificates import Certificate, grace_ends, require_renewable
from ca_server.domain.orders import OrderFacts, order_status
from ca_server.domain.seats import SeatStatus, issues_nothing
from ca_server.errors import (
    AlreadyReplaced,
    AlreadyRevoked,
    IdentifierRejected,
    IdentifierUnsupported,
    NotAllowed,
    NotFound,
)
from ca_server.language import sentence
from ca_server.store import accounts, certificates, orders, seats
from ca_server.store.accounts import AccountRow
from protocol.renewal_info import RenewalTimes
from protocol.vocabulary import IdentifierType, OrderStatus

ORDER_LIFE = 7 * DAY
_NO_RENEWAL_INFORMATION = sentence("There is no renewal information for this certificate.")


@dataclasses.dataclass(frozen=True)
class Rules:
    """What the operator configured for orders: the suffix of FQDN aliases, or none, and the times of renewal."""

    alias_suffix: str | None
    times: RenewalTimes


@dataclasses.dataclass(frozen=True)
class Request:
    """What newOrder asks for: (type, value) of each identifier, and the serial that `replaces` names, with its text.

    `device` is what the PC tells of itself, a JSON text, None when it tells nothing.
    """

    order_id: str
    identifiers: tuple[tuple[str, str], ...]
    replaces: str | None = None
    replaced_serial: str | None = None
    device: str | None = None


@dataclasses.dataclass(frozen=True)
class Opened:
    """The order that newOrder ends with; `fresh` is False for the account's own open order returned again."""

    order: OrderFacts
    fresh: bool


def require_aliases(identifiers: tuple[tuple[str, str], ...], cn: str, suffix: str | None) -> None:
    """Do nothing when every identifier names the seat `cn`.

    A permanent-identifier is the CN exactly; a dns name is the CN, or the CN below the operator's suffix, without
    regard to case. Raises IdentifierUnsupported for another type, IdentifierRejected, naming the CN, for another name.
    """
    for kind, value in identifiers:
        if kind not in (IdentifierType.PERMANENT_IDENTIFIER, IdentifierType.DNS):
            raise IdentifierUnsupported(
                sentence("Identifiers of type {kind} are not served; use permanent-identifier or dns.", kind=repr(kind))
            )
        exact = kind == IdentifierType.PERMANENT_IDENTIFIER
        if value != cn if exact else value.lower() not in dns_aliases(cn, suffix):
            raise IdentifierRejected(
                sentence(
                    "This account belongs to {cn}; order {cn}. Each certificate needs an account of its own (with "
                    "certbot a --config-dir of its own).",
                    cn=cn,
                )
            )


def dns_aliases(cn: str, suffix: str | None) -> tuple[str, ...]:
    """Return the dns names of the seat, lower case, the FQDN last when a suffix is configured."""
    label = cn.lower()
    return (label,) if suffix is None else (label, f"{label}.{suffix.lower()}")


def order(connection: store.Connection, account_id: str, request: Request, rules: Rules, now: int) -> Opened:
    """Open an order for a first certificate or a renewal, or return the account's open order for the same again.

    Raises NotAllowed while the seat is suspended or ended, TooEarly, Lapsed or AlreadyReplaced for a renewal.
    """
    account = accounts.get(connection, account_id)
    require_aliases(request.identifiers, account.cn, rules.alias_suffix)
    predecessor = _predecessor(connection, account, request, rules.times, now)
    if request.device is not None:
        accounts.describe(connection, account_id, account.cn, request.device, now)
    replaced = None if predecessor is None else predecessor.serial
    names = _canonical(request.identifiers)
    open_order = orders.latest(connection, account_id, names)
    if (
        open_order is not None
        and order_status(open_order, now) is OrderStatus.READY
        and (open_order.predecessor, open_order.replaces) == (replaced, request.replaces)
    ):
        return Opened(open_order, fresh=False)
    fresh = OrderFacts(
        id=request.order_id,
        account_id=account_id,
        cn=account.cn,
        identifiers=names,
        replaces=request.replaces,
        predecessor=replaced,
        deactivated="",
        error=None,
        serial=None,
        expires_at=now + ORDER_LIFE,
        account_status=account.status,
        seat_status=SeatStatus.APPROVED if predecessor is None else SeatStatus.ACTIVE,
        certificate_status=None,
    )
    orders.add(connection, fresh, now)
    return Opened(fresh, fresh=True)


def _canonical(identifiers: tuple[tuple[str, str], ...]) -> str:
    return json.dumps(sorted(set(identifiers)))


def _predecessor(
    connection: store.Connection, account: AccountRow, request: Request, times: RenewalTimes, now: int
) -> Certificate | None:
    """Return the certificate that the order would replace, None for a seat that has had none."""
    if account.seat_status == SeatStatus.APPROVED:
        if request.replaces is not None:
            raise NotFound(sentence("`replaces` names a certificate, but this seat has had none yet."))
        return None
    if account.seat_status != SeatStatus.ACTIVE:
        raise issues_nothing(account.cn, account.seat_status)
    if request.replaces is None:
        predecessor = certificates.newest(connection, account.cn)
        if predecessor is None:
            raise NotAllowed(
                sentence("{cn} has no certificate left to renew; ask the administrator for a new one.", cn=account.cn)
            )
    else:
        predecessor = _named(connection, account.cn, request.replaced_serial)
    require_renewable(predecessor, now, times)
    return predecessor


def _named(connection: store.Connection, cn: str, serial: str | None) -> Certificate:
    certificate = None if serial is None else certificates.find(connection, serial)
    if certificate is None or str(certificate.cn) != cn:
        raise NotFound(
            sentence("`replaces` names no certificate of {cn}, the only CN that this account renews.", cn=cn)
        )
    if certificate.successor is not None:
        raise AlreadyReplaced(
            sentence(
                "The certificate named in `replaces` was renewed before; use the newest one of {cn}. If nobody of "
                "yours renewed it, tell the help desk at once.",
                cn=cn,
            )
        )
    if certificate.word_at(0) == "revoked":
        raise AlreadyRevoked(
            sentence(
                "The certificate named in `replaces` is revoked and cannot be renewed. For a new one the administrator "
                "files a DCM902."
            )
        )
    return certificate


def show(connection: store.Connection, account_id: str, order_id: str) -> OrderFacts:
    """Return an order of the account. Raises NotFound for another's, AccountUnusable for a dead account."""
    facts = orders.find(connection, order_id)
    if facts is None or facts.account_id != account_id:
        accounts.require_valid(connection, account_id)
        raise NotFound(sentence("There is no such order."))
    accounts.require_usable(facts.account_status)
    return facts


@dataclasses.dataclass(frozen=True)
class Page:
    """Some of an account's orders, and behind which id the next page begins, None on the last."""

    orders: tuple[OrderFacts, ...]
    next_cursor: str | None


def listed(connection: store.Connection, account_id: str, after: str, most: int, now: int) -> Page:
    """Return the account's orders behind `after`, at most `most`, without invalid ones (RFC 8555 §7.1.2.1)."""
    accounts.require_valid(connection, account_id)
    found = orders.page(connection, account_id, after, most + 1)
    shown = tuple(facts for facts in found[:most] if order_status(facts, now) is not OrderStatus.INVALID)
    return Page(shown, found[most - 1].id if len(found) > most else None)


def give_up_authorization(connection: store.Connection, account_id: str, order_id: str, place: int) -> OrderFacts:
    """Deactivate one authorization of an order at its holder's wish (RFC 8555 §7.5.2); the order becomes invalid.

    Raises NotFound, and NotAllowed once a certificate was planned: what it was given for has happened.
    """
    facts = show(connection, account_id, order_id)
    if place >= len(json.loads(facts.identifiers)):
        raise NotFound(sentence("There is no such authorization."))
    if facts.serial is not None:
        raise NotAllowed(sentence("The certificate of this order has been made; revoke that if it must not be used."))
    places = " ".join(sorted({*facts.deactivated.split(), str(place)}))
    orders.deactivate(connection, order_id, places)
    return facts._replace(deactivated=places)


def fetch(connection: store.Connection, account_id: str, serial: str) -> bytes:
    """Return the DER of a certificate of the account's seat. Raises NotFound for another's."""
    der = certificates.of_account(connection, account_id, serial)
    if der is None:
        accounts.require_valid(connection, account_id)
        raise NotFound(sentence("There is no such certificate."))
    return der


def renewal_of(connection: store.Connection, serial: str, times: RenewalTimes, now: int) -> int:
    """Return the notAfter of a certificate that may be asked about (RFC 9773 §4.1).

    Raises NotFound for an unknown, revoked or lapsed one: there is nothing to renew.
    """
    certificate = certificates.find(connection, serial)
    if certificate is None or certificate.word_at(now) not in ("valid", "expired", "suspended"):
        raise NotFound(_NO_RENEWAL_INFORMATION)
    if seats.get(connection, certificate.cn).status is SeatStatus.REVOKED:
        raise NotFound(_NO_RENEWAL_INFORMATION)
    if now > grace_ends(certificate.not_after, times):
        raise NotFound(sentence("The time to renew this certificate is over."))
    return certificate.not_after
