"""The small model of the walks: what the requirements say of applications, calls and pairs, in a few dictionaries.

Written from requirements N1, A4 to A10, E4, M1, R2 and protocol.md's rules of state, not from the code: plain, slow,
without a database or a clock. `verdict` and `may…` say what is allowed, the other methods what follows from it.
"""

import dataclasses
import datetime
from collections.abc import Iterator

import jpholiday

TAKEN, SENT_BACK, REFUSED = "taken", "sent back", "refused"
OPEN = ("received", "examined", "approved")
REASONS = {
    "disposed": "cessationOfOperation",
    "broken": "cessationOfOperation",
    "unused": "cessationOfOperation",
    "replaced": "superseded",
    "deleted": "superseded",
    "wrong-pc": "superseded",
    "account-changed": "superseded",
    "lost": "keyCompromise",
    "stolen": "keyCompromise",
    "missing": "keyCompromise",
    "misused": "keyCompromise",
}
URGENT = ("lost", "stolen", "missing", "misused")
MOST_NUMBERS = 999
HOLD_DAYS = REMINDER_DAYS = 3
PAIR_SECONDS = 30 * 86_400

Step = tuple[int, str, int]
"""Application, what of it is carried out, and which of its certificates (0 for all)."""


def is_business_day(day: datetime.date) -> bool:
    year_end = (day.month, day.day) >= (12, 29) or (day.month, day.day) <= (1, 3)
    return day.weekday() < 5 and not year_end and not jpholiday.is_holiday(day)


def business_day(day: datetime.date, count: int) -> datetime.date:
    """Return the business day number `count` after a day; day one is the first after it."""
    while count:
        day += datetime.timedelta(days=1)
        count -= is_business_day(day)
    return day


@dataclasses.dataclass
class Line:
    """One certificate of a form."""

    cn: str | None = None
    reason: str = ""
    revoked_on: datetime.date | None = None
    issues: bool = False
    issued_on: datetime.date | None = None
    revoked: bool = False
    issued: bool = False

    @property
    def urgent(self) -> bool:
        return self.reason in URGENT

    def revocation_is_due(self, today: datetime.date) -> bool:
        waits = self.revoked_on is not None and self.revoked_on > today and not self.urgent
        return self.cn is not None and not self.revoked and not waits

    def issuance_is_due(self, today: datetime.date) -> bool:
        return self.issues and not self.issued and (self.issued_on is None or self.issued_on <= today)


@dataclasses.dataclass
class Paper:
    """A form and what became of it; people are known by their mail addresses."""

    kind: str
    institution: str
    administrator: str
    filed_by: str
    at: int
    lines: list[Line]
    successor: str | None = None
    changed_on: datetime.date | None = None
    status: str = "received"
    examined_by: str | None = None
    approved_by: str | None = None
    approved_on: datetime.date = datetime.date.min
    approved_at: int = 0
    called_back: bool = False
    changed: bool = False

    @property
    def urgent(self) -> bool:
        return any(line.urgent for line in self.lines)

    def urges(self, cn: str) -> bool:
        """Tell whether it asks for an urgent revocation of a CN."""
        return any(line.cn == cn and line.urgent for line in self.lines)

    @property
    def foreign(self) -> list[str]:
        return [line.cn for line in self.lines if line.cn is not None and not line.cn.startswith(self.institution)]

    def desires(self) -> Iterator[datetime.date | None]:
        """Yield the dates that must keep to the calendar: an urgent revocation waits for none (A4, A9)."""
        for line in self.lines:
            yield from (None if line.urgent else line.revoked_on, line.issued_on)
        yield self.changed_on

    def change_is_due(self, today: datetime.date) -> bool:
        safe = self.approved_on if self.called_back else business_day(self.approved_on, 1)
        return self.successor is not None and not self.changed and today >= max(safe, self.changed_on or safe)


@dataclasses.dataclass
class Seat:
    """A CN: approved, active, suspended or revoked; and the serials of its certificates."""

    status: str = "approved"
    before: str = ""
    reason: str = ""
    serials: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Call:
    """A CN was revoked or suspended at once: its form is owed."""

    cn: str
    at: int
    asked_on: datetime.date
    paper: int | None = None
    held_through: datetime.date = datetime.date.max
    released: bool = False


