"""What the help desk ヘルプデスク may do about the pair of a seat: resend a mail of it, unlock it, replace it (M2, E4).

Nothing here reaches the halves themselves. Mails go to the registered administrator alone, so what remains to be judged
is who calls (manual 9.1.1: the institution's name) and in which state seat and pair are. Each refusal says the way out.
"""

import dataclasses
from enum import StrEnum
from typing import Final

from ca_server.clock import DAY, day_in_tokyo, minute_in_tokyo
from ca_server.domain.administrators import is_same_text
from ca_server.domain.attempts import Attempt
from ca_server.domain.certificates import grace_ends
from ca_server.domain.credentials import Credential, CredentialKind, CredentialStatus
from ca_server.domain.officers import Acting
from ca_server.domain.seats import Seat, SeatStatus
from ca_server.errors import NotAllowed
from ca_server.language import Sentence, sentence
from protocol.renewal_info import RenewalTimes

MOST_RESENT: Final = 3
"""Times that each half of a pair is mailed again; whoever lost as many mails needs another remedy."""


class MailedHalf(StrEnum):
    """Which of the two mails of a pair."""

    URL = "url"
    PASSWORD = "password"  # noqa: S105


class Obstacle(StrEnum):
    """Why something is not done, as the audit log keeps it."""

    SEAT_REVOKED = "seat-revoked"
    SEAT_SUSPENDED = "seat-suspended"
    SEAT_LAPSED = "seat-lapsed"
    USED = "used"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    LATE = "late"
    LOCKED = "locked"
    NOT_LOCKED = "not-locked"
    RESENT = "resent"
    HELD = "held"


class Declined(NotAllowed):
    """The help desk may not do that; `why` is the word for the audit log."""

    def __init__(self, why: Obstacle | Attempt, words: Sentence) -> None:
        super().__init__(words)
        self.why = why


@dataclasses.dataclass(frozen=True)
class Caller:
    """What whoever calls says, and which officer takes the call."""

    institution_name: str
    address: str | None
    """Where the mails shall go, if that was asked for."""
    by: Acting

    def require_known(self, name: str, address: str) -> None:
        """Do nothing for a caller who names the institution, and no other address than the registered one.

        Raises Declined with the attempt that it may have been; it tells nothing of what is registered.
        """
        if not is_same_text(self.institution_name, name):
            raise Declined(
                Attempt.WRONG_INSTITUTION,
                sentence(
                    "The caller did not give the institution's name as it is registered: nothing was done. "
                    "The registered administrator is told."
                ),
            )
        if self.address is not None and not is_same_text(self.address, address):
            raise Declined(
                Attempt.OTHER_ADDRESS,
                sentence(
                    "Mails go to the registered address only: nothing was done. The registered administrator is told. "
                    "For another address the administrator files a DCM905."
                ),
            )


@dataclasses.dataclass(frozen=True)
class Times:
    """By what the operator configured: the times of renewal, and the days in which a fresh pair can be had."""

    renewal: RenewalTimes
    fresh_pair_days: int

    def fresh_pair_until(self, kind: CredentialKind, expires_at: int, not_after: int | None) -> int:
        """Return until when a pair can be replaced: some days after its expiry, and no longer than it is of use.

        `not_after` is the end of the seat's newest certificate; after its grace a pair for its renewal yields none.
        """
        until = expires_at + self.fresh_pair_days * DAY
        if kind is CredentialKind.RENEW and not_after is not None:
            return min(until, grace_ends(not_after, self.renewal))
        return until


