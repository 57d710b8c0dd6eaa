"""Random walks of three registration officers, a help desk officer, two institutions, a third one, and the clock.

A walk does to a real CA, with its operations, calendar and keys and a database of its own, what officers,
administrators, PCs and the schedule do, in and out of turn, and to the small model the same (`agreement`).
"""

import datetime
from typing import Any
from unittest import mock

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from ca_server.clock import DAY, HOUR
from ca_server.domain.applications import Filed, Kind, Status
from ca_server.domain.calendar import Calendar
from ca_server.domain.reasons import Reason
from ca_server.operations import applications, carrying_out, invitation, suspension
from ca_server.operations.books import ocsp
from ca_server.operations.carrying_out import Part
from ca_server.store import Connection, officers
from protocol.names import CommonName
from tests.ca_server.operations.agreement import Agreement, Tally
from tests.ca_server.operations.bureau import OTHER, registration_officer
from tests.ca_server.operations.cast import FIRST, MALLORY, PEOPLE, THIRD, sheets
from tests.ca_server.operations.model import (
    HOLD_DAYS,
    REASONS,
    REFUSED,
    REMINDER_DAYS,
    SENT_BACK,
    TAKEN,
    URGENT,
    Line,
    Paper,
    Seat,
)
from tests.ca_server.paper import INSTITUTION, NOW

LONGEST = 300 * DAY
STEPS = 40
RARELY = 10

DECISIONS = {
    "examine": applications.examine,
    "approve": lambda connection, *who_and_when: applications.approve(connection, *who_and_when, four_eyes=True),
    "return": lambda connection, number, by, now: applications.send_back(connection, number, by, "unclear", now),
    "withdraw": lambda connection, number, by, now: applications.withdraw(connection, number, by, "not needed", now),
    "call back": lambda connection, number, by, now: applications.call_back(
        connection, number, by, ("03-0000-0000", "the director"), now
    ),
}

codes = st.sampled_from([INSTITUTION, INSTITUTION, OTHER, OTHER, THIRD])
deciding = st.sampled_from(["alice", "bob", "carol"] * 3 + ["dave"])
diligence = st.sampled_from(["filed", "returned", "approved", "carried out"])
honesty = st.sampled_from([True] * 5 + [False])
places = st.sampled_from(range(60))
reasons = st.sampled_from([*URGENT, *sorted(REASONS)])
days_ahead = st.sampled_from([None] * 20 + list(range(6, 26)))
staff = st.permutations(["alice", "bob", "carol"])


