"""Reconciliation: the books that must balance, compared in one snapshot of the records; nothing is ever written.

`balance` is the whole, for a person, for every test and for a drill's end. `glance` is the bounded part that a running
server looks at when it starts and each hour. What is outside the records is read beside the snapshot: a running server
may replace the CRL meanwhile, so its file is read before and after.
"""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

from cryptography import x509

from ca_server import store
from ca_server.authority.signer import Signer
from ca_server.clock import DAY, Clock, rfc3339
from ca_server.operations.books.applications import applications, failed_halves
from ca_server.operations.books.audit import audit
from ca_server.operations.books.book import Book
from ca_server.operations.books.certificates import certificates, profile
from ca_server.operations.books.clear_text import Places, clear_text
from ca_server.operations.books.credentials import credentials
from ca_server.operations.books.crl import crl, root_crl, root_crl_ends_soon
from ca_server.operations.books.files import files
from ca_server.operations.books.mails import late_mails, mails
from ca_server.operations.books.ocsp import Desk, answers
from ca_server.operations.books.plans import claims, plans
from ca_server.operations.books.revocations import revocations
from ca_server.operations.books.seats import seats
from ca_server.store import ledger as records
from ca_server.store import outbox
from ca_server.store.outbox import MailStatus
from ca_server.store.revocations import published_crl
from keys.sealing import Sealer

log = logging.getLogger(__name__)

_NOTICE_DAYS = 180


@dataclasses.dataclass(frozen=True)
class Premises:
    """What the records are compared with."""

    issuer: str
    issuing: x509.Certificate
    root: x509.Certificate
    ocsp_signer: Callable[[], Signer]
    """Opens the OCSP signer's key; a key that cannot be used is a finding."""
    ocsp_answer_seconds: int
    sealer: Sealer
    public_folder: Path
    places: Places
    four_eyes: bool


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
    crl_file = premises.public_folder / f"{premises.issuer}.crl"
    before = _content(crl_file)
    ledger = records.read(connection)
    after = _content(crl_file)
    now = clock.now()  # not earlier: nothing in the snapshot may lie in the future
    root_file = _content(premises.public_folder / "root.crl")
    desk = Desk(premises.issuer, premises.issuing, premises.ocsp_signer, premises.ocsp_answer_seconds)
    books = (
        applications(connection, ledger, four_eyes=premises.four_eyes),
        files(connection, ledger, premises.sealer, now),
        seats(ledger, now),
        credentials(ledger, premises.sealer),
        plans(ledger, now),
        claims(ledger),
        certificates(ledger, premises.issuer, premises.issuing),
        profile(ledger, premises.issuing),
        revocations(ledger, now),
        crl(ledger, premises.issuer, premises.issuing, (before, after), now),
        root_crl(premises.root, root_file, now),
        answers(connection, ledger, desk, now),
        mails(ledger),
        audit(ledger),
        clear_text(connection, ledger, premises.sealer, premises.places),
    )
    warnings = (*root_crl_ends_soon(root_file, now), *failed_halves(ledger), *late_mails(ledger, now))
    return Balance(books, warnings)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


@dataclasses.dataclass(frozen=True)
class Glance:
    """The bounded part: counts, the age of the newest CRL in seconds, and a sentence for each thing that is wrong."""

    open_plans: int
    pending_mails: int
    dead_mails: int
    crl_age: int | None
    alarms: tuple[str, ...]


def glance(connection: store.Connection, issuer: str, public_folder: Path, now: int) -> Glance:
    """Look at open plans, the outbox, the newest CRL and the root's: counts by index and two files, no key."""
    open_plans, overdue = records.plans(connection, now)
    counts = outbox.counts(connection)
    newest = published_crl(connection, issuer)
    dead = counts.get(MailStatus.DEAD, 0)
    alarms = list(root_crl_ends_soon(_content(public_folder / "root.crl"), now))
    if overdue:
        alarms.append(f"{overdue} plans are older than their lease; they are finished now.")
    if dead:
        alarms.append(f"{dead} mails are dead; `warifu-ca reconcile` names them.")
    if newest is not None and newest.next_update <= now:
        alarms.append(f"CRL {newest.number} ended at {rfc3339(newest.next_update)}.")
    age = None if newest is None else now - newest.this_update
    return Glance(open_plans, counts.get(MailStatus.PENDING, 0), dead, age, tuple(alarms))


def issuer_ends_soon(issuing: x509.Certificate, validity_days: int, now: int) -> tuple[str, ...]:
    """Return an alarm from 180 days before the issuing CA is too short-lived: nothing outlives its issuer."""
    last = int(issuing.not_valid_after_utc.timestamp()) - validity_days * DAY
    if now < last - _NOTICE_DAYS * DAY:
        return ()
    return (f"From {rfc3339(last)} on the issuing CA is too short-lived to issue; prepare the next one.",)


def report(seen: Glance) -> None:
    """Log a glance in one line, and each alarm in its own."""
    age = "no CRL yet" if seen.crl_age is None else f"the newest CRL is {seen.crl_age} seconds old"
    log.info(
        "books: %d open plans, %d mails pending, %d dead, %s", seen.open_plans, seen.pending_mails, seen.dead_mails, age
    )
    for alarm in seen.alarms:
        log.error("ALARM: %s", alarm)
