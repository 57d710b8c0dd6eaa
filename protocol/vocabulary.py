"""Every word of the wire, once: statuses, reasons, identifier types, media types, link relations, header names.

Words of RFC 8555 (§7.1.6 statuses, §9.7 registries), RFC 9773 and RFC 5280 §5.3.1 stand as they are registered;
our own are the refusal reasons beside an `unauthorized` problem (protocol.md, Enrolment).
"""
# ruff: noqa: N815 (the members of RevocationReason bear the names that RFC 5280 gives them)

from enum import IntEnum, StrEnum
from typing import Final


class AccountStatus(StrEnum):
    """RFC 8555 §7.1.6; a client deactivates, the server revokes, and neither is undone."""

    VALID = "valid"
    DEACTIVATED = "deactivated"
    REVOKED = "revoked"


class OrderStatus(StrEnum):
    """RFC 8555 §7.1.6; ours are born ready, because the authorizations were given on paper."""

    PENDING = "pending"
    READY = "ready"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


class AuthorizationStatus(StrEnum):
    """RFC 8555 §7.1.6; ours are born valid (§7.4.1)."""

    PENDING = "pending"
    VALID = "valid"
    INVALID = "invalid"
    DEACTIVATED = "deactivated"
    EXPIRED = "expired"
    REVOKED = "revoked"


class IdentifierType(StrEnum):
    """What an order can name a seat by: RFC 8555 §9.7.7, and draft-ietf-acme-device-attest."""

    DNS = "dns"
    PERMANENT_IDENTIFIER = "permanent-identifier"


class RefusalReason(StrEnum):
    """Why a one-time URL cannot be used, or a certificate not renewed: the member `reason` of the problem document."""

    WRONG_PASSWORD = "wrongPassword"  # noqa: S105
    LOCKED = "locked"
    EXPIRED = "expired"
    USED = "used"
    REPLACED = "replaced"
    SUSPENDED = "suspended"
    TOO_EARLY = "tooEarly"
    LAPSED = "lapsed"


class RevocationReason(IntEnum):
    """The CRLReason codes of RFC 5280 §5.3.1; each name is also the value of cryptography's ReasonFlags."""

    unspecified = 0
    keyCompromise = 1
    cACompromise = 2
    affiliationChanged = 3
    superseded = 4
    cessationOfOperation = 5
    certificateHold = 6
    removeFromCRL = 8
    privilegeWithdrawn = 9
    aACompromise = 10


HOLDERS_REASONS: Final = frozenset(
    {
        RevocationReason.unspecified,
        RevocationReason.keyCompromise,
        RevocationReason.affiliationChanged,
        RevocationReason.superseded,
        RevocationReason.cessationOfOperation,
    }
)
"""What a holder may give over ACME; the others are the authority's to say."""


class MediaType(StrEnum):
    """What bodies are made of."""

    JSON = "application/json"
    JOSE = "application/jose+json"
    PROBLEM = "application/problem+json"
    PEM_CHAIN = "application/pem-certificate-chain"


class Relation(StrEnum):
    """The `rel` of a Link header (RFC 8555 §7.1 and §7.3.3, RFC 8288)."""

    INDEX = "index"
    NEXT = "next"
    UP = "up"
    ALTERNATE = "alternate"
    TERMS_OF_SERVICE = "terms-of-service"
    HELP = "help"


REPLAY_NONCE: Final = "Replay-Nonce"
RETRY_AFTER: Final = "Retry-After"
