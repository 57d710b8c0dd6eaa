"""A seat: one CN of an institution, on one PC, with its line of certificates (CN ごとの一台).

approved → active → lapsed (its last certificate can no longer be renewed)
approved | active ⇄ suspended (released to what it was)
any of these → revoked, which nothing undoes
"""

import dataclasses
from enum import StrEnum

from ca_server.errors import Lapsed, NotAllowed, Refusal, Suspended
from ca_server.language import sentence
from protocol.names import CommonName


class SeatStatus(StrEnum):
    """Where a seat stands."""

    APPROVED = "approved"
    ACTIVE = "active"
    LAPSED = "lapsed"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


@dataclasses.dataclass(frozen=True)
class Seat:
    """One CN and where it stands; its moves return the next value or raise NotAllowed."""

    cn: CommonName
    status: SeatStatus
    status_before_suspension: SeatStatus | None = None

    @property
    def may_enrol(self) -> bool:
        """Tell whether certificates may be planned for it."""
        return self.status in (SeatStatus.APPROVED, SeatStatus.ACTIVE)

    def suspended(self) -> "Seat":
        """Return the seat on hold, remembering what it was."""
        if not self.may_enrol:
            raise NotAllowed(sentence("{cn} is {status} and cannot be suspended.", cn=self.cn, status=self.status))
        return dataclasses.replace(self, status=SeatStatus.SUSPENDED, status_before_suspension=self.status)

    def released(self) -> "Seat":
        """Return the seat as it was before its suspension."""
        if self.status is not SeatStatus.SUSPENDED:
            raise NotAllowed(
                sentence("{cn} is {status}, not suspended, and cannot be released.", cn=self.cn, status=self.status)
            )
        return dataclasses.replace(
            self, status=self.status_before_suspension or SeatStatus.APPROVED, status_before_suspension=None
        )

    def lapsed(self) -> "Seat":
        """Return the seat after the grace of its last certificate."""
        if self.status is not SeatStatus.ACTIVE:
            raise NotAllowed(sentence("{cn} is {status} and cannot lapse.", cn=self.cn, status=self.status))
        return dataclasses.replace(self, status=SeatStatus.LAPSED)

    def revoked(self) -> "Seat":
        """Return the seat revoked for ever."""
        if self.status is SeatStatus.REVOKED:
            raise NotAllowed(sentence("{cn} was revoked before.", cn=self.cn))
        return dataclasses.replace(self, status=SeatStatus.REVOKED, status_before_suspension=None)


def issues_nothing(cn: str, status: str) -> Refusal:
    """Return why nothing can be bound, ordered or issued for a CN in this status, and what can be done."""
    match status:
        case SeatStatus.SUSPENDED:
            return Suspended(cn)
        case SeatStatus.LAPSED:
            return Lapsed(
                sentence(
                    "The time to renew {cn} is over. The administrator files an application for a new certificate "
                    "(DCM902 or DCM904).",
                    cn=cn,
                )
            )
        case _:
            return NotAllowed(
                sentence(
                    "{cn} is {status}. For a new certificate the administrator files a DCM902.",
                    cn=cn,
                    status=SeatStatus(status),
                )
            )
