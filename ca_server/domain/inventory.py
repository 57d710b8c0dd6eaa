"""The inventory (パソコンと CN 情報の管理): which CN is on which PC, in which state, until when, renewed or not (M3).

The records hold facts; what people read is derived from them and the clock here, the same on the screen, in the files
and in the mail.
"""

import dataclasses
from enum import StrEnum

from ca_server.clock import day_in_tokyo
from ca_server.domain.certificates import grace_ends
from ca_server.domain.credentials import Credential, CredentialStatus
from ca_server.domain.help_desk import Times
from ca_server.domain.seats import SeatStatus
from ca_server.language import Sentence, sentence
from protocol.names import CommonName
from protocol.renewal_info import suggested_window


class State(StrEnum):
    """Where a CN stands, as people are told."""

    WAITING = "waiting"
    LOCKED = "locked"
    EXPIRED_UNUSED = "expired-unused"
    ACTIVE = "active"
    ENDED = "ended"
    LAPSED = "lapsed"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class Renewal(StrEnum):
    """How far the renewal of a CN's certificate is."""

    NOT_DUE = "not-due"
    RENEWED = "renewed"
    DUE = "due"
    OVERDUE = "overdue"


@dataclasses.dataclass(frozen=True)
class NewestCertificate:
    """The certificate that counts for a seat: a good one before a revoked one, then the one that ends last."""

    not_after: int
    issued_at: int
    is_renewal: bool


@dataclasses.dataclass(frozen=True)
class SeatFacts:
    """A seat as the records hold it, with the newest of each thing that it has."""

    cn: CommonName
    institution_name: str
    label: str | None
    host_name: str | None
    status: SeatStatus
    pair: Credential | None
    certificate: NewestCertificate | None


@dataclasses.dataclass(frozen=True)
class Entry:
    """A CN of the inventory. Moments are seconds; those that do not apply are None."""

    cn: CommonName
    institution_name: str
    label: str | None
    """The institution's own name of the PC."""
    host_name: str | None
    """What the PC called itself when it fetched."""
    state: State
    fresh_pair_until: int | None
    """Until when a URL that ran out unused can be replaced."""
    not_after: int | None
    renewal: Renewal | None
    renewal_at: int | None
    """When it was renewed, since when it is due, or until when it still can be, as `renewal` says."""

    @property
    def state_words(self) -> Sentence:
        """Return the state in words."""
        if self.state is State.EXPIRED_UNUSED and self.fresh_pair_until is not None:
            return sentence("URL expired unused; fresh pair until {day}", day=day_in_tokyo(self.fresh_pair_until))
        return _STATES[self.state]

    @property
    def renewal_words(self) -> str:
        """Return how far the renewal is in words, nothing where there is none."""
        day = None if self.renewal_at is None else day_in_tokyo(self.renewal_at)
        match self.renewal:
            case Renewal.NOT_DUE:
                return sentence("not due")
            case Renewal.RENEWED:
                return sentence("renewed on {day}", day=day)
            case Renewal.DUE:
                return sentence("due since {day}", day=day)
            case Renewal.OVERDUE:
                return sentence("overdue, possible until {day}", day=day)
            case None:
                return ""


def entry(facts: SeatFacts, times: Times, now: int) -> Entry:
    """Return what is told of a seat at a moment."""
    certificate = facts.certificate
    state = _state(facts, times, now)
    renewal, renewal_at = _renewal(facts, times, state, now)
    return Entry(
        facts.cn,
        facts.institution_name,
        facts.label,
        facts.host_name,
        state,
        _fresh_pair_until(facts, times, state, now),
        None if certificate is None else certificate.not_after,
        renewal,
        renewal_at,
    )


def _state(facts: SeatFacts, times: Times, now: int) -> State:
    """Return the state.

    - revoked, suspended and lapsed as an officer or the clock left the seat
    - before the first certificate: what the URL is
    - after it: active, ended once its time is over, lapsed once it cannot be renewed any more
    """
    decided = _DECIDED.get(facts.status)
    if decided is not None:
        return decided
    if facts.certificate is None:
        waiting = None if facts.pair is None else facts.pair.status_at(now)
        return _UNFETCHED.get(waiting, State.WAITING)
    if now <= facts.certificate.not_after:
        return State.ACTIVE
    return State.ENDED if now <= grace_ends(facts.certificate.not_after, times.renewal) else State.LAPSED


def _fresh_pair_until(facts: SeatFacts, times: Times, state: State, now: int) -> int | None:
    if state is not State.EXPIRED_UNUSED or facts.pair is None:
        return None
    until = times.fresh_pair_until(facts.pair.kind, facts.pair.expires_at, None)
    return until if now <= until else None


def _renewal(facts: SeatFacts, times: Times, state: State, now: int) -> tuple[Renewal | None, int | None]:
    """Return how far the renewal is, and the moment that belongs to it; agents renew once their window has opened."""
    certificate = facts.certificate
    if certificate is None or state in (State.REVOKED, State.LAPSED):
        return None, None
    due_at, _ = suggested_window(certificate.not_after, times.renewal)
    if now > certificate.not_after:
        return Renewal.OVERDUE, grace_ends(certificate.not_after, times.renewal)
    if now >= due_at:
        return Renewal.DUE, due_at
    return (Renewal.RENEWED, certificate.issued_at) if certificate.is_renewal else (Renewal.NOT_DUE, None)


_DECIDED = {
    SeatStatus.REVOKED: State.REVOKED,
    SeatStatus.SUSPENDED: State.SUSPENDED,
    SeatStatus.LAPSED: State.LAPSED,
}
_UNFETCHED: dict[CredentialStatus | None, State] = {
    CredentialStatus.LOCKED: State.LOCKED,
    CredentialStatus.EXPIRED: State.EXPIRED_UNUSED,
}
_STATES = {
    State.WAITING: sentence("waiting to be fetched"),
    State.LOCKED: sentence("URL locked"),
    State.EXPIRED_UNUSED: sentence("URL expired unused"),
    State.ACTIVE: sentence("in use"),
    State.ENDED: sentence("ended, not renewed"),
    State.LAPSED: sentence("ended, too late to renew"),
    State.SUSPENDED: sentence("suspended"),
    State.REVOKED: sentence("revoked"),
}