@dataclasses.dataclass(frozen=True)
class Pair:
    """The newest pair of a seat, and until when it can be replaced."""

    seat: Seat
    credential: Credential
    fresh_until: int

    def require_resendable(self, resent: int, now: int) -> None:
        """Do nothing while a half that was `resent` so many times may be mailed again.

        Raises Declined when seat or pair are over, while the pair is locked, and after three times.
        """
        if self._live_status(now) is CredentialStatus.LOCKED:
            raise Declined(
                Obstacle.LOCKED,
                sentence(
                    "The URL of {cn} is locked after {failures} wrong passwords; unlock it first: "
                    "`warifu-ca helpdesk unlock {cn}`.",
                    cn=self.seat.cn,
                    failures=self.credential.failures,
                ),
            )
        if resent >= MOST_RESENT:
            raise Declined(
                Obstacle.RESENT,
                sentence(
                    "This mail of {cn} was resent {most} times, and no more is allowed. Mail a fresh pair: "
                    "`warifu-ca helpdesk replace {cn} --institution-name NAME`.",
                    cn=self.seat.cn,
                    most=MOST_RESENT,
                ),
            )

    def require_not_held(self, held_until: int | None) -> None:
        """Do nothing unless mails of the pair are held until a moment. Raises Declined."""
        if held_until is not None:
            raise Declined(
                Obstacle.HELD,
                sentence(
                    "The mails of {cn} leave at {moment} (Japan) and not before.",
                    cn=self.seat.cn,
                    moment=minute_in_tokyo(held_until),
                ),
            )

    def require_locked(self, now: int) -> None:
        """Do nothing for a locked pair. Raises Declined when seat or pair are over, and for a pair that is open."""
        if self._live_status(now) is not CredentialStatus.LOCKED:
            raise Declined(
                Obstacle.NOT_LOCKED,
                sentence(
                    "The URL of {cn} is not locked: it is open until {day}.",
                    cn=self.seat.cn,
                    day=day_in_tokyo(self.credential.expires_at),
                ),
            )

    def require_replaceable(self, now: int) -> None:
        """Do nothing while a fresh pair can be had: also for some time after this one expired.

        Raises Declined when the seat is over, the pair was used or withdrawn, or the time is over.
        """
        self._require_unspent()
        if now > self.fresh_until:
            raise self._late()

    def _live_status(self, now: int) -> CredentialStatus:
        self._require_unspent()
        status = self.credential.status_at(now)
        if status is CredentialStatus.EXPIRED:
            raise self._late() if now > self.fresh_until else self._expired()
        return status

    def _require_unspent(self) -> None:
        """Do nothing while nothing but time or wrong passwords stand in the way."""
        cn, over = self.seat.cn, _OVER_SEATS.get(self.seat.status)
        if over is not None:
            raise Declined(over, _seat_words(self.seat))
        ended_on = day_in_tokyo(self.credential.ended_at or 0)
        if self.credential.status is CredentialStatus.USED:
            raise Declined(
                Obstacle.USED,
                sentence(
                    "The URL of {cn} was used on {day}; it yields one certificate only. For another one the "
                    "administrator files a DCM904. If nobody there fetched it, have an officer suspend {cn} at once.",
                    cn=cn,
                    day=ended_on,
                ),
            )
        if self.credential.status is CredentialStatus.REPLACED:
            raise Declined(
                Obstacle.WITHDRAWN,
                sentence(
                    "The URL of {cn} was withdrawn on {day}, when the PC had its certificate without it. For another "
                    "one the administrator files a DCM904.",
                    cn=cn,
                    day=ended_on,
                ),
            )

    def _expired(self) -> Declined:
        return Declined(
            Obstacle.EXPIRED,
            sentence(
                "The URL of {cn} expired on {day}. Until {last} a fresh pair can be had: "
                "`warifu-ca helpdesk replace {cn} --institution-name NAME`.",
                cn=self.seat.cn,
                day=day_in_tokyo(self.credential.expires_at),
                last=day_in_tokyo(self.fresh_until),
            ),
        )

    def _late(self) -> Declined:
        return Declined(
            Obstacle.LATE,
            sentence(
                "The time for a fresh pair of {cn} ended on {day}. The administrator files a DCM904, or a DCM903 and "
                "a DCM902.",
                cn=self.seat.cn,
                day=day_in_tokyo(self.fresh_until),
            ),
        )


_OVER_SEATS = {
    SeatStatus.REVOKED: Obstacle.SEAT_REVOKED,
    SeatStatus.SUSPENDED: Obstacle.SEAT_SUSPENDED,
    SeatStatus.LAPSED: Obstacle.SEAT_LAPSED,
}


def _seat_words(seat: Seat) -> Sentence:
    match seat.status:
        case SeatStatus.REVOKED:
            return sentence("{cn} is revoked. For a new certificate the administrator files a DCM902.", cn=seat.cn)
        case SeatStatus.SUSPENDED:
            return sentence("{cn} is suspended; nothing can be fetched until an officer releases it.", cn=seat.cn)
        case _:
            return sentence(
                "The time to renew {cn} is over. The administrator files a DCM904, or a DCM902.", cn=seat.cn
            )
