"""At once, on a telephone call (requirements A9): a CN is revoked or suspended before its form arrives, then released.

Suspension 一時停止 (certificateHold) shows in OCSP with the commit and on the CRL that it brings forward. It refuses
plans, takeovers and renewals, and releasing it restores all. The form is owed and asked for until it arrives.
"""

import dataclasses
import datetime

from ca_server import store
from ca_server.clock import day_in_tokyo, start_of_day_in_tokyo
from ca_server.domain.applications import Status
from ca_server.domain.calendar import Calendar
from ca_server.domain.certificates import CertificateStatus
from ca_server.domain.officers import Acting
from ca_server.domain.reasons import Reason
from ca_server.errors import AlreadyRevoked, Invalid, NotAllowed, TryLater
from ca_server.ids import new_id
from ca_server.language import sentence
from ca_server.notices.messages import NoticeKind
from ca_server.operations.invitation import SECONDS_OF_A_PLAN
from ca_server.operations.notice import tell
from ca_server.operations.revocation import Decision, EntryMaker, revoke_seat
from ca_server.store import applications, audit, calls, certificates, seats
from ca_server.store.calls import Act, Call
from ca_server.store.revocations import Revocation
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason

_LONGEST_CALLER = 200
_MOST_AT_ONCE = 100
_A_DAY = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class Request:
    """What a caller asks for: why, who calls, and which officer takes the call."""

    reason: Reason
    caller: str
    by: Acting


def revoke(
    connection: store.Connection, cn: CommonName, request: Request, entry: EntryMaker, now: int
) -> Revocation | AlreadyRevoked:
    """Revoke a CN on a call; its form is owed and asked for at once.

    Raises as `revoke_seat`, and Invalid for the caller.
    """
    caller = _caller(request.caller)
    outcome = revoke_seat(connection, cn, Decision(request.reason.code, request.by.actor, now), entry)
    if isinstance(outcome, Revocation):
        call = Call(new_id(), str(cn), Act.REVOKED, request.reason, caller, request.by.id, now)
        _take(connection, call, request.by.actor, NoticeKind.FORM_OWED)
    return outcome


def suspend(connection: store.Connection, cn: CommonName, request: Request, entry: EntryMaker, now: int) -> Call:
    """Suspend a CN on a call, until it is released or its form is carried out.

    Raises NotFound for a CN never assigned, NotAllowed in a state without suspension, Invalid for the caller, TryLater
    while a certificate of it is being made.
    """
    call = Call(new_id(), str(cn), Act.SUSPENDED, request.reason, _caller(request.caller), request.by.id, now)
    _hold(connection, cn, call, request.by.actor, entry)
    return call


@dataclasses.dataclass(frozen=True)
class OnForm:
    """The urgent form that had to be returned, on which a CN is held for some business days (requirements A7)."""

    number: int
    by: Acting
    calendar: Calendar
    business_days: int

    def until(self, now: int) -> int:
        """Return the moment at which the last of the days is over in Japan."""
        return start_of_day_in_tokyo(self.calendar.after(day_in_tokyo(now), self.business_days) + _A_DAY)


def hold(connection: store.Connection, cn: CommonName, form: OnForm, entry: EntryMaker, now: int) -> Call:
    """Suspend a CN that a returned urgent form names, once a form, until its days are over or it is released.

    Raises as `suspend`, and NotAllowed for another form.
    """
    filed = applications.get(connection, form.number)
    reasons = [item.reason for item in filed.application.items if item.cn == cn and item.reason is not None]
    if filed.status is not Status.RETURNED or not reasons or not reasons[0].urgent:
        raise NotAllowed(
            sentence("Application {number} is no returned urgent form that names {cn}.", number=form.number, cn=cn)
        )
    if calls.held_on(connection, str(cn), form.number):
        raise NotAllowed(
            sentence("{cn} was held on application {number} before; once is all.", cn=cn, number=form.number)
        )
    call = Call(new_id(), str(cn), Act.SUSPENDED, reasons[0], "", form.by.id, now, form.number, form.until(now))
    _hold(connection, cn, call, form.by.actor, entry)
    return call


def _hold(connection: store.Connection, cn: CommonName, call: Call, actor: str, entry: EntryMaker) -> None:
    seat = seats.get(connection, cn)
    after = seat.suspended()
    if certificates.plan_stands_for(connection, str(cn)):
        raise TryLater(
            SECONDS_OF_A_PLAN, sentence("A certificate of {cn} is being made; try again in a moment.", cn=cn)
        )
    seats.move(connection, seat, after, call.at, actor)
    for certificate in certificates.unended(connection, str(cn), call.at):
        if certificate.status is CertificateStatus.ISSUED:
            line = entry(certificate.serial, call.at, int(RevocationReason.certificateHold))
            certificates.suspend(connection, certificate.serial, line, call.at)
    _take(connection, call, actor, NoticeKind.SUSPENDED)


def _take(connection: store.Connection, call: Call, actor: str, notice: NoticeKind) -> None:
    """Put a call on record and tell the administrator; who called stays out of the log, which never forgets."""
    calls.add(connection, call)
    action = f"call: {call.act}" if call.application is None else "held on a form"
    audit.record(connection, call.at, actor, action, call.cn, call=call.id, reason=call.reason)
    _tell(connection, call, notice, call.at)


def _tell(connection: store.Connection, call: Call, notice: NoticeKind, now: int) -> None:
    cn = CommonName.parse(call.cn)
    application = seats.application_of(connection, cn)
    tell(connection, cn.institution, notice, now, cn=call.cn, application=application, call_id=call.id)


def release(connection: store.Connection, cn: CommonName, actor: str, now: int) -> Call | None:
    """Release a suspended CN: it is what it was, its certificates are good again. Raises NotFound, NotAllowed.

    Returns the call on which it stood suspended.
    """
    seat = seats.get(connection, cn)
    after = seat.released()
    standing = calls.standing(connection, str(cn))
    told = {} if standing is None else {"call": standing.id, "reason": standing.reason}
    seats.move(connection, seat, after, now, actor, **told)
    certificates.restore(connection, str(cn))
    calls.release(connection, str(cn), now)
    if standing is not None:
        _tell(connection, standing, NoticeKind.RELEASED, now)
    return standing


def release_over(connection: store.Connection, now: int) -> int:
    """Release every CN whose hold has run out without a form, and return how many."""
    over = calls.over(connection, now)
    for call in over:
        release(connection, CommonName.parse(call.cn), "schedule", now)
    return len(over)


def remind(connection: store.Connection, calendar: Calendar, business_days: int, now: int) -> int:
    """Ask again for forms that have been owed for so many business days since they were asked for; on business days.

    Returns how many administrators were asked.
    """
    today = day_in_tokyo(now)
    if not calendar.is_open(today):
        return 0
    # day one is the business day after the one on which it was asked for, a closed day too (calendar.after)
    since = start_of_day_in_tokyo(calendar.before(today, business_days - 1)) - 1
    owed = calls.owed_since(connection, since, _MOST_AT_ONCE)
    for call in owed:
        calls.remind(connection, call, since, now)
        _tell(connection, call, NoticeKind.FORM_OWED, now)
    return len(owed)


def _caller(text: str) -> str:
    caller = " ".join(text.split())
    if not caller or len(caller) > _LONGEST_CALLER or not caller.isprintable():
        raise Invalid({"caller": sentence("Say in 1 to {most} printable characters who called.", most=_LONGEST_CALLER)})
    return caller
