"""The help desk ヘルプデスク (M2; manual 9.1, 9.2): resend a mail, unlock or replace a pair, send the inventory.

Whoever calls names the institution, and mails go to its registered administrator, whatever the caller asks for. Every
act stands in the audit log with the officer who took the call. So does every refusal: it leaves a mark, and is returned
instead of raised; whoever called raises it after the commit. The registered administrator is told of a caller who may
have been somebody else.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

from ca_server import store
from ca_server.domain.attempts import Attempt
from ca_server.domain.credentials import Credential
from ca_server.domain.help_desk import MOST_RESENT, Caller, Declined, MailedHalf, Pair, Times
from ca_server.domain.officers import Acting
from ca_server.errors import Invalid, NotFound, Refusal
from ca_server.language import sentence
from ca_server.notices.messages import NoticeKind
from ca_server.operations import invitation
from ca_server.operations.notice import tell
from ca_server.store import audit, certificates, credentials, institutions, outbox, seats
from ca_server.store.institutions import Institution
from protocol.names import CommonName, InstitutionCode

R = TypeVar("R")

LONGEST_LABEL = 60


@dataclasses.dataclass(frozen=True)
class Done:
    """What was done at a caller's wish: to which registered address a mail goes, and how often it can be resent yet."""

    address: str
    left: int = MOST_RESENT


@dataclasses.dataclass(frozen=True)
class _Act:
    """One thing asked for: by which name the log knows it, of which institution or CN."""

    name: str
    institution: InstitutionCode
    cn: CommonName | None = None

    @property
    def subject(self) -> str:
        return str(self.cn or self.institution)


def resend(
    connection: store.Connection, cn: CommonName, half: MailedHalf, caller: Caller, times: Times, now: int
) -> Done | Refusal:
    """Queue the mail of one half again, of the same pair, at most three times."""

    def deed(institution: Institution) -> Done:
        pair = _newest_pair(connection, cn, times)
        credential = pair.credential
        url, password = invitation.NOTICES[credential.kind]
        kind = url if half is MailedHalf.URL else password
        resent = outbox.count_of_half(connection, credential.id, kind) - 1
        pair.require_resendable(resent, now)
        pair.require_not_held(outbox.held_until(connection, credential.id, now, kind))
        application = seats.application_of(connection, cn)
        tell(connection, cn.institution, kind, now, cn=str(cn), application=application, credential_id=credential.id)
        actor, times_made = caller.by.actor, resent + 1
        audit.record(
            connection, now, actor, "half resent", str(cn), half=half, credential=credential.id, times=times_made
        )
        return Done(institution.administrator.email, MOST_RESENT - resent - 1)

    return _answered(connection, _Act(f"resend {half}", cn.institution, cn), caller, deed, now)


def unlock(connection: store.Connection, cn: CommonName, caller: Caller, times: Times, now: int) -> Done | Refusal:
    """Open a locked pair again, with all its tries."""

    def deed(institution: Institution) -> Done:
        pair = _newest_pair(connection, cn, times)
        pair.require_locked(now)
        credentials.unlock(connection, pair.credential, now, caller.by.actor)
        return Done(institution.administrator.email)

    return _answered(connection, _Act("unlock", cn.institution, cn), caller, deed, now)


@dataclasses.dataclass(frozen=True)
class Replacing:
    """What a fresh pair is made by, and until when it can be had."""

    terms: invitation.Terms
    times: Times


def replace(connection: store.Connection, cn: CommonName, caller: Caller, by: Replacing, now: int) -> Done | Refusal:
    """Mail a fresh pair of the same kind in place of the newest one. Raises TryLater while it is being used."""

    def deed(institution: Institution) -> Done:
        pair = _newest_pair(connection, cn, by.times)
        pair.require_replaceable(now)
        pair.require_not_held(outbox.held_until(connection, pair.credential.id, now))
        invitation.replace(connection, cn, pair.credential.kind, by.terms, now, caller.by.actor)
        return Done(institution.administrator.email)

    return _answered(connection, _Act("replace", cn.institution, cn), caller, deed, now)


def send_inventory(connection: store.Connection, code: InstitutionCode, caller: Caller, now: int) -> Done | Refusal:
    """Queue the mail that brings the list of the institution's CNs; it is read from the records when it leaves."""

    def deed(institution: Institution) -> Done:
        tell(connection, code, NoticeKind.INVENTORY, now)
        audit.record(connection, now, caller.by.actor, "inventory requested", str(code))
        return Done(institution.administrator.email)

    return _answered(connection, _Act("send-inventory", code), caller, deed, now)


def label(connection: store.Connection, cn: CommonName, text: str, by: Acting, now: int) -> str | None:
    """Write the institution's own name of the PC that a CN is on, and return it; an empty text takes it away.

    Raises NotFound for a CN never assigned, Invalid unless the name is of 1 to 60 printable characters.
    """
    seats.get(connection, cn)
    words = " ".join(text.split())
    if len(words) > LONGEST_LABEL or not words.isprintable():
        raise Invalid({"label": sentence("Give 1 to {most} printable characters.", most=LONGEST_LABEL)})
    seats.label(connection, cn, words or None, now, by.actor)
    return words or None


def _answered(
    connection: store.Connection, act: _Act, caller: Caller, deed: Callable[[Institution], R], now: int
) -> R | Refusal:
    """Do a deed for a caller who is known; a deed decides before it writes, for what it refuses is committed."""
    try:
        institution = institutions.find(connection, act.institution)
        if institution is None:
            raise NotFound(sentence("{code} is not registered.", code=act.institution))
        caller.require_known(institution.name, institution.administrator.email)
        return deed(institution)
    except Declined as refusal:
        if isinstance(refusal.why, Attempt):
            cn = None if act.cn is None or seats.find(connection, act.cn) is None else str(act.cn)
            tell(connection, act.institution, NoticeKind.ATTEMPT, now, cn=cn, attempt=refusal.why)
        _record_refusal(connection, act, caller, refusal.why, now)
        return refusal
    except NotFound as refusal:
        _record_refusal(connection, act, caller, "unknown", now)
        return refusal


def _record_refusal(connection: store.Connection, act: _Act, caller: Caller, why: str, now: int) -> None:
    """Log that a caller was refused, without a word of what he said."""
    audit.record(
        connection, now, caller.by.actor, "help desk refused", act.subject, result=audit.REFUSED, act=act.name, why=why
    )


def _newest_pair(connection: store.Connection, cn: CommonName, times: Times) -> Pair:
    """Return the pair that counts for a seat: a live one, else the last that was made. Raises NotFound."""
    seat = seats.get(connection, cn)
    live = credentials.live_of_seat(connection, cn)
    newest = live[-1] if live else credentials.of_seat(connection, str(cn))[-1][0]
    return Pair(seat, newest, _fresh_until(connection, newest, times))


def _fresh_until(connection: store.Connection, newest: Credential, times: Times) -> int:
    certificate = certificates.newest(connection, str(newest.cn))
    return times.fresh_pair_until(
        newest.kind, newest.expires_at, None if certificate is None else certificate.not_after
    )
