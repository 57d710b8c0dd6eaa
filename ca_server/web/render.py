"""From records to what is sent: the only maker of URLs, every one of them built from the configured public URL."""

import dataclasses
import json
from collections.abc import Mapping

from ca_server.clock import moment
from ca_server.domain.credentials import CredentialKind
from ca_server.domain.orders import OrderFacts, authorization_status, order_status
from ca_server.store.accounts import AccountRow
from protocol.names import CommonName
from protocol.problems import Problem, ProblemType
from protocol.resources import Account, Authorization, Directory, Identifier, Order, Seat
from protocol.vocabulary import IdentifierType, MediaType, OrderStatus

PROCESSING_SECONDS = 1
_ENCODER = json.JSONEncoder(ensure_ascii=False)  # `json.dumps` would make one for each answer


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a handler answers: a JSON object or bytes, and the headers that the RFC wants of just this answer."""

    body: Mapping[str, object] | bytes | None = None
    status: int = 200
    media_type: str = MediaType.JSON
    location: str | None = None
    retry_after: int | None = None
    links: tuple[tuple[str, str], ...] = ()
    index: bool = True
    """Whether a Link leads to the directory, as on everything but the directory itself."""

    def octets(self) -> bytes:
        """Return the body as it is sent."""
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else _ENCODER.encode(self.body).encode()


@dataclasses.dataclass(frozen=True)
class Urls:
    """Makes the URL of every resource from the configured public one."""

    public: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "public", self.public.rstrip("/"))

    def of(self, path: str) -> str:
        """Return the URL of a fixed path."""
        return self.public + path

    def account(self, account_id: str) -> str:
        """Return the URL of an account."""
        return f"{self.public}/acme/account/{account_id}"

    def order(self, order_id: str) -> str:
        """Return the URL of an order."""
        return f"{self.public}/acme/order/{order_id}"

    def authorization(self, order_id: str, place: int) -> str:
        """Return the URL of the authorization for the identifier at `place` of an order."""
        return f"{self.public}/acme/authorization/{order_id}/{place}"

    def certificate(self, serial: str) -> str:
        """Return the URL of a certificate."""
        return f"{self.public}/acme/certificate/{serial}"

    def directory(self, terms: str) -> Directory:
        """Return the directory (RFC 8555 §7.1.1)."""
        return Directory(
            new_nonce=self.of("/acme/new-nonce"),
            new_account=self.of("/acme/new-account"),
            new_order=self.of("/acme/new-order"),
            revoke_cert=self.of("/acme/revoke-cert"),
            key_change=self.of("/acme/key-change"),
            renewal_info=self.of("/acme/renewal-info"),
            terms_of_service=terms,
            website=self.of("/"),
        )


def account(row: AccountRow, binding: Mapping[str, object], urls: Urls) -> dict[str, object]:
    """Render an account (RFC 8555 §7.1.2) with its binding reflected and the seat that it belongs to."""
    seat = Seat(CommonName.parse(row.cn), row.institution_name, row.credential_kind == CredentialKind.RENEW)
    orders = urls.account(row.id) + "/orders"
    return Account(row.status, orders, tuple(json.loads(row.contact)), True, binding, seat).render()


def order(facts: OrderFacts, urls: Urls, now: int) -> Order:
    """Return an order (RFC 8555 §7.1.3)."""
    status = order_status(facts, now)
    identifiers = _identifiers(facts)
    error = None if facts.error is None else Problem(ProblemType.ORDER_NOT_READY, facts.error).render()
    return Order(
        status=status,
        identifiers=identifiers,
        authorizations=tuple(urls.authorization(facts.id, place) for place in range(len(identifiers))),
        finalize=urls.order(facts.id) + "/finalize",
        expires=moment(facts.expires_at),
        certificate=urls.certificate(facts.serial) if status is OrderStatus.VALID and facts.serial else None,
        error=error,
        replaces=facts.replaces,
    )


def order_answer(facts: OrderFacts, urls: Urls, now: int, status: int = 200) -> Answer:
    """Return the answer that holds an order: Retry-After while it is processing, Location when it is new."""
    shown = order(facts, urls, now)
    return Answer(
        shown.render(),
        status=status,
        location=urls.order(facts.id) if status == 201 else None,
        retry_after=PROCESSING_SECONDS if shown.status is OrderStatus.PROCESSING else None,
    )


def authorization(facts: OrderFacts, place: int, now: int) -> Authorization | None:
    """Return the authorization at `place` (RFC 8555 §7.1.4), born valid and so without challenges; None beyond."""
    identifiers = _identifiers(facts)
    if place >= len(identifiers):
        return None
    return Authorization(authorization_status(facts, place, now), identifiers[place], moment(facts.expires_at))


def _identifiers(facts: OrderFacts) -> tuple[Identifier, ...]:
    return tuple(Identifier(IdentifierType(kind), value) for kind, value in json.loads(facts.identifiers))
