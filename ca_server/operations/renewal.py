"""Asking for renewal 証明書の更新, where no agent on the PC has renewed by itself (requirements U1, U3).

The pair of a renewal goes out on its day, once for each certificate, then reminders while nothing has renewed it. What
could not go out on its day, because the server was down or the seat suspended, goes out later if it is still of use.
When the grace after the end is over as well, the seat lapses. Each operation does a part of what is due and returns
how much; the schedule asks again at once while it was as much as it may be.
"""

from ca_server import store
from ca_server.clock import DAY
from ca_server.domain import renewal
from ca_server.domain.credentials import CredentialKind
from ca_server.notices.messages import NoticeKind
from ca_server.operations.invitation import Terms, invite
from ca_server.operations.notice import tell
from ca_server.store import credentials, renewals, revocations, seats

MOST_AT_ONCE = renewals.MOST_AT_ONCE
_SCHEDULE = "schedule"
_SURE = DAY


def ask(connection: store.Connection, terms: Terms, now: int) -> int:
    """Mail the pairs of renewals whose day has come; a pair that somebody had mailed before is respected."""
    due = renewals.not_asked_for(connection, renewal.to_ask_for(terms.times, now))
    for each in due:
        renewals.told(connection, each.serial, renewal.latest_notice(each.not_after, terms.times, now))
        if not credentials.live_of_seat(connection, each.cn):
            invite(connection, each.cn, CredentialKind.RENEW, terms, now, _SCHEDULE)
    return len(due)


def remind(connection: store.Connection, terms: Terms, now: int) -> int:
    """Queue the reminders whose day has come; of several that were missed the latest alone."""
    count = 0
    for reminder in renewal.reminders(terms.times, now):
        for each in renewals.not_reminded(connection, reminder.ends, reminder.days):
            renewals.told(connection, each.serial, reminder.days)
            tell(
                connection,
                each.cn.institution,
                NoticeKind.RENEWAL_REMINDER,
                now,
                cn=str(each.cn),
                application=seats.application_of(connection, each.cn),
                serial=each.serial,
            )
            count += 1
    return count


def lapse(connection: store.Connection, terms: Terms, now: int) -> int:
    """Write down which seats cannot be renewed any more; their pairs end with them.

    Nothing undoes it, so it is judged by a time that the records have outlived by a day, whatever the clock says now.
    """
    outlived = revocations.last_update_until(connection, now - _SURE)
    over = renewals.over(connection, renewal.too_late(terms.times, outlived))
    for each in over:
        renewals.lapsed(connection, each.serial)
        seat = seats.get(connection, each.cn)
        seats.move(connection, seat, seat.lapsed(), now, _SCHEDULE)
        for credential in credentials.live_of_seat(connection, each.cn):
            credentials.expire(connection, credential, now)
    return len(over)
