"""When a certificate is renewed, and how it is named to ask (RFC 9773, ACME Renewal Information).

All times are counted back from the certificate's end: first orders are accepted, then the window opens in which agents
renew by themselves, then it closes, and only then does a mail ask people to. After the end comes the grace.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from protocol import base64url

RETRY_AFTER_SECONDS: Final = 21_600
"""How long an agent waits before it asks again: six hours."""

_DAY = 86_400
_LONGEST_SERIAL = 21  # 20 octets (RFC 5280 §4.1.2.2), and one in hand for a sign octet that an issuer should not need


class BadCertificateId(ValueError):
    """The text is not the unique identifier of a certificate."""


@dataclass(frozen=True, slots=True)
class RenewalTimes:
    """The days before the end (and, for the grace, after it) that the operator set.

    Raises ValueError unless they come in that order: an agent that is told to renew must be allowed to, a mail must
    not go out while agents may still renew by themselves, and reminders follow that mail, each later than the last.
    """

    order_days: int = 45
    window_start_days: int = 44
    window_end_days: int = 33
    mail_days: int = 30
    grace_days: int = 90
    reminders: tuple[int, ...] = (14, 7, 1)

    def __post_init__(self) -> None:
        if not self.order_days >= self.window_start_days > self.window_end_days > self.mail_days > 0:
            raise ValueError("Renewal times need order_days >= window_start_days > window_end_days > mail_days > 0.")
        if self.grace_days < 0:
            raise ValueError("grace_days cannot be negative.")
        falling = (self.mail_days, *self.reminders, 0)
        if any(before <= after for before, after in pairwise(falling)):
            raise ValueError("reminders need days below mail_days and above 0, each fewer than the one before.")


def suggested_window(not_after: int, times: RenewalTimes) -> tuple[int, int]:
    """Return start and end, seconds since 1970, of the time in which agents should renew (RFC 9773 §4.2)."""
    return not_after - times.window_start_days * _DAY, not_after - times.window_end_days * _DAY


def certificate_id(authority_key_identifier: bytes, serial: int) -> str:
    """Return the unique identifier: key identifier and serial's DER content, base64url, joined by a full stop.

    A serial whose top bit is set keeps its leading 00 octet (RFC 9773 §4.1).
    """
    content = serial.to_bytes(serial.bit_length() // 8 + 1)
    return f"{base64url.encode(authority_key_identifier)}.{base64url.encode(content)}"


def parse_certificate_id(text: str) -> tuple[bytes, int]:
    """Return key identifier and serial. Raises BadCertificateId unless `text` is just as `certificate_id` writes it."""
    identifier, _, content = text.partition(".")
    try:
        key, octets = base64url.decode(identifier), base64url.decode(content)
    except ValueError as error:
        raise BadCertificateId("A certificate identifier is two parts in base64url joined by a full stop.") from error
    serial = int.from_bytes(octets[:_LONGEST_SERIAL], signed=True)
    if not key or serial <= 0 or certificate_id(key, serial) != text:
        raise BadCertificateId("A certificate identifier holds a key identifier and a positive serial in DER.")
    return key, serial
