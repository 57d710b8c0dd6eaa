"""The resources of ACME, what the server answers with (RFC 8555 §7.1, RFC 9773 §4 and §5).

Each is a frozen value that renders itself as a JSON object and is parsed from one, so that server and client cannot
differ. Parsing takes what `strict_json` returned and raises Problem (malformed, unless said otherwise) that names the
member; members that we do not know are ignored, null counts as absent. Moments are aware, in UTC, to the second.
Our own member, which other clients ignore, is `seat` of an account (protocol.md). What is asked for: `requests`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from protocol.members import Members, rejected, rfc3339, showable, without_absent
from protocol.names import BadName, CommonName
from protocol.problems import Problem, ProblemType
from protocol.vocabulary import AccountStatus, AuthorizationStatus, IdentifierType, OrderStatus


@dataclass(frozen=True, slots=True)
class Directory:
    """Where everything is (§7.1.1), with the parts of `meta` that we use."""

    new_nonce: str
    new_account: str
    new_order: str
    revoke_cert: str
    key_change: str
    renewal_info: str | None = None
    terms_of_service: str | None = None
    website: str | None = None
    external_account_required: bool = True

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        meta = without_absent(
            termsOfService=self.terms_of_service,
            website=self.website,
            externalAccountRequired=self.external_account_required,
        )
        return without_absent(
            newNonce=self.new_nonce,
            newAccount=self.new_account,
            newOrder=self.new_order,
            revokeCert=self.revoke_cert,
            keyChange=self.key_change,
            renewalInfo=self.renewal_info,
            meta=meta,
        )

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the directory that a JSON object tells."""
        members = Members(value)
        meta = Members(members.optional("meta", members.mapping) or {})
        return cls(
            members.text("newNonce"),
            members.text("newAccount"),
            members.text("newOrder"),
            members.text("revokeCert"),
            members.text("keyChange"),
            members.optional("renewalInfo", members.text),
            meta.optional("termsOfService", meta.text),
            meta.optional("website", meta.text),
            meta.flag("externalAccountRequired"),
        )


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a one-time URL tells a program: the directory to turn to, and the kid to name there (protocol.md)."""

    directory: str
    kid: str

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return {"directory": self.directory, "kid": self.kid}

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the invitation that a JSON object tells."""
        members = Members(value)
        return cls(members.text("directory"), members.text("kid"))


@dataclass(frozen=True, slots=True)
class Seat:
    """What an account's key was bound to: ours, shown to people before anything is ordered."""

    common_name: CommonName
    institution_name: str
    renewal: bool

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return {
            "commonName": str(self.common_name),
            "institutionName": self.institution_name,
            "renewal": self.renewal,
        }

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the seat that a JSON object tells."""
        members = Members(value)
        try:
            common_name = CommonName.parse(members.text("commonName"))
        except BadName as error:
            raise rejected("commonName", "a common name") from error
        return cls(common_name, members.text("institutionName"), members.flag("renewal"))


@dataclass(frozen=True, slots=True)
class Account:
    """An account (§7.1.2); `external_account_binding` is the JWS that made it, reflected."""

    status: AccountStatus
    orders: str
    contact: tuple[str, ...] = ()
    terms_of_service_agreed: bool = True
    external_account_binding: Mapping[str, object] | None = None
    seat: Seat | None = None

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return without_absent(
            status=self.status.value,
            contact=list(self.contact) or None,
            termsOfServiceAgreed=self.terms_of_service_agreed,
            externalAccountBinding=self.external_account_binding,
            orders=self.orders,
            seat=None if self.seat is None else self.seat.render(),
        )

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the account that a JSON object tells."""
        members = Members(value)
        seat = members.optional("seat", members.mapping)
        return cls(
            members.word("status", AccountStatus),
            members.optional("orders", members.text) or "",
            members.optional("contact", members.texts) or (),
            members.flag("termsOfServiceAgreed"),
            members.optional("externalAccountBinding", members.mapping),
            None if seat is None else Seat.parse(seat),
        )


@dataclass(frozen=True, slots=True)
class OrderList:
    """One page of an account's orders, by URL (§7.1.2.1); a Link header leads to the next."""

    orders: tuple[str, ...]

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return {"orders": list(self.orders)}

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the page that a JSON object tells."""
        return cls(Members(value).texts("orders"))


@dataclass(frozen=True, slots=True)
class Identifier:
    """What a seat is named by in an order (§9.7.7)."""

    type: IdentifierType
    value: str

    def render(self) -> dict[str, str]:
        """Return the JSON object."""
        return {"type": self.type.value, "value": self.value}

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the identifier that a JSON object tells. Raises Problem (unsupportedIdentifier) for another type."""
        members = Members(value)
        try:
            kind = IdentifierType(members.text("type"))
        except ValueError as error:
            raise Problem(ProblemType.UNSUPPORTED_IDENTIFIER) from error
        return cls(kind, showable("value", members.text("value")))


@dataclass(frozen=True, slots=True)
class Order:
    """An order (§7.1.3); `error` is a problem document, `replaces` the CertID of the predecessor (RFC 9773 §5)."""

    status: OrderStatus
    identifiers: tuple[Identifier, ...]
    authorizations: tuple[str, ...]
    finalize: str
    expires: datetime | None = None
    certificate: str | None = None
    error: Mapping[str, object] | None = None
    replaces: str | None = None

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return without_absent(
            status=self.status.value,
            expires=None if self.expires is None else rfc3339(self.expires),
            identifiers=[each.render() for each in self.identifiers],
            authorizations=list(self.authorizations),
            finalize=self.finalize,
            certificate=self.certificate,
            error=self.error,
            replaces=self.replaces,
        )

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the order that a JSON object tells."""
        members = Members(value)
        return cls(
            members.word("status", OrderStatus),
            tuple(Identifier.parse(each) for each in members.mappings("identifiers")),
            members.optional("authorizations", members.texts) or (),
            members.text("finalize"),
            members.optional("expires", members.moment),
            members.optional("certificate", members.text),
            members.optional("error", members.mapping),
            members.optional("replaces", members.text),
        )


@dataclass(frozen=True, slots=True)
class Authorization:
    """The right to a certificate for one identifier (§7.1.4); ours come from an application, without challenges."""

    status: AuthorizationStatus
    identifier: Identifier
    expires: datetime | None = None
    challenges: tuple[Mapping[str, object], ...] = ()

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return without_absent(
            status=self.status.value,
            expires=None if self.expires is None else rfc3339(self.expires),
            identifier=self.identifier.render(),
            challenges=[dict(each) for each in self.challenges],
        )

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the authorization that a JSON object tells."""
        members = Members(value)
        return cls(
            members.word("status", AuthorizationStatus),
            Identifier.parse(members.mapping("identifier")),
            members.optional("expires", members.moment),
            members.mappings("challenges"),
        )


@dataclass(frozen=True, slots=True)
class RenewalInfo:
    """When an agent should renew a certificate (RFC 9773 §4.2)."""

    window_start: datetime
    window_end: datetime
    explanation_url: str | None = None

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        window = {"start": rfc3339(self.window_start), "end": rfc3339(self.window_end)}
        return without_absent(suggestedWindow=window, explanationURL=self.explanation_url)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return what a JSON object tells; its window must have a length."""
        members = Members(value)
        window = Members(members.mapping("suggestedWindow"))
        start, end = window.moment("start"), window.moment("end")
        if start >= end:
            raise rejected("suggestedWindow", "a time that ends after it starts")
        return cls(start, end, members.optional("explanationURL", members.text))
