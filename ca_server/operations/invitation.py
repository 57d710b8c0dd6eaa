"""The two mailed halves of a seat: made, replaced by a fresh pair, and told of when they ran out unused (E1, E4)."""

import dataclasses
from collections.abc import Sequence

from ca_server import store
from ca_server.clock import DAY
from ca_server.domain.certificates import grace_ends
from ca_server.domain.credentials import Credential, CredentialKind, CredentialStatus
from ca_server.errors import TryLater
from ca_server.ids import new_id
from ca_server.language import sentence
from ca_server.notices.messages import NoticeKind
from ca_server.operations.notice import tell
from ca_server.store import accounts, certificates, credentials, seats
from keys.sealing import Sealer
from protocol.credential import new_kid, new_password
from protocol.names import CommonName
from protocol.renewal_info import RenewalTimes
from protocol.vocabulary import AccountStatus

SECONDS_OF_A_PLAN = 3
"""After so many seconds a certificate that is being made is there, or has failed."""

_MOST_AT_ONCE = 100
NOTICES = {
    CredentialKind.ENROL: (NoticeKind.ENROLMENT_URL, NoticeKind.ENROLMENT_PASSWORD),
    CredentialKind.RENEW: (NoticeKind.RENEWAL_URL, NoticeKind.RENEWAL_PASSWORD),
}
"""The two mails of a pair: the URL's and the password's."""


@dataclasses.dataclass(frozen=True)
class Terms:
    """What a pair is made by: how long a first one lives, how much later its mails leave, what seals it.

    A renewal's lives as long as its certificate can be renewed.
    """

    credential_days: int
    password_delay_seconds: int
    sealer: Sealer
    times: RenewalTimes = dataclasses.field(default_factory=RenewalTimes)
    url_delay_seconds: int = 0


def invite(
    connection: store.Connection, cn: CommonName, kind: CredentialKind, terms: Terms, now: int, actor: str
) -> None:
    """Make a pair for the seat and queue its two mails to the registered administrator, the password later."""
    expires_at = _expires_at(connection, cn, kind, terms, now)
    credential = Credential(new_id(), cn, kind, CredentialStatus.OPEN, 0, None, None, expires_at, None)
    credentials.add(connection, credential, (new_kid(), new_password()), terms.sealer, now, actor)
    url, password = NOTICES[kind]
    application = seats.application_of(connection, cn)
    first = now + terms.url_delay_seconds
    for notice, leaves in ((url, first), (password, first + terms.password_delay_seconds)):
        tell(
            connection,
            cn.institution,
            notice,
            now,
            leaves,
            cn=str(cn),
            application=application,
            credential_id=credential.id,
        )


def _expires_at(connection: store.Connection, cn: CommonName, kind: CredentialKind, terms: Terms, now: int) -> int:
    newest = certificates.newest(connection, str(cn)) if kind is CredentialKind.RENEW else None
    return now + terms.credential_days * DAY if newest is None else grace_ends(newest.not_after, terms.times)


def replace(
    connection: store.Connection, cn: CommonName, kind: CredentialKind, terms: Terms, now: int, actor: str
) -> None:
    """End the seat's live pair, and what was bound to it without a certificate, and mail a fresh one.

    The pair by which an account was bound may have run out: that stops nobody who bound it before (protocol.md, State,
    rule 3). Raises TryLater while a certificate is being made with the pair.
    """
    _require_no_plan(connection, str(cn))
    end_accounts(connection, accounts.unused_of_seat(connection, str(cn)), now, actor)
    credentials.replace_live(connection, str(cn), now, actor)
    invite(connection, cn, kind, terms, now, actor)


def end_accounts(connection: store.Connection, account_ids: Sequence[str], now: int, actor: str) -> None:
    """Revoke accounts that have no certificate. Raises TryLater while one is being made for one of them."""
    for account_id in account_ids:
        _require_no_plan(connection, accounts.get(connection, account_id).cn)
        accounts.end(connection, account_id, AccountStatus.REVOKED, now, actor)


def _require_no_plan(connection: store.Connection, cn: str) -> None:
    if certificates.plan_stands_for(connection, cn):
        raise TryLater(
            SECONDS_OF_A_PLAN, sentence("A certificate of {cn} is being made; try again in a moment.", cn=cn)
        )


def expire(connection: store.Connection, now: int) -> int:
    """Write down which pairs ran out, erase them, tell the administrator of each first one once; return how many."""
    over = credentials.expired(connection, now, _MOST_AT_ONCE)
    for credential in over:
        credentials.expire(connection, credential, now)
        if credential.kind is CredentialKind.ENROL:
            tell(
                connection,
                credential.cn.institution,
                NoticeKind.EXPIRED_UNUSED,
                now,
                cn=str(credential.cn),
                application=seats.application_of(connection, credential.cn),
                credential_id=credential.id,
            )
    return len(over)
