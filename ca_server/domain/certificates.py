"""A certificate from plan to end, and the times at which its seat may renew it.

    planned → issued ⇄ suspended · issued | suspended → revoked · planned → revoked | aborted

*Expired* is computed, never stored. A planned row is the Plan: the record, committed before the CA key is touched, of
the exact bytes about to be signed. An aborted one may have been signed, so its serial is revoked for the world.
"""

import dataclasses
from enum import StrEnum

from ca_server.clock import DAY, MINUTE, minute_in_tokyo
from ca_server.errors import Lapsed, TooEarly
from ca_server.language import sentence
from protocol.names import CommonName
from protocol.renewal_info import RenewalTimes


class CertificateStatus(StrEnum):
    """Where a certificate stands in the records."""

    PLANNED = "planned"
    ISSUED = "issued"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    ABORTED = "aborted"


@dataclasses.dataclass(frozen=True)
class Certificate:
    """One certificate as the records hold it, without its bytes."""

    serial: str
    status: CertificateStatus
    cn: CommonName
    not_before: int
    not_after: int
    successor: str | None = None

    def word_at(self, now: int) -> str:
        """Return what people are told: valid, suspended, revoked or expired."""
        if self.status is CertificateStatus.REVOKED:
            return sentence("revoked")
        if now > self.not_after:
            return sentence("expired")
        return sentence("valid") if self.status is CertificateStatus.ISSUED else self.status


def grace_ends(not_after: int, times: RenewalTimes) -> int:
    """Return the last moment at which a certificate that ends at `not_after` can still be renewed."""
    return not_after + times.grace_days * DAY


def require_renewable(certificate: Certificate, now: int, times: RenewalTimes) -> None:
    """Do nothing while `certificate` may be renewed: from 45 days before its end until the grace after it is over.

    Raises TooEarly with the date from which it may be, Lapsed after the grace.
    """
    opens = certificate.not_after - times.order_days * DAY
    if now < opens:
        raise TooEarly(
            sentence(
                "This certificate can be renewed from {at} (Japan) on; nothing is wrong, ask again then.",
                at=minute_in_tokyo(opens + MINUTE - 1),
            )
        )
    if now > grace_ends(certificate.not_after, times):
        raise Lapsed(
            sentence(
                "The certificate of {cn} ended at {at} (Japan) and the time to renew it is over. The administrator "
                "files an application for a new one (DCM902 or DCM904).",
                cn=certificate.cn,
                at=minute_in_tokyo(certificate.not_after),
            )
        )