@dataclasses.dataclass
class Model:
    """All that is known."""

    administrators: dict[str, str]
    last_numbers: dict[str, int]
    seats: dict[str, Seat]
    pairs: dict[str, tuple[int, int]]
    """When the live pair of a CN was made, and when it ends."""
    officers: set[str]
    """Registration officers who may act."""
    bound: dict[str, str] = dataclasses.field(default_factory=dict)
    """The account of a CN that may still fetch."""
    papers: dict[int, Paper] = dataclasses.field(default_factory=dict)
    calls: list[Call] = dataclasses.field(default_factory=list)

    def verdict(self, paper: Paper, today: datetime.date) -> str:
        """Say whether a form is taken, sent back because it is urgent and a stranger's, or refused (A5, A7)."""
        registered = self.administrators.get(paper.institution)
        wrong = self._names_wrongly(paper) or self._asks_too_much(paper) or self._changes_twice(paper)
        if wrong or self._is_faulty(paper, today) or (registered is None and paper.kind != "DCM902"):
            return REFUSED
        if registered in (None, paper.administrator):
            return TAKEN
        return SENT_BACK if paper.urgent else REFUSED

    def warned(self, paper: Paper) -> list[str]:
        """Return the institutions whose administrators are told that somebody may have posed as them."""
        owners = [cn.partition("-")[0] for cn in paper.foreign if cn in self.seats]
        registered = self.administrators.get(paper.institution, paper.administrator)
        return owners if paper.administrator == registered else [*owners, paper.institution]

    def _is_faulty(self, paper: Paper, today: datetime.date) -> bool:
        """Tell what the form itself shows: a CN of another institution, a date too early or closed, no change (A4)."""
        earliest = business_day(today, 8)
        late = all(day is None or (day >= earliest and is_business_day(day)) for day in paper.desires())
        return bool(paper.foreign) or not late or paper.successor == paper.administrator

    def _names_wrongly(self, paper: Paper) -> bool:
        """Tell whether it names a CN that is unknown, spoken for, or revoked without owing its form (A8)."""
        for line in paper.lines:
            if line.cn is None:
                continue
            others = [one for other in self._open() for one in other.lines if one.cn == line.cn]
            overrides = line.urgent and not any(one.urgent for one in others)
            if line.cn not in self.seats or (others and not overrides):
                return True
            if self.seats[line.cn].status == "revoked" and not any(call.cn == line.cn for call in self._owed()):
                return True
        return False

    def _asks_too_much(self, paper: Paper) -> bool:
        """Tell whether numbers would not suffice for what is asked for and promised (N1)."""
        promising = [paper, *(other for other in self._open() if other.institution == paper.institution)]
        asked = sum(line.issues and not line.issued for each in promising for line in each.lines)
        wants = any(line.issues for line in paper.lines)
        return wants and self.last_numbers.get(paper.institution, 0) + asked > MOST_NUMBERS

    def _changes_twice(self, paper: Paper) -> bool:
        changing = [self.papers[number].institution for number in self.changes()]
        return paper.successor is not None and paper.institution in changing

    def changes(self) -> list[int]:
        """Return the changes of administrators that are under way."""
        return [number for number, paper in self.papers.items() if paper.successor and paper.status in OPEN]

    def _open(self) -> list[Paper]:
        return [paper for paper in self.papers.values() if paper.status in OPEN]

    def may(self, act: str, number: int, officer: str) -> bool:
        """Tell whether an officer may take an application on (A6): whoever filed or examined it does not approve."""
        paper = self.papers[number]
        match act:
            case "examine":
                allowed = paper.status == "received"
            case "approve":
                same = self.administrators.get(paper.institution, paper.administrator) == paper.administrator
                allowed = paper.status == "examined" and officer not in (paper.filed_by, paper.examined_by) and same
            case "return":
                allowed = paper.status in ("received", "examined")
            case "call back":
                first = paper.successor is not None and not paper.called_back
                allowed = paper.status in OPEN and first and officer != paper.filed_by
            case _:
                allowed = paper.status in OPEN
        return allowed and officer in self.officers

    def decide(self, act: str, number: int, officer: str, now: int, today: datetime.date) -> None:
        """Take an application on; a first one registers its institution and administrator when approved (A7)."""
        paper = self.papers[number]
        match act:
            case "examine":
                paper.status, paper.examined_by = "examined", officer
            case "approve":
                paper.status, paper.approved_by, paper.approved_on = "approved", officer, today
                paper.approved_at = now
                self.administrators.setdefault(paper.institution, paper.administrator)
                self.last_numbers.setdefault(paper.institution, 0)
            case "return":
                paper.status = "returned"
            case "call back":
                paper.called_back = True
            case _:
                paper.status = "withdrawn"

    def due(self, today: datetime.date) -> set[Step]:
        """Return what is to be carried out: each half on its own day, an urgent revocation at once (A1, A9, M1)."""
        found: set[Step] = set()
        for number, paper in self.papers.items():
            if paper.status != "approved":
                continue
            for position, line in enumerate(paper.lines, start=1):
                found |= {(number, "revocation", position)} if line.revocation_is_due(today) else set()
                found |= {(number, "issuance", 0)} if line.issuance_is_due(today) else set()
            found |= {(number, "change", 0)} if paper.change_is_due(today) else set()
        return found

    def carry_out(self, step: Step, now: int, today: datetime.date) -> None:
        """Carry one step out; the application is done with its last half."""
        number, part, position = step
        paper = self.papers[number]
        if part == "revocation":
            line = paper.lines[position - 1]
            line.revoked = True
            self.revoke(str(line.cn), line.reason)
        elif part == "issuance":
            for line in paper.lines:
                if line.issuance_is_due(today):
                    line.issued = True
                    self._seat(paper.institution, now)
        elif part == "change":
            paper.changed = True
            self._change(paper, now)
        halves = [line.revoked or line.cn is None for line in paper.lines]
        halves += [line.issued or not line.issues for line in paper.lines]
        if all(halves) and (paper.changed or paper.successor is None):
            paper.status = "done"

    def _seat(self, institution: str, now: int) -> None:
        """Give the next number, which was never given before (N1), and mail its pair (E1)."""
        self.last_numbers[institution] += 1
        cn = f"{institution}-{self.last_numbers[institution]:03d}"
        assert cn not in self.seats
        self.seats[cn] = Seat()
        self.pairs[cn] = (now, now + PAIR_SECONDS)

    def _change(self, paper: Paper, now: int) -> None:
        """Register the successor; open pairs are replaced, accounts without a certificate are of no use (M1)."""
        self.administrators[paper.institution] = str(paper.successor)
        for cn, (_, ends) in self.pairs.items():
            if cn.startswith(paper.institution) and now < ends:
                self.pairs[cn] = (now, now + PAIR_SECONDS)
        self.bound = {cn: account for cn, account in self.bound.items() if not cn.startswith(paper.institution)}

    def revoke_on_a_call(self, cn: str, reason: str, now: int, today: datetime.date) -> None:
        """Revoke a CN before its form came, which is owed then (A9)."""
        self.revoke(cn, reason)
        self.calls.append(Call(cn, now, today))

    def revoke(self, cn: str, reason: str) -> None:
        """Revoke a CN with all it has, for ever: the first reason stands (R2)."""
        if self.seats[cn].status != "revoked":
            self.seats[cn].status, self.seats[cn].reason = "revoked", reason
        self.pairs.pop(cn, None)
        self.bound.pop(cn, None)

    def may_hold(self, cn: str, number: int) -> bool:
        """Tell whether an urgent form that had to be returned names the CN, which was not held on it before (A7)."""
        paper = self.papers[number]
        urgent = any(line.cn == cn and line.urgent for line in paper.lines) and paper.status == "returned"
        return urgent and not any(call.cn == cn and call.paper == number for call in self.calls)

    def suspend(self, cn: str, now: int, today: datetime.date, paper: int | None = None) -> None:
        """Suspend a CN on a call, or on a returned form through the third business day after today (A7, A9)."""
        seat = self.seats[cn]
        seat.before, seat.status = seat.status, "suspended"
        through = datetime.date.max if paper is None else business_day(today, HOLD_DAYS)
        self.calls.append(Call(cn, now, today, paper, through))

    def release(self, cn: str) -> None:
        """Release a CN: it is what it was."""
        self.seats[cn].status = self.seats[cn].before
        for call in self.calls:
            call.released |= call.cn == cn

    def release_over(self, today: datetime.date) -> int:
        """Release what was held through a day that is past, unless its form came, and return how many."""
        over = [
            call
            for call in self._newest()
            if call.held_through < today
            and self.seats[call.cn].status == "suspended"
            and not any(paper.status in OPEN and paper.urges(call.cn) for paper in self.papers.values())
        ]
        for call in over:
            self.release(call.cn)
        return len(over)

    def remind(self, today: datetime.date) -> int:
        """Ask for every form that is owed for three business days since it was asked for, and return how many."""
        late = [call for call in self._owed() if business_day(call.asked_on, REMINDER_DAYS) <= today]
        late = late if is_business_day(today) else []
        for call in late:
            call.asked_on = today
        return len(late)

    def _owed(self) -> list[Call]:
        """Return the newest call about each CN whose form is not under way and did not come or pass since (A9)."""
        return [call for call in self._newest() if not any(self._answers(each, call) for each in self.papers.values())]

    def _newest(self) -> list[Call]:
        return list({call.cn: call for call in self.calls if not call.released}.values())

    @staticmethod
    def _answers(paper: Paper, call: Call) -> bool:
        came = paper.status in OPEN or (max(paper.at, paper.approved_at) > call.at and paper.status == "done")
        return came and any(line.cn == call.cn for line in paper.lines)

    def may_bind(self, cn: str, now: int) -> bool:
        """Tell whether a PC may bind an account with the live pair of a CN (E4, rule 5 of state)."""
        return cn in self.pairs and now < self.pairs[cn][1] and self.seats[cn].status == "approved"

    def may_fetch(self, cn: str, account: str) -> bool:
        """Tell whether an account may have the first certificate, also after its pair ran out (rule 3 of state)."""
        return self.bound.get(cn) == account and self.seats[cn].status == "approved"

    def fetched(self, cn: str, serial: str) -> None:
        """Note the first certificate of a CN, which uses its pair up (E2)."""
        self.seats[cn].status = "active"
        self.seats[cn].serials.append(serial)
        self.pairs.pop(cn, None)

    def expire(self, now: int) -> int:
        """End every pair whose time is over, and return how many (E4)."""
        over = [cn for cn, (_, ends) in self.pairs.items() if ends <= now]
        for cn in over:
            del self.pairs[cn]
        return len(over)

    def told(self) -> dict[str, str]:
        """Return what OCSP is to say of every certificate (R1, P1)."""
        words = {"active": "good", "suspended": "certificateHold"}
        return {
            serial: words.get(seat.status, REASONS.get(seat.reason, ""))
            for seat in self.seats.values()
            for serial in seat.serials
        }
