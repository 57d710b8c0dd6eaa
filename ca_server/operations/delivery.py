"""Delivering mail from the outbox: intent, commit, act, record.

The try is counted before the mail server is spoken to, so that a crash costs at most a second copy with the same
Message-ID, never a mail. The body is made here from the records and exists nowhere else; a mail whose credential ended
meanwhile is void.

A mail that is put off waits by itself, and in the end is given up. A mail server that is away makes all mails wait
together, costs none of them its life, and is asked with one mail every few seconds; when it takes that one, the others
follow at once. Which of the two it is, `Line` judges.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Iterable, Sequence
from typing import Final

from ca_server import store
from ca_server.notices.mailer import (
    LONGEST_TRY_SECONDS,
    Accepted,
    Deferred,
    Mailer,
    Outage,
    Rejected,
    is_hopeless,
    next_try,
)
from ca_server.notices.messages import Messages, NoticeKind
from ca_server.operations.letters import Letters, enclosures, letter_of
from ca_server.store import audit, outbox
from ca_server.store.outbox import Mail, MailStatus

log = logging.getLogger(__name__)

_AT_ONCE = 16
_LEASE_SECONDS: Final = LONGEST_TRY_SECONDS + 8
_FIRST_PAUSE = 3
_LONGEST_PAUSE = 15  # with one more try, a mail server that returns is noticed well within 30 s
_MAILS_IN_VAIN = 4  # one more than an administrator's whom a mail server does not know yet (greylisting)


@dataclasses.dataclass(frozen=True)
class Try:
    """What became of a mail at the mail server."""

    mail: Mail
    outcome: Accepted | Deferred | Rejected


class Line:
    """The line to the mail server as this running server knows it; nothing of it outlives the process.

    - While mails are accepted, whatever fails is about the mail that failed.
    - When of those just tried some failed and none was accepted, the line is in doubt: mails are tried one by one, each
      after a pause. A pause counts from the beginning of the try, so that a server that stalls costs the longer of the
      two and not both.
    - An outage is the server's, unless the mail is a suspect: one that already failed in an outage which others then
      proved to be over. So a mail at whose content some filter cuts the line does not stop the rest again and again.
    - The first mail accepted ends the doubt.
    """

    def __init__(self) -> None:
        self.in_doubt = False
        self._pause = 0
        self._closed_until = 0
        self._since = 0
        self._in_vain: set[str] = set()
        self._alarmed = False
        self._outage = 0
        self._failed_in: dict[str, int] = {}
        """Of each mail that waits, the last outage in which it failed; in an earlier one than this, it is a suspect."""

    def is_closed(self, now: int) -> bool:
        """Tell whether to wait before the next try; a clock that was set back closes nothing."""
        return now < self._closed_until <= now + _LONGEST_PAUSE

    def judge(self, tries: Sequence[Try], now: int) -> bool:
        """Learn from what was tried together since `now`, and return whether its outages are the server's fault."""
        failed = {each.mail.id: each.outcome for each in tries if isinstance(each.outcome, Deferred)}
        for each in tries:
            if each.mail.id not in failed:
                self._failed_in.pop(each.mail.id, None)
        if any(isinstance(each.outcome, Accepted) for each in tries):
            self._clear(now)
            return False
        if not failed:
            return False
        outages = {mail: outcome for mail, outcome in failed.items() if isinstance(outcome, Outage)}
        blamed = any(self._failed_in.get(mail, self._outage) == self._outage for mail in outages)
        if blamed:
            self._failed_in |= dict.fromkeys(outages, self._outage)
        self._doubt(failed.keys(), now)
        if not self._alarmed and (blamed or len(self._in_vain) >= _MAILS_IN_VAIN):
            self._alarmed = True
            reasons = [outcome.reason for outcome in (outages or failed).values()]
            log.error("ALARM: mails do not leave; tried in vain: %d; %s", len(self._in_vain), reasons[0])
        return blamed

    def _doubt(self, failed: Iterable[str], now: int) -> None:
        if not self.in_doubt:
            self.in_doubt, self._since = True, now
        self._in_vain.update(failed)
        self._pause = min(2 * self._pause or _FIRST_PAUSE, _LONGEST_PAUSE)
        self._closed_until = now + self._pause

    def _clear(self, now: int) -> None:
        if self._alarmed:
            log.warning("ALARM over: mails leave again; %d s without", now - self._since)
        self.in_doubt = self._alarmed = False
        self._pause = 0
        self._in_vain.clear()
        self._outage += 1


