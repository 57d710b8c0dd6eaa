"""Problem documents: the errors that cross the wire (RFC 9457, RFC 8555 §6.7, RFC 9773 §7.4).

One table maps each type to its HTTP status and the sentence used when there is nothing better to say. `Problem` is the
exception that strict parsing raises; the server's web layer renders it, the client's transport parses it back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Self

URN: Final = "urn:ietf:params:acme:error:"


class ProblemType(StrEnum):
    """The registered error types; the value is the whole URN, as it stands in `type`."""

    ACCOUNT_DOES_NOT_EXIST = URN + "accountDoesNotExist"
    ALREADY_REPLACED = URN + "alreadyReplaced"
    ALREADY_REVOKED = URN + "alreadyRevoked"
    BAD_CSR = URN + "badCSR"
    BAD_NONCE = URN + "badNonce"
    BAD_PUBLIC_KEY = URN + "badPublicKey"
    BAD_REVOCATION_REASON = URN + "badRevocationReason"
    BAD_SIGNATURE_ALGORITHM = URN + "badSignatureAlgorithm"
    COMPOUND = URN + "compound"
    EXTERNAL_ACCOUNT_REQUIRED = URN + "externalAccountRequired"
    INVALID_CONTACT = URN + "invalidContact"
    MALFORMED = URN + "malformed"
    ORDER_NOT_READY = URN + "orderNotReady"
    RATE_LIMITED = URN + "rateLimited"
    REJECTED_IDENTIFIER = URN + "rejectedIdentifier"
    SERVER_INTERNAL = URN + "serverInternal"
    UNAUTHORIZED = URN + "unauthorized"
    UNSUPPORTED_CONTACT = URN + "unsupportedContact"
    UNSUPPORTED_IDENTIFIER = URN + "unsupportedIdentifier"
    USER_ACTION_REQUIRED = URN + "userActionRequired"
    BLANK = "about:blank"

    @property
    def word(self) -> str:
        """Return the type without its prefix, as logs and people name it."""
        return self.removeprefix(URN)


TABLE: Final[Mapping[ProblemType, tuple[int, str]]] = MappingProxyType(
    {
        ProblemType.ACCOUNT_DOES_NOT_EXIST: (400, "There is no account with this key."),
        ProblemType.ALREADY_REPLACED: (409, "This certificate has been renewed already."),
        ProblemType.ALREADY_REVOKED: (400, "This certificate is revoked already."),
        ProblemType.BAD_CSR: (400, "The certificate signing request is not acceptable."),
        ProblemType.BAD_NONCE: (400, "The nonce is unknown, used or too old; try again with the one in this answer."),
        ProblemType.BAD_PUBLIC_KEY: (400, "The public key is not acceptable."),
        ProblemType.BAD_REVOCATION_REASON: (400, "This reason for a revocation is not accepted here."),
        ProblemType.BAD_SIGNATURE_ALGORITHM: (400, "The signature algorithm is not supported."),
        ProblemType.COMPOUND: (400, "There are several errors; see the subproblems."),
        ProblemType.EXTERNAL_ACCOUNT_REQUIRED: (403, "An account needs a one-time URL and its password (EAB)."),
        ProblemType.INVALID_CONTACT: (400, "A contact address is not valid."),
        ProblemType.MALFORMED: (400, "The request is malformed."),
        ProblemType.ORDER_NOT_READY: (403, "The order is not ready to be finalized."),
        ProblemType.RATE_LIMITED: (429, "There were too many requests; try again later."),
        ProblemType.REJECTED_IDENTIFIER: (400, "No certificate is issued for this identifier."),
        ProblemType.SERVER_INTERNAL: (500, "The server met an error of its own."),
        ProblemType.UNAUTHORIZED: (403, "The request is not authorised."),
        ProblemType.UNSUPPORTED_CONTACT: (400, "Contact addresses must be mailto: URLs."),
        ProblemType.UNSUPPORTED_IDENTIFIER: (400, "Identifiers are of type permanent-identifier or dns."),
        ProblemType.USER_ACTION_REQUIRED: (403, "The terms of service must be agreed to first."),
        ProblemType.BLANK: (500, "The server answered with an error that it did not explain."),
    }
)
"""type → (HTTP status, default detail). 403 for orderNotReady and 409 for alreadyReplaced are the RFCs' own."""

_OWN_MEMBERS = frozenset({"type", "detail", "status", "subproblems"})


@dataclass(frozen=True, slots=True)
class Subproblem:
    """One of several errors in a problem document, with the identifier that it is about (RFC 8555 §6.7.1)."""

    type: ProblemType
    detail: str
    identifier: Mapping[str, str] | None = None

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        members: dict[str, object] = {"type": self.type.value, "detail": self.detail}
        if self.identifier is not None:
            members["identifier"] = dict(self.identifier)
        return members


class Problem(Exception):
    """An error as the other side is told it. Status and detail come from the table unless given.

    `extra` holds further members, such as `algorithms` or `reason`; it never replaces those of the RFC.
    """

    def __init__(
        self,
        type: ProblemType,  # noqa: A002 (the RFC's word)
        detail: str | None = None,
        *,
        status: int | None = None,
        extra: Mapping[str, object] = MappingProxyType({}),
        subproblems: Sequence[Subproblem] = (),
    ) -> None:
        default_status, default_detail = TABLE[type]
        self.type: Final = type
        self.detail: Final = detail or default_detail
        self.status: Final = status or default_status
        self.extra: Final[Mapping[str, object]] = {
            name: value for name, value in extra.items() if name not in _OWN_MEMBERS
        }
        self.subproblems: Final = tuple(subproblems)
        super().__init__(self.detail)

    def render(self) -> dict[str, object]:
        """Return the problem document."""
        document: dict[str, object] = {"type": self.type.value, "detail": self.detail, "status": self.status}
        if self.subproblems:
            document["subproblems"] = [each.render() for each in self.subproblems]
        return {**document, **self.extra}

    @classmethod
    def parse(cls, document: object, status: int) -> Self:
        """Return the problem that a server's answer with HTTP `status` tells; never raises.

        What is not a problem document, or of a type that we do not know, becomes one of type about:blank.
        """
        members = document if isinstance(document, Mapping) else {}
        detail = members.get("detail")
        listed = members.get("subproblems")
        return cls(
            _type_of(members),
            detail if isinstance(detail, str) else None,
            status=status,
            extra=members,
            subproblems=[_subproblem(each) for each in listed if isinstance(each, Mapping)]
            if isinstance(listed, list)
            else (),
        )


def _type_of(members: Mapping[str, object]) -> ProblemType:
    try:
        return ProblemType(str(members.get("type")))
    except ValueError:
        return ProblemType.BLANK


def _subproblem(members: Mapping[str, object]) -> Subproblem:
    identifier = members.get("identifier")
    return Subproblem(
        _type_of(members),
        str(members.get("detail", "")),
        {str(k): str(v) for k, v in identifier.items()} if isinstance(identifier, Mapping) else None,
    )
