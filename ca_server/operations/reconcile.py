"""Reconciliation: the books that must balance, compared in one snapshot of the records; nothing is ever written.

`balance` is the whole, for a person, for every test and for a drill's end. `glance` is the bounded part that a running
server looks at when it starts and each hour. What is outside the records is read beside the snapshot: a running server
may replace the CRL meanwhile, so each file is read before and after.
"""

import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cryptography import x509

from ca_server import store
from ca_server.clock import DAY, Clock, rfc3339
from ca_server.domain.approvals import Trust
from ca_server.operations.audit_log import FOLDER
from ca_server.operations.books.applications import applications, failed_halves
from ca_server.operations.books.audit import audit, audit_tree
from ca_server.operations.books.book import Book
from ca_server.operations.books.certificates import certificates, idle_issuers, profile
from ca_server.operations.books.clear_text import Places, clear_text
from ca_server.operations.books.credentials import credentials
from ca_server.operations.books.crl import Files as CrlFiles
from ca_server.operations.books.crl import crl, root_crl, root_crl_ends_soon
from ca_server.operations.books.files import files
from ca_server.operations.books.mails import late_mails, mails
from ca_server.operations.books.ocsp import Desk, answers
from ca_server.operations.books.plans import claims, plans
from ca_server.operations.books.ready import ready_answers
from ca_server.operations.books.revocations import revocations
from ca_server.operations.books.seats import seats
from ca_server.store import ledger as records
from ca_server.store import outbox
from ca_server.store.outbox import MailStatus
from ca_server.store.revocations import published_crl
from keys.sealing import Sealer
from keys.signed_note import NoteKey

log = logging.getLogger(__name__)

_NOTICE_DAYS = 180
_NOTICE_OF_A_LIST = 3  # of its life, two hours at the least, of which one has passed when the next list is due


@dataclasses.dataclass(frozen=True)
class Premises:
    """What the records are compared with."""

    desks: tuple[Desk, ...]
    """Every issuing CA with its OCSP signer, the one in use first."""
    root: x509.Certificate
    sealer: Sealer
    public_folder: Path
    places: Places
    four_eyes: bool
    trust: Trust | None = None
    """Whose signatures count, where decisions must be signed."""
    note_keys: tuple[NoteKey, ...] = ()
    """What checkpoints of the audit log are verified with."""


@dataclasses.dataclass(frozen=True)
class Balance:
    """All books as they were found, and what needs a person soon though nothing is wrong yet."""

    books: tuple[Book, ...]
    warnings: tuple[str, ...]

    @property
    def balanced(self) -> bool:
        """Tell whether no book has a finding."""
        return not any(book.findings for book in self.books)


def balance(connection: store.Connection, premises: Premises, clock: Clock) -> Balance:
    """Balance every book."""
    began = clock.now()
    checkpoint = _content(premises.public_folder / FOLDER / "checkpoint")
    lists = {desk.issuer: CrlFiles(premises.public_folder, desk.issuer) for desk in premises.desks}
    for each in lists.values():
        each.read()
    ledger = records.read(connection)
    for each in lists.values():
        each.read()
    now = clock.now()  # not earlier: nothing in the snapshot may lie in the future
    root_file = _content(premises.public_folder / "root.crl")
    issuing = {desk.issuer: desk.issuing for desk in premises.desks}
    books = (
        applications(connection, ledger, premises.trust, four_eyes=premises.four_eyes),
        files(connection, ledger, premises.sealer, now),
        seats(ledger, now),
        credentials(ledger, premises.sealer),
        plans(ledger, now),
        claims(ledger),
        certificates(ledger, issuing, now),
        profile(ledger, issuing),
        revocations(ledger, now),
        *_of_each(premises, lambda desk: _crl(ledger, desk, lists[desk.issuer], now)),
        root_crl(premises.root, root_file, now),
        *_of_each(premises, lambda desk: answers(connection, ledger, desk, now)),
        *_of_each(premises, lambda desk: ready_answers(ledger, desk, began)),
        mails(ledger),
        audit(ledger),
        audit_tree(connection, premises.note_keys, checkpoint),
        clear_text(connection, ledger, premises.sealer, premises.places),
    )
    warnings = (
        *root_crl_ends_soon(root_file, now),
        *failed_halves(ledger),
        *late_mails(ledger, now),
        *idle_issuers(ledger, [desk.issuer for desk in premises.desks[1:]], now),
    )
    return Balance(books, warnings)