@dataclasses.dataclass(frozen=True)
class PostOffice:
    """What delivering needs besides the records."""

    mailer: Mailer
    messages: Messages
    letters: Letters
    line: Line = dataclasses.field(default_factory=Line)


async def deliver(database: store.Database, office: PostOffice, now: int) -> None:
    """Deliver a few of the mails that are due, at once, or one while the line is in doubt; the next tick sees to more.

    A mail that cannot even be made is an alarm; its next try is set, as for any other.
    """
    if office.line.is_closed(now):
        return
    mails = await database.lookup(outbox.due, now, _AT_ONCE)
    if office.line.in_doubt:
        tries = await _probe(database, office, mails, now)
    else:
        tries = await _together(database, office, mails, now)
    servers_fault = office.line.judge(tries, now)
    for each in tries:
        if isinstance(each.outcome, Outage):
            if servers_fault:
                await database.write(outbox.hold, each.mail, each.outcome.reason, now)
            else:
                await _put_off(database, each.mail, each.outcome, now)


async def _together(database: store.Database, office: PostOffice, mails: Sequence[Mail], now: int) -> list[Try]:
    tries = await asyncio.gather(*(_try(database, office, mail, now) for mail in mails))
    return [each for each in tries if each is not None]


async def _probe(database: store.Database, office: PostOffice, mails: Sequence[Mail], now: int) -> list[Try]:
    """Try one mail after the other until one tells how the server is: a no for good to a mail tells nothing."""
    tries = []
    for mail in mails:
        tried = await _try(database, office, mail, now)
        if tried is not None:
            tries.append(tried)
            if not isinstance(tried.outcome, Rejected):
                break
    return tries


async def _try(database: store.Database, office: PostOffice, mail: Mail, now: int) -> Try | None:
    """Return what became of the mail at the mail server, None when it did not come to that."""
    try:
        return await _deliver_one(database, office, mail, now)
    except store.Conflict:  # another server took it
        return None
    except store.Unavailable as error:
        log.error("ALARM: a mail could not be delivered: %s", error)
        return None
    except Exception:
        log.exception("ALARM: a mail could not be delivered")
        return None


async def _deliver_one(database: store.Database, office: PostOffice, mail: Mail, now: int) -> Try | None:
    # 1. the intent: this try is counted, and the next one set beyond its end, before the mail server hears anything
    again = max(next_try(mail.attempts, now), now + _LEASE_SECONDS)
    await database.write(outbox.intend, mail, again)
    # 2. the body, from the records as they are now
    letter = await database.lookup(letter_of, mail, office.letters, now)
    if letter is None:
        await database.write(_record, mail, MailStatus.VOID, now, "what it was about had ended")
        return None
    # 3. the act
    rendered = office.messages.render(NoticeKind(mail.kind), mail.language, letter.facts)
    enclosed = () if letter.inventory is None else await asyncio.to_thread(enclosures, letter, mail, now)
    made = office.messages.compose(rendered, mail.recipient, mail.id, mail.created_at, enclosed)
    outcome = await office.mailer.deliver(made)
    # 4. the record; that of an outage waits for what the other mails met
    if isinstance(outcome, Accepted):
        await database.write(_record, mail, MailStatus.SENT, now, None)
    elif not isinstance(outcome, Outage):
        await _put_off(database, mail, outcome, now)
    return Try(mail, outcome)


async def _put_off(database: store.Database, mail: Mail, outcome: Deferred | Rejected, now: int) -> None:
    """Set the next try of a mail that was not accepted, unless there is none."""
    if isinstance(outcome, Deferred) and not is_hopeless(mail.created_at, now):
        await database.write(outbox.defer, mail, outcome.reason, next_try(mail.attempts, now))
    else:
        log.error("ALARM: mail %s (%s) cannot be delivered: %s", mail.id, mail.kind, outcome.reason)
        await database.write(_record, mail, MailStatus.DEAD, now, outcome.reason)


def _record(connection: store.Connection, mail: Mail, status: MailStatus, now: int, why: str | None) -> None:
    outbox.end(connection, mail, status, now, why)
    about_form = None if mail.application is None else f"application:{mail.application}"
    subject = mail.cn or about_form or mail.institution or f"checkpoint:{mail.checkpoint}"
    result = audit.FAILED if status is MailStatus.DEAD else audit.DONE
    audit.record(
        connection, now, "schedule", f"mail {status}", subject, result=result, mail=mail.id, kind=mail.kind, why=why
    )
