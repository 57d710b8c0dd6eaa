"""Whatever days come: each mail about a renewal goes exactly once, on its day or on the first day that it can."""

import dataclasses
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ca_server.clock import DAY, day_in_tokyo
from ca_server.domain.credentials import CredentialKind
from ca_server.domain.reasons import Reason
from ca_server.domain.seats import SeatStatus
from ca_server.errors import Lapsed, TooEarly
from ca_server.notices.messages import NoticeKind
from ca_server.operations import applications, renewal, suspension
from ca_server.store import SynchronousDatabase, certificates, credentials, seats
from ca_server.store import applications as application_records
from protocol.names import CommonName
from tests.ca_server.databases import located
from tests.ca_server.operations.bureau import Bureau
from tests.ca_server.operations.watch import queued
from tests.ca_server.paper import ALICE, INSTITUTION, a_revocation

CN = CommonName.parse(f"{INSTITUTION}-001")
MAIL_DAYS, REMINDERS, GRACE = 30, (14, 7, 1), 90 * DAY
BOOKS = {"seats", "credentials", "plans", "claims", "certificates", "mails", "audit"}
ACTS = st.one_of(
    st.tuples(st.just("pass"), st.sampled_from([1, 1, 1, 1, 2, 3, 6, 7, 10, 16, 23, 60, 95])),
    st.tuples(st.just("turn back"), st.sampled_from([1, 2, 8, 20, 40])),
    st.tuples(st.sampled_from(["restart", "suspend", "release", "file", "withdraw", "agent", "mail"]), st.just(0)),
)


@dataclasses.dataclass
class Line:
    """What the administrator should have been told about one certificate, a day in a list for each notice."""

    not_after: int
    pairs: int = 0
    reached: int | None = None
    """The fewest days of a notice that was given or made up for."""
    reminders: list[int] = dataclasses.field(default_factory=list)


class Walk:
    """A PC, the officers and the clock, and beside them what should come of it, counted by hand."""

    def __init__(self, folder: Path) -> None:
        self.bureau = Bureau.open(folder)
        self.bureau.now += 350 * DAY
        (self.account,) = {owner[0] for owner in self._owners()}
        self.lines: dict[str, Line] = {}
        self.form: int | None = None

    def _owners(self) -> list[tuple[str, str, bytes | None, str]]:
        found = self.bureau.records.read(certificates.of_seat, str(CN))
        owners = [self.bureau.records.read(certificates.owner, each.serial) for each in found]
        return [owner for owner in owners if owner is not None]

    def act(self, what: str, days: int) -> None:
        """Let something happen, if it can."""
        bureau, records, now = self.bureau, self.bureau.records, self.bureau.now
        status = records.read(seats.get, CN).status
        match what:
            case "pass":
                bureau.now += days * DAY
            case "turn back":
                bureau.now -= days * DAY
            case "restart":
                records.close()
                bureau.records = SynchronousDatabase(located(bureau.folder))
            case "suspend" if status is SeatStatus.ACTIVE and self._is_valid():
                request = suspension.Request(Reason.LOST, "みどり銀行 山田様", ALICE)
                records.write(suspension.suspend, CN, request, bureau.entry, now)
            case "release" if status is SeatStatus.SUSPENDED:
                records.write(suspension.release, CN, "officer:alice", now)
            case "file" if self.form is None:
                self.form = bureau.file(a_revocation(str(CN), reason="unused", now=now)).number
            case "withdraw" if self.form is not None:
                records.write(applications.withdraw, self.form, ALICE, "機器更新の延期", now)
                self.form = None
            case "agent" if status is SeatStatus.ACTIVE:
                self._renew(self.account)
            case "mail" if status is SeatStatus.ACTIVE and records.read(credentials.live_of_seat, CN):
                if now < records.read(credentials.live_of_seat, CN)[0].expires_at:
                    self._renew(bureau.bind(bureau.pair(str(CN))))

    def _is_valid(self) -> bool:
        newest = self.bureau.records.read(certificates.newest, str(CN))
        return newest is not None and self.bureau.now < newest.not_after

    def _renew(self, account: str) -> None:
        try:
            self.bureau.enrol(account)
        except (TooEarly, Lapsed):
            return
        self.account = account

    def tick(self) -> None:
        """Do what the schedule does, twice, and write down what should come of it."""
        for operation in (renewal.ask, renewal.remind, renewal.lapse) * 2:
            self.bureau.records.write(operation, self.bureau.terms.pair, self.bureau.now)
        self._expect()
        assert self._made() == +Counter({serial: line.pairs for serial, line in self.lines.items()}).total()
        assert self._reminded() == Counter(
            (serial, day) for serial, line in self.lines.items() for day in line.reminders
        )

    def _expect(self) -> None:
        now, newest = self.bureau.now, self.bureau.records.read(certificates.newest, str(CN))
        waits = self.bureau.records.read(application_records.open_for, CN) is not None
        status = self.bureau.records.read(seats.get, CN).status
        if newest is None or status is not SeatStatus.ACTIVE or waits:
            return
        line = self.lines.setdefault(newest.serial, Line(newest.not_after))
        left = (day_in_tokyo(line.not_after) - day_in_tokyo(now)).days
        come = min((days for days in (MAIL_DAYS, *REMINDERS) if left <= days), default=None)
        if come is None or now > line.not_after + GRACE:
            return
        if not line.pairs:
            line.pairs, line.reached = 1, MAIL_DAYS if now > line.not_after else come
        elif now <= line.not_after and line.reached is not None and come < line.reached:
            line.reached = come
            line.reminders.append(come)

    def _made(self) -> int:
        made = self.bureau.records.read(credentials.of_seat, str(CN))
        return sum(credential.kind is CredentialKind.RENEW for credential, _ in made)

    def _reminded(self) -> Counter[tuple[str, int]]:
        """Count reminders by certificate and by the notice that their day belongs to."""
        found: Counter[tuple[str, int]] = Counter()
        for mail in self.bureau.records.read(queued):
            if mail.kind == NoticeKind.RENEWAL_REMINDER and mail.cn == str(CN) and mail.serial is not None:
                left = (day_in_tokyo(self.lines[mail.serial].not_after) - day_in_tokyo(mail.created_at)).days
                found[mail.serial, min(days for days in REMINDERS if left <= days)] += 1
        return found


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example([("pass", 65), ("turn back", 20), ("agent", 0), ("suspend", 0), ("turn back", 1)])
@given(st.lists(ACTS, min_size=10, max_size=35))
def test_each_notice_goes_exactly_once_whatever_days_come(acts: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory(prefix="warifu-days-") as place:
        walk = Walk(Path(place))
        walk.tick()
        for what, days in acts:
            walk.act(what, days)
            walk.tick()
        books = walk.bureau.balance().books
        assert [finding for book in books if book.name in BOOKS for finding in book.findings] == []
        walk.bureau.records.close()