def _of_each(premises: Premises, balanced: Callable[[Desk], Book]) -> Iterator[Book]:
    """Yield a book of each issuing CA, under the CA's name too where it is not the one in use."""
    in_use, *others = premises.desks
    yield balanced(in_use)
    for desk in others:
        found = balanced(desk)
        yield dataclasses.replace(found, name=f"{found.name} {desk.issuer}")


def _crl(ledger: records.Ledger, desk: Desk, files: CrlFiles, now: int) -> Book:
    own = [row for row in ledger.certificates if row.issuer == desk.issuer]
    return crl(dataclasses.replace(ledger, certificates=own), desk.issuer, desk.issuing, files, now)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


@dataclasses.dataclass(frozen=True)
class Glance:
    """The bounded part: counts, and a sentence for each thing that is wrong.

    `crl_age` is that of the newest CRL in seconds, of the issuer whose is the oldest; None while one has no CRL.
    """

    open_plans: int
    pending_mails: int
    dead_mails: int
    crl_age: int | None
    alarms: tuple[str, ...]


def glance(connection: store.Connection, issuers: Sequence[str], public_folder: Path, now: int) -> Glance:
    """Look at open plans, the outbox, the newest CRL and the root's: counts by index and two files, no key."""
    open_plans, overdue = records.plans(connection, now)
    counts = outbox.counts(connection)
    dead = counts.get(MailStatus.DEAD, 0)
    alarms = list(root_crl_ends_soon(_content(public_folder / "root.crl"), now))
    if overdue:
        alarms.append(f"{overdue} plans are older than their lease; they are finished now.")
    if dead:
        alarms.append(f"{dead} mails are dead; `warifu-ca reconcile` names them.")
    ages = []
    for issuer in issuers:
        newest = published_crl(connection, issuer)
        if newest is None:
            continue
        ages.append(now - newest.this_update)
        if newest.next_update <= now:
            alarms.append(f"CRL {newest.number} of {issuer} ended at {rfc3339(newest.next_update)}.")
        elif newest.next_update - now < (newest.next_update - newest.this_update) // _NOTICE_OF_A_LIST:
            alarms.append(f"CRL {newest.number} of {issuer} ends at {rfc3339(newest.next_update)}; no newer one came.")
    age = max(ages) if len(ages) == len(issuers) else None
    return Glance(open_plans, counts.get(MailStatus.PENDING, 0), dead, age, tuple(alarms))


def issuer_ends_soon(issuing: x509.Certificate, validity_days: int, now: int) -> tuple[str, ...]:
    """Return an alarm from 180 days before the issuing CA is too short-lived: nothing outlives its issuer."""
    last = int(issuing.not_valid_after_utc.timestamp()) - validity_days * DAY
    if now < last - _NOTICE_DAYS * DAY:
        return ()
    return (f"From {rfc3339(last)} on the issuing CA is too short-lived to issue; see `warifu-ca root new-issuer`.",)


def report(seen: Glance) -> None:
    """Log a glance in one line, and each alarm in its own."""
    age = "no CRL yet" if seen.crl_age is None else f"the newest CRL is {seen.crl_age} seconds old"
    log.info(
        "books: %d open plans, %d mails pending, %d dead, %s", seen.open_plans, seen.pending_mails, seen.dead_mails, age
    )
    for alarm in seen.alarms:
        log.error("ALARM: %s", alarm)
