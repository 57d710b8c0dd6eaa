"""A PC whose renewal comes near: its desk, and the schedule that asks for it on the days that a test chooses."""

import datetime
from collections import Counter
from pathlib import Path

from sqlalchemy import select

from ca_server.clock import DAY, HOUR, TOKYO
from ca_server.domain.certificates import Certificate
from ca_server.domain.credentials import CredentialKind, CredentialStatus
from ca_server.domain.help_desk import Times
from ca_server.domain.reasons import Reason
from ca_server.domain.seats import SeatStatus
from ca_server.notices.messages import NoticeKind
from ca_server.operations import renewal, suspension
from ca_server.operations.letters import Letters, letter_of
from ca_server.store import Connection, certificates, credentials, outbox, revocations, seats, tables
from ca_server.store.outbox import Mail
from protocol.names import CommonName
from tests.ca_server.branch import TIMES, Branch
from tests.ca_server.paper import ALICE, SEALER, Desk, an_issuance, no_entry

CN = CommonName.parse("F123456-001")
LETTERS = Letters(SEALER, "https://ca.example/e/", 10, Times(TIMES, 180))
PAIR = {NoticeKind.RENEWAL_URL, NoticeKind.RENEWAL_PASSWORD}
NOTICES = PAIR | {NoticeKind.RENEWAL_REMINDER}


def queued(connection: Connection) -> list[Mail]:
    """Return every mail that waits, also those that are not due."""
    waiting = select(*outbox._COLUMNS).where(tables.outbox.c.status == "pending")
    return [Mail(*row) for row in connection.execute(waiting)]


class Watch:
    """The desk, one PC of its institution with a certificate, and the schedule that asks for its renewal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desk = Desk.open(folder)
        self.branch = Branch(self.desk)
        self.desk.done(an_issuance(1))
        self.account = self.branch.fetch(CN)
        self.certificate = self.newest()

    def newest(self) -> Certificate:
        found = self.desk.records.read(certificates.newest, str(CN))
        assert found is not None
        return found

    def turn(self, *, days: int, hours: int = 12) -> None:
        """Turn the clock to some hour of the day in Japan that lies so many days before the certificate's last one."""
        last = datetime.datetime.fromtimestamp(self.certificate.not_after, TOKYO).date()
        day = datetime.datetime.combine(last - datetime.timedelta(days=days), datetime.time(), TOKYO)
        self.desk.now = int(day.timestamp()) + hours * HOUR

    def tick(self, *, days: int | None = None) -> list[str]:
        """Do what the schedule does, on a day before the end, and return the kinds of the mails that came of it."""
        if days is not None:
            self.turn(days=days)
        self.publish(self.desk.now - DAY)
        before = {mail.id for mail in self.mails()}
        for operation in (renewal.ask, renewal.remind, renewal.lapse):
            self.desk.records.write(operation, self.desk.terms.pair, self.desk.now)
        return [mail.kind for mail in self.mails() if mail.id not in before]

    def publish(self, at: int) -> None:
        """Have a CRL published at some time, as a service that lives does every hour."""
        number = self.desk.records.read(revocations.last_number, "issuing-1") + 1
        self.desk.records.write(revocations.draft_crl, "issuing-1", number, (at, at + DAY), 0)
        self.desk.records.write(revocations.crl_published, "issuing-1", (number, 0, ""), at)

    def days(self, *days: int) -> Counter[int]:
        """Let the schedule come on some days before the end, and count the mails of each."""
        return +Counter({day: len(self.tick(days=day)) for day in days})

    def mails(self) -> list[Mail]:
        """Return every mail about renewal that was ever queued and waits."""
        return [mail for mail in self.desk.records.read(outbox.due, 1 << 40, 10_000) if mail.kind in NOTICES]

    def pairs(self) -> list[CredentialStatus]:
        made = self.desk.records.read(credentials.of_seat, str(CN))
        return [credential.status for credential, _ in made if credential.kind is CredentialKind.RENEW]

    def letter(self, kind: NoticeKind) -> dict[str, object] | None:
        """Return what the newest mail of a kind says if it leaves now, None if it does not."""
        mail = [mail for mail in self.mails() if mail.kind == kind][-1]
        letter = self.desk.records.read(letter_of, mail, LETTERS, self.desk.now)
        return None if letter is None else letter.facts

    def suspend(self) -> None:
        request = suspension.Request(Reason.LOST, "みどり銀行 山田様", ALICE)
        self.desk.records.write(suspension.suspend, CN, request, no_entry, self.desk.now)

    def release(self) -> None:
        self.desk.records.write(suspension.release, CN, "officer:alice", self.desk.now)

    def seat(self) -> SeatStatus:
        return self.desk.records.read(seats.get, CN).status