class Walk(Agreement):
    """One walk: each rule is a step, taken in the records and in the model."""

    @rule(code=codes, count=st.sampled_from([1, 2, 3]), honest=honesty, officer=deciding, until=diligence)
    def apply_for_new_ones(self, code: str, count: int, honest: bool, officer: str, until: str) -> None:
        self._file(self._paper("DCM902", code, honest, officer, [Line(issues=True) for _ in range(count)]), until)

    @rule(
        code=codes,
        named=st.lists(st.tuples(places, reasons), min_size=1, max_size=3),
        days=st.tuples(days_ahead, days_ahead),
        replaces=st.booleans(),
        honest=honesty,
        officer=deciding,
        until=diligence,
    )
    def apply_to_revoke(
        self,
        code: str,
        named: list[tuple[int, str]],
        days: tuple[int | None, int | None],
        replaces: bool,
        honest: bool,
        officer: str,
        until: str,
    ) -> None:
        revoked_on, issued_on = map(self._ahead, days)
        lines = {
            cn: Line(cn, reason, revoked_on, replaces, issued_on if replaces else None)
            for cn, reason in ((self._named(code, place), reason) for place, reason in named)
        }
        kind = "DCM904" if replaces else "DCM903"
        self._file(self._paper(kind, code, honest, officer, list(lines.values())), until)

    @rule(
        code=codes,
        address=st.sampled_from(sorted(PEOPLE)),
        days=days_ahead,
        honest=honesty,
        officer=deciding,
        until=diligence,
    )
    def apply_for_a_change(
        self, code: str, address: str, days: int | None, honest: bool, officer: str, until: str
    ) -> None:
        paper = self._paper("DCM905", code, honest, officer, [])
        paper.successor, paper.changed_on = address, self._ahead(days)
        self._file(paper, until)

    @rule(act=st.sampled_from(sorted(DECISIONS)), place=places, officer=deciding)
    def decide(self, act: str, place: int, officer: str) -> None:
        """Have an officer do anything to any application, in and out of turn."""
        self._decide(act, self._recent(place), officer)

    @precondition(lambda self: self.model.changes())
    @rule(place=places, officer=deciding)
    def call_back(self, place: int, officer: str) -> None:
        self._decide("call back", self.model.changes()[place % len(self.model.changes())], officer)

    @precondition(lambda self: self._undecided())
    @rule(place=places, able=staff)
    def pass_on(self, place: int, able: list[str]) -> None:
        """Have an application taken to its next step by the first officer who may."""
        self._pass_on(self._undecided()[place % len(self._undecided())], able)

    @rule(act=st.sampled_from(["revoke", "suspend", "release"]), place=places, reason=reasons, officer=deciding)
    def take_a_call(self, act: str, place: int, reason: str, officer: str) -> None:
        cn, now = self._any_cn(place), self.bureau.now
        status = self.model.seats.get(cn, Seat("unknown")).status
        allowed = officer in self.model.officers and status in {
            "revoke": ("approved", "active", "suspended"),
            "suspend": ("approved", "active"),
            "release": ("suspended",),
        }.get(act, ())

        def operation(connection: Connection) -> Any:
            by, name = registration_officer(connection, officer), CommonName.parse(cn)
            if act == "release":
                return suspension.release(connection, name, by.actor, now)
            request = suspension.Request(Reason(reason), "the administrator", by)
            operate = suspension.suspend if act == "suspend" else suspension.revoke
            return operate(connection, name, request, self.bureau.entry, now)

        self.attempt(f"{act} on a call: {cn}, which is {status}, by {officer}", allowed, operation)
        if allowed:
            match act:
                case "revoke":
                    self.model.revoke_on_a_call(cn, reason, now, self.today)
                case "suspend":
                    self.model.suspend(cn, now, self.today)
                case _:
                    self.model.release(cn)

    @precondition(lambda self: any(paper.status == "returned" for paper in self.model.papers.values()))
    @rule(place=places, other=places, officer=deciding)
    def hold(self, place: int, other: int, officer: str) -> None:
        """Suspend a CN on a form, an urgent one that was returned where there is one."""
        returned = {number: paper for number, paper in self.model.papers.items() if paper.status == "returned"}
        numbers = [number for number, paper in returned.items() if paper.urgent] or list(returned)
        number = numbers[place % len(numbers)]
        cns = [line.cn for line in self.model.papers[number].lines if line.cn in self.model.seats]
        cn = cns[other % len(cns)] if cns else sorted(self.model.seats)[other % len(self.model.seats)]
        free = self.model.seats[cn].status in ("approved", "active") and officer in self.model.officers
        allowed = free and self.model.may_hold(cn, number)

        def operation(connection: Connection) -> Any:
            by = registration_officer(connection, officer)
            form = suspension.OnForm(number, by, Calendar(), HOLD_DAYS)
            return suspension.hold(connection, CommonName.parse(cn), form, self.bureau.entry, self.bureau.now)

        self.attempt(f"hold on a form: {cn} on application {number} by {officer}", allowed, operation)
        if allowed:
            self.model.suspend(cn, self.bureau.now, self.today, number)

    @precondition(lambda self: len(self.model.officers) == 3)
    @rule(officer=st.sampled_from(["alice", "bob", "carol"]))
    def disable_an_officer(self, officer: str) -> None:
        def operation(connection: Connection) -> None:
            officers.disable(connection, officers.by_name(connection, officer), self.bureau.now, "login:test")

        self.attempt("disable an officer", True, operation)
        self.model.officers.discard(officer)

    # What the clock and the schedule do

    @precondition(lambda self: self.bureau.now < NOW + LONGEST)
    @rule(hours=st.sampled_from([1, 5, 12, 24, 24, 48, 72, 5 * 24, 9 * 24]), works=st.booleans(), able=staff)
    def wait(self, hours: int, works: bool, able: list[str]) -> None:
        """Let time pass; the agency may do a day's work then, and the schedule all that is due."""
        self.bureau.now += hours * HOUR
        if works:
            for number in self._undecided():
                self._pass_on(number, able)
            self.carry_out(99)
            self.keep_house()

    @rule(most=st.sampled_from([1, 99, 99, 99]))
    def carry_out(self, most: int) -> None:
        """Take the steps that are due, sometimes only the first of them."""
        steps = self.bureau.records.read(carrying_out.steps, self.bureau.terms, self.bureau.now)
        real = {(step.number, str(step.part), step.position) for step in steps if step.part is not Part.NOTHING}
        due = self.model.due(self.today)
        self.require(real == due, f"due on {self.today} are {sorted(due)}, but the schedule takes {sorted(real)}")
        urgent = [self.model.papers[step.number].urgent for step in steps]
        self.require(urgent == sorted(urgent, reverse=True), f"what is urgent does not come first: {steps}")
        for step in steps[:most]:
            self._carry_out(step)

    @rule(place=places, part=st.sampled_from([Part.REVOCATION, Part.ISSUANCE, Part.CHANGE]))
    def carry_out_in_any_turn(self, place: int, part: Part) -> None:
        """Ask for a step of any application, which comes to nothing unless it is due."""
        self._carry_out(carrying_out.Step(self._recent(place), part, 1 if part is Part.REVOCATION else 0))

    def _carry_out(self, step: carrying_out.Step) -> None:
        now, known = self.bureau.now, (step.number, str(step.part), step.position)
        self.mails_go_to_administrators_of_their_time()
        self.bureau.records.write(carrying_out.carry_out, step, self.bureau.terms, self.bureau.entry, now)
        if known in self.model.due(self.today):
            self.model.carry_out(known, now, self.today)
            self.tally.deeds[f"{step.part} carried out"] += 1
        self.mails_go_to_administrators_of_their_time()

    @rule()
    def keep_house(self) -> None:
        """Release holds that are over, ask for forms that are owed, end pairs that ran out."""
        now, write = self.bureau.now, self.bureau.records.write
        for what, done, expected in (
            ("holds lapsed", write(suspension.release_over, now), self.model.release_over(self.today)),
            (
                "forms asked for",
                write(suspension.remind, Calendar(), REMINDER_DAYS, now),
                self.model.remind(self.today),
            ),
            ("pairs ran out", write(invitation.expire, now), self.model.expire(now)),
        ):
            self.require(done == expected, f"{done} {what} on {self.today}, and should be {expected}")
            self.tally.deeds[what] += done

    def teardown(self) -> None:
        """Give what is under way four weeks to come to its end."""
        try:
            for _ in range(0 if self.broken else 3):
                self.wait(9 * 24, True, sorted(self.model.officers))
                self.agree()
        finally:
            super().teardown()

    @precondition(lambda self: self.steps > self.balanced_at + RARELY)
    @rule()
    def balance_the_books(self) -> None:
        self.balance()

    # What PCs do

    @precondition(lambda self: self.model.pairs)
    @rule(place=places)
    def bind(self, place: int) -> None:
        """Have a PC bind an account with the live pair of a CN."""
        cn = sorted(self.model.pairs)[place % len(self.model.pairs)]
        pair, allowed = self.bureau.pair(cn), self.model.may_bind(cn, self.bureau.now)
        account = self.act(f"bind: {cn}", allowed, lambda: self.bureau.bind(pair))
        if allowed:
            self.model.bound[cn] = account
            self.accounts.append((cn, account))

    @precondition(lambda self: self.ended)
    @rule(place=places)
    def bind_with_an_ended_pair(self, place: int) -> None:
        pair = self.ended[place % len(self.ended)]
        self.act("bind with an ended pair", False, lambda: self.bureau.bind(pair))

    @precondition(lambda self: self.accounts)
    @rule(place=places)
    def fetch(self, place: int) -> None:
        """Have a PC fetch its first certificate with an account that it bound, or that another took over."""
        cn, account = self.accounts[place % len(self.accounts)]
        allowed = self.model.may_fetch(cn, account)
        serial = self.act(f"fetch: {cn}", allowed, lambda: self.bureau.enrol(account))
        if allowed:
            self.model.fetched(cn, serial)

    def _paper(self, kind: str, code: str, honest: bool, officer: str, lines: list[Line]) -> Paper:
        """Return a form of the registered administrator, or of one who poses as such."""
        registered = self.model.administrators.get(code, FIRST[code].email)
        return Paper(kind, code, registered if honest else MALLORY.email, officer, self.bureau.now, lines)

    def _file(self, paper: Paper, until: str) -> None:
        """Have a form filed, and perhaps decided and carried out at once."""
        officer, kind = paper.filed_by, paper.kind
        entitled = officer in self.model.officers
        verdict = self.model.verdict(paper, self.today) if entitled else REFUSED
        self.warned = self.model.warned(paper) if entitled else []
        outcome = self.tried(lambda: self.bureau.submit(Kind(kind), sheets(paper, self.today), officer))
        said = REFUSED
        if isinstance(outcome, Filed):
            said = SENT_BACK if outcome.status is Status.RETURNED else TAKEN
            paper.status = str(outcome.status)
            self.model.papers[outcome.number] = paper
        self.require(said == verdict, f"a {kind} was {said}, and should be {verdict}: {paper} ({outcome})")
        self.tally.deeds[f"{kind} {said}"] += 1
        able = sorted(self.model.officers)
        if said == TAKEN and until == "returned":
            self._decide("return", outcome.number, able[0])
        elif said == TAKEN and until != "filed":
            self._pass_on(outcome.number, able)
            self._pass_on(outcome.number, able)
        if until == "carried out":
            self.carry_out(99)

    def _decide(self, act: str, number: int, officer: str) -> None:
        allowed, now = self.model.may(act, number, officer), self.bureau.now

        def operation(connection: Connection) -> Any:
            return DECISIONS[act](connection, number, registration_officer(connection, officer), now)

        self.attempt(f"{act}: application {number} by {officer}", allowed, operation)
        if allowed:
            self.model.decide(act, number, officer, self.bureau.now, self.today)

    def _pass_on(self, number: int, able: list[str]) -> None:
        act = "examine" if self.model.papers[number].status == "received" else "approve"
        self._decide(act, number, next((each for each in able if self.model.may(act, number, each)), able[0]))

    def _undecided(self) -> list[int]:
        return [number for number, paper in self.model.papers.items() if paper.status in ("received", "examined")]

    def _recent(self, place: int) -> int:
        """Return the number of one of the last applications."""
        numbers = sorted(self.model.papers)[-8:]
        return numbers[place % len(numbers)]

    def _ahead(self, days: int | None) -> datetime.date | None:
        return None if days is None else self.today + datetime.timedelta(days)

    def _any_cn(self, place: int) -> str:
        cns = [*sorted(self.model.seats), f"{INSTITUTION}-500"]
        return cns[place % len(cns)]

    def _named(self, code: str, place: int) -> str:
        """Return a CN of the institution, sometimes another's or one that nobody has."""
        own = sorted(cn for cn in self.model.seats if cn.startswith(code))
        foreign = sorted(cn for cn in self.model.seats if not cn.startswith(code))
        if place == 0 or not own:
            return f"{code}-500"
        return foreign[place % len(foreign)] if place < 6 else own[place % len(own)]


def walk(count: int, *, seed: int = 1, shrink: bool = True) -> Tally:
    """Walk so many tens of times, and return what was done. Raises AssertionError, the first finding with its way.

    Hypothesis begins with the simplest walk, then takes ten at random, and then varies those that it has seen: so every
    ten begin anew.
    """
    tally = Tally()
    settings = hypothesis.settings(
        max_examples=11,
        stateful_step_count=STEPS,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        report_multiple_bugs=False,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    with mock.patch.object(ocsp, "UNKNOWN_SERIALS", 5):
        for ten in range(count // 10):
            machine = type("Walk", (Walk,), {"tally": tally})
            run_state_machine_as_test(hypothesis.seed(f"{seed}.{ten}")(machine), settings=settings)
    return tally
