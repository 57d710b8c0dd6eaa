"""Delivering mail from the outbox: intent, commit, act, record.

The try is counted before the mail server is spoken to, so that a crash costs at most a second copy with the same
Message-ID, never a mail. The body is made here from the records and exists nowhere else; a mail whose credential ended
meanwhile is void.
"""

import asyncio
import dataclasses
import logging

from ca_server import store
from ca_server.notices.mailer import Accepted, Deferred, Mailer, is_hopeless, next_try
from ca_server.notices.messages import Messages, NoticeKind
from ca_server.operations.letters import Letters, facts_of
from ca_server.store import audit, outbox
from ca_server.store.outbox import Mail, MailStatus

log = logging.getLogger(__name__)

_AT_ONCE = 16


@dataclasses.dataclass(frozen=True)
class PostOffice:
    """What delivering needs besides the records."""

    mailer: Mailer
    messages: Messages
    letters: Letters


async def deliver(database: store.Database, office: PostOffice, now: int) -> int:
    """Deliver a few of the mails that are due, at once, and return how many were tried; the next tick sees to the rest.

    A mail that cannot even be made is an alarm; its next try is set, as for any other.
    """
    mails = await database.lookup(outbox.due, now, _AT_ONCE)
    outcomes = await asyncio.gather(
        *(_deliver_one(database, office, mail, now) for mail in mails), return_exceptions=True
    )
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            log.error("ALARM: a mail could not be delivered", exc_info=outcome)
    return len(mails)


async def _deliver_one(database: store.Database, office: PostOffice, mail: Mail, now: int) -> None:
    # 1. the intent: this try is counted, and the next one set, before anything is said to the mail server
    await database.write(outbox.intend, mail, next_try(mail.attempts, now))
    # 2. the body, from the records as they are now
    facts = await database.lookup(facts_of, mail, office.letters)
    if facts is None:
        await database.write(_record, mail, MailStatus.VOID, now, "its credential had ended")
        return
    # 3. the act
    rendered = office.messages.render(NoticeKind(mail.kind), mail.language, facts)
    outcome = await office.mailer.deliver(office.messages.compose(rendered, mail.recipient, mail.id, mail.created_at))
    # 4. the record
    if isinstance(outcome, Accepted):
        await database.write(_record, mail, MailStatus.SENT, now, None)
    elif isinstance(outcome, Deferred) and not is_hopeless(mail.created_at, now):
        await database.write(outbox.defer, mail, outcome.reason)
    else:
        log.error("ALARM: mail %s (%s) cannot be delivered: %s", mail.id, mail.kind, outcome.reason)
        await database.write(_record, mail, MailStatus.DEAD, now, outcome.reason)


def _record(connection: store.Connection, mail: Mail, status: MailStatus, now: int, why: str | None) -> None:
    outbox.end(connection, mail, status, now, why)
    subject = mail.cn or f"application:{mail.application}"
    audit.record(connection, now, "schedule", f"mail {status}", subject, mail=mail.id, kind=mail.kind, why=why)
