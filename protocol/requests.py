"""The payloads of ACME's requests, what the client sends (RFC 8555 §7.3 to §7.6, RFC 9773 §5).

Frozen values that render and parse themselves just as those in `resources` do, and by the same rules. Our own member,
which other clients do not send, is `device` of newAccount and newOrder (protocol.md). A payload of no octets is a
POST-as-GET and has no value here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from protocol import base64url
from protocol.members import Members, rejected, showable, without_absent
from protocol.problems import Problem, ProblemType
from protocol.resources import Identifier
from protocol.vocabulary import HOLDERS_REASONS, AccountStatus, AuthorizationStatus, RevocationReason

_MOST_IDENTIFIERS = 100
_MOST_CONTACTS = 10
_LONGEST_CONTACT = 320
_ADDRESS = re.compile(r"[^\s@,?]+@[^\s@,?]+")


@dataclass(frozen=True, slots=True)
class Device:
    """The PC as its client describes it: ours, for the list of PCs; at most 200 characters a member."""

    host_name: str = ""
    os: str = ""
    store: str = ""
    agent: str = ""

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return {"hostName": self.host_name, "os": self.os, "store": self.store, "agent": self.agent}

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the device that a JSON object tells."""
        members = Members(value)
        return cls(
            *(
                showable(name, members.optional(name, members.text) or "")
                for name in ("hostName", "os", "store", "agent")
            )
        )


@dataclass(frozen=True, slots=True)
class NewAccount:
    """The payload of newAccount (§7.3); the binding is a JWS that `jws.parse_members` takes apart (§7.3.4).

    A client's `orders` and `status` are ignored, as §7.3 demands.
    """

    contact: tuple[str, ...] = ()
    terms_of_service_agreed: bool = False
    only_return_existing: bool = False
    external_account_binding: Mapping[str, object] | None = None
    device: Device | None = None

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return without_absent(
            contact=list(self.contact) or None,
            termsOfServiceAgreed=self.terms_of_service_agreed or None,
            onlyReturnExisting=self.only_return_existing or None,
            externalAccountBinding=self.external_account_binding,
            device=None if self.device is None else self.device.render(),
        )

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the request. Raises Problem, unsupportedContact and invalidContact among them."""
        members = Members(value)
        device = members.optional("device", members.mapping)
        return cls(
            _contacts(members) or (),
            members.flag("termsOfServiceAgreed"),
            members.flag("onlyReturnExisting"),
            members.optional("externalAccountBinding", members.mapping),
            None if device is None else Device.parse(device),
        )


@dataclass(frozen=True, slots=True)
class AccountUpdate:
    """The payload sent to an account's own URL: new contacts (§7.3.2) or its end (§7.3.6); None leaves as it is."""

    contact: tuple[str, ...] | None = None
    status: AccountStatus | None = None

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return without_absent(
            contact=None if self.contact is None else list(self.contact),
            status=None if self.status is None else self.status.value,
        )

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the request; the one status that a client may ask for is `deactivated`."""
        members = Members(value)
        status = members.optional("status", members.text)
        if status not in (None, AccountStatus.DEACTIVATED):
            raise rejected("status", f"{AccountStatus.DEACTIVATED}, the only one to ask for")
        return cls(_contacts(members), None if status is None else AccountStatus.DEACTIVATED)


@dataclass(frozen=True, slots=True)
class AuthorizationUpdate:
    """The payload that gives an authorization up (§7.5.2), the one change that a client may ask for."""

    status: AuthorizationStatus = AuthorizationStatus.DEACTIVATED

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return {"status": self.status.value}

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the request. Raises Problem (malformed) for any other status."""
        if Members(value).text("status") != AuthorizationStatus.DEACTIVATED:
            raise rejected("status", f"{AuthorizationStatus.DEACTIVATED}, the only one to ask for")
        return cls()


@dataclass(frozen=True, slots=True)
class NewOrder:
    """The payload of newOrder (§7.4); `replaces` is the CertID of the certificate to renew (RFC 9773 §5).

    A PC that was bound long ago describes itself anew with `device`.
    """

    identifiers: tuple[Identifier, ...]
    replaces: str | None = None
    device: Device | None = None

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return without_absent(
            identifiers=[each.render() for each in self.identifiers],
            replaces=self.replaces,
            device=None if self.device is None else self.device.render(),
        )

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the request; notBefore and notAfter are the profile's to say and refused rather than ignored."""
        members = Members(value)
        for name in ("notBefore", "notAfter"):
            if members.optional(name, members.moment) is not None:
                raise rejected(name, "left out: the certificate profile says it")
        identifiers = tuple(Identifier.parse(each) for each in members.mappings("identifiers"))
        if not 1 <= len(identifiers) <= _MOST_IDENTIFIERS:
            raise rejected("identifiers", f"a list of 1 to {_MOST_IDENTIFIERS}")
        device = members.optional("device", members.mapping)
        return cls(
            identifiers, members.optional("replaces", members.text), None if device is None else Device.parse(device)
        )


@dataclass(frozen=True, slots=True)
class Finalize:
    """The payload of finalize (§7.4): a certificate signing request in DER, judged by `keys.csr`."""

    csr: bytes

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return {"csr": base64url.encode(self.csr)}

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the request."""
        return cls(Members(value).octets("csr"))


@dataclass(frozen=True, slots=True)
class RevokeCertificate:
    """The payload of revokeCert (§7.6): a certificate in DER and why it ends."""

    certificate: bytes
    reason: RevocationReason = RevocationReason.unspecified

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return {"certificate": base64url.encode(self.certificate), "reason": int(self.reason)}

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the request. Raises Problem (badRevocationReason) for a reason that is not a holder's to give."""
        members = Members(value)
        code = members.optional("reason", members.integer) or 0
        if code not in HOLDERS_REASONS:
            allowed = ", ".join(str(int(reason)) for reason in sorted(HOLDERS_REASONS))
            raise Problem(ProblemType.BAD_REVOCATION_REASON, f"The reason {code} is not one of {allowed}.")
        return cls(members.octets("certificate"), RevocationReason(code))


@dataclass(frozen=True, slots=True)
class KeyChange:
    """The payload of the inner JWS of keyChange (§7.3.5): the account's URL and its old key as a JWK."""

    account: str
    old_key: Mapping[str, object]

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return {"account": self.account, "oldKey": dict(self.old_key)}

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the request."""
        members = Members(value)
        return cls(members.text("account"), members.mapping("oldKey"))


def _contacts(members: Members) -> tuple[str, ...] | None:
    """Return the contact URLs: mailto with one address and no header fields (§7.3), a few at most."""
    contacts = members.optional("contact", members.texts)
    if contacts is None:
        return None
    if len(contacts) > _MOST_CONTACTS:
        raise Problem(ProblemType.INVALID_CONTACT, f"An account has at most {_MOST_CONTACTS} contacts.")
    for contact in contacts:
        scheme, _, address = contact.partition(":")
        if scheme.lower() != "mailto":
            raise Problem(ProblemType.UNSUPPORTED_CONTACT)
        if len(contact) > _LONGEST_CONTACT or not _ADDRESS.fullmatch(unquote(address)):
            raise Problem(ProblemType.INVALID_CONTACT, "A contact is mailto: and one address, without header fields.")
    return contacts
