"""A credential: the two mailed halves, the one-time URL (証明書取得用 URL) and the password (認証情報パスワード).

    open ⇄ locked · open → used · open | locked → expired | replaced

*Expired* is computed from the clock; the row follows when the halves are erased. Whoever holds the URL (130 random
bits) is told which state it is in and what to do; nothing about the seat is told before the password was right.
"""

import dataclasses
from enum import StrEnum

from ca_server.clock import minute_in_tokyo
from ca_server.errors import CredentialRefused
from ca_server.language import sentence
from protocol.names import CommonName
from protocol.vocabulary import RefusalReason


class CredentialStatus(StrEnum):
    """Where a credential stands."""

    OPEN = "open"
    LOCKED = "locked"
    USED = "used"
    EXPIRED = "expired"
    REPLACED = "replaced"


class CredentialKind(StrEnum):
    """What a credential is good for: a first certificate, or the renewal of one."""

    ENROL = "enrol"
    RENEW = "renew"


_AFTER_EXPIRY = {
    CredentialKind.ENROL: sentence("Ask the help desk for a fresh pair."),
    CredentialKind.RENEW: sentence(
        "The time to renew is over: the administrator files an application for a new certificate (DCM902 or DCM904)."
    ),
}


@dataclasses.dataclass(frozen=True)
class Credential:
    """One pair of halves as the records hold it; the halves themselves stay sealed."""

    id: str
    cn: CommonName
    kind: CredentialKind
    status: CredentialStatus
    failures: int
    account_id: str | None
    claimed_by: str | None
    expires_at: int
    ended_at: int | None

    def status_at(self, now: int) -> CredentialStatus:
        """Return the status, `expired` as soon as the clock says so."""
        live = self.status in (CredentialStatus.OPEN, CredentialStatus.LOCKED)
        return CredentialStatus.EXPIRED if live and now >= self.expires_at else self.status

    def require_open(self, now: int) -> None:
        """Do nothing for an open credential.

        Raises CredentialRefused with the reason and the way out for any other, whatever the password was.
        """
        match self.status_at(now):
            case CredentialStatus.LOCKED:
                raise CredentialRefused(
                    RefusalReason.LOCKED,
                    sentence(
                        "This URL is locked after too many wrong passwords. Ask the help desk to unlock or replace it."
                    ),
                )
            case CredentialStatus.EXPIRED:
                raise CredentialRefused(
                    RefusalReason.EXPIRED,
                    sentence(
                        "This URL expired at {at} (Japan). {remedy}",
                        at=minute_in_tokyo(self.expires_at),
                        remedy=_AFTER_EXPIRY[self.kind],
                    ),
                )
            case CredentialStatus.USED:
                raise CredentialRefused(
                    RefusalReason.USED,
                    sentence(
                        "This URL was used at {at} (Japan); it yields one certificate only. If that was not you, tell "
                        "the help desk at once.",
                        at=minute_in_tokyo(self.ended_at or 0),
                    ),
                )
            case CredentialStatus.REPLACED:
                raise CredentialRefused(
                    RefusalReason.REPLACED,
                    sentence("This URL was replaced or withdrawn. Use the newest mail, or ask the help desk."),
                )


def wrong_password(failures: int, limit: int) -> CredentialRefused:
    """Return what is told after the wrong password number `failures`; the one that reaches `limit` locks the URL."""
    left = limit - failures
    if left <= 0:
        return CredentialRefused(
            RefusalReason.LOCKED,
            sentence("The password is wrong, and this URL is now locked. Ask the help desk to unlock or replace it."),
        )
    return CredentialRefused(
        RefusalReason.WRONG_PASSWORD,
        sentence("The password is wrong; {left} more tries before this URL is locked.", left=left),
        left,
    )
