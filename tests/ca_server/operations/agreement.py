"""What a walk stands on: a real CA and the small model, and that they agree after every step.

Whatever the model allows must succeed and all else be refused. After every step the records say what the model says, no
mail went to anybody but the administrator of that time, and OCSP tells what it should; now and then, and at the end,
the books balance.
"""

import collections
import dataclasses
import datetime
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine, invariant
from sqlalchemy import text

from ca_server.authority.ocsp import GOOD
from ca_server.clock import DAY, MINUTE, day_in_tokyo
from ca_server.errors import Refusal
from ca_server.store import Connection
from ca_server.store.errors import Conflict
from tests.ca_server.operations.bureau import OTHER, TANAKA, Bureau, Pair
from tests.ca_server.operations.model import Line, Model, Paper, Seat
from tests.ca_server.paper import INSTITUTION, NOW, YAMADA

_IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where a walk's records lie: it is no test of disks, and a thousand walks wait for one long enough."""
LAST_NUMBER = 987
"""The numbers of the other institution are about to run out."""


@dataclasses.dataclass
class Tally:
    """How many walks and steps there were, and what was done in them."""

    walks: int = 0
    steps: int = 0
    deeds: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)


class Agreement(RuleBasedStateMachine):
    """The records and the model of one walk."""

    tally: ClassVar[Tally] = Tally()

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="warifu-walk-", dir=_IN_MEMORY)
        self.bureau = Bureau.open(Path(self._folder.name))
        few_left = text("UPDATE institution SET last_number = :last WHERE code = :code")
        self.bureau.records.write(lambda connection: connection.execute(few_left, {"last": LAST_NUMBER, "code": OTHER}))
        self.model = _prepared(dict(self._rows("SELECT cn, serial FROM certificate")))
        self.warned: list[str] = []
        """Institutions whose administrators must be told of an attempt by the step that is taken."""
        self.ended: list[Pair] = []
        """Pairs that were used, replaced or ran out."""
        self.accounts: list[tuple[str, str]] = []
        """CNs and the accounts that were bound for them."""
        self._pairs: dict[str, Pair] = {}
        self._live: dict[str, int] = {}
        self._administrators = dict(self.model.administrators)
        self._mails = {row[0] for row in self._rows("SELECT id FROM outbox")}
        self.broken = False
        self.steps = -1
        self.balanced_at = 0

    @property
    def today(self) -> datetime.date:
        return day_in_tokyo(self.bureau.now)

    def require(self, what: bool, otherwise: str) -> None:
        """Do nothing when it is as it must be. Raises AssertionError, the finding."""
        if not what:
            self.broken = True
            raise AssertionError(otherwise)

    def attempt(self, what: str, allowed: bool, operation: Callable[[Connection], Any]) -> None:
        """Run what somebody attempts on the records; it must succeed exactly when the model allows it."""
        self.act(what, allowed, lambda: self.bureau.records.write(operation))

    def act(self, what: str, allowed: bool, act: Callable[[], Any]) -> Any:
        """Do what somebody attempts, and return what comes of it."""
        outcome = self.tried(act)
        done = not isinstance(outcome, Refusal | Conflict)
        self.require(done == allowed, f"{what}: {'let through' if done else 'refused'} against the rules ({outcome})")
        self.tally.deeds[what.partition(":")[0] + ("" if done else " refused")] += 1
        return outcome

    @staticmethod
    def tried(act: Callable[[], Any]) -> Any:
        """Return what comes of an act, a refusal also where it is raised."""
        try:
            return act()
        except (Refusal, Conflict) as refused:
            return refused

    @invariant()
    def agree(self) -> None:
        """Look whether the records say what the model says; then a minute passes."""
        model = self.model
        applications = {
            number: (paper.status, paper.filed_by, paper.examined_by, paper.approved_by)
            for number, paper in model.papers.items()
        }
        self._compare("applications", self._keyed(_APPLICATIONS), applications)
        self._compare("seats", self._keyed(_SEATS), {cn: (seat.status,) for cn, seat in model.seats.items()})
        registered = {code: (who, model.last_numbers[code]) for code, who in model.administrators.items()}
        self._compare("institutions", self._keyed(_INSTITUTIONS), registered)
        self._compare("pairs", self._keyed(_PAIRS), {cn: (ends,) for cn, (_, ends) in model.pairs.items()})
        self._compare("OCSP", {serial: self._told(serial) for serial in model.told()}, model.told())
        self._nobody_approves_alone_or_names_what_is_not_theirs()
        self.mails_go_to_administrators_of_their_time()
        self._note_pairs()
        self.bureau.now += MINUTE + 1
        self.steps += 1

    def _nobody_approves_alone_or_names_what_is_not_theirs(self) -> None:
        alone = self._rows("SELECT number FROM application WHERE approved_by IN (filed_by, examined_by)")
        self.require(not alone, f"applications {alone} were approved by one person")
        foreign = self._rows(_FOREIGN)
        self.require(not foreign, f"{foreign} are named by another institution's form")

    def mails_go_to_administrators_of_their_time(self) -> None:
        """Look at the mails since the last look: a change is told to both administrators, all else to the present."""
        rows = self._rows("SELECT id, kind, recipient, institution, application FROM outbox")
        mails = [row for row in rows if row[0] not in self._mails]
        for _, kind, recipient, code, number in mails:
            allowed = [self.model.administrators.get(code) or self.model.papers[number].administrator]
            allowed += [self._administrators[code]] if kind == "changed" else []
            self.require(recipient in allowed, f"a {kind} mail of {code} goes to {recipient}, not to {allowed}")
        told = collections.Counter(code for _, kind, _, code, _ in mails if kind == "attempt")
        self.require(told == collections.Counter(self.warned), f"an attempt was told to {told}, not to {self.warned}")
        self._mails |= {row[0] for row in mails}
        self._administrators = dict(self.model.administrators)
        self.warned = []

    def balance(self) -> None:
        """Publish what is due; then the books balance, and the CRL shows what OCSP tells."""
        self.balanced_at = self.steps
        self.bureau.publish_if_due()
        found = self.bureau.findings()
        self.require(not found, f"the books do not balance: {found}")
        revoked = {serial: reason for serial, reason in self.model.told().items() if reason != "good"}
        self._compare("CRL", self.bureau.shown(), revoked)

    def teardown(self) -> None:
        """Balance the books of a walk that found nothing, and clear up."""
        try:
            if not self.broken:
                self.balance()
                self.tally.walks += 1
                self.tally.steps += self.steps
        finally:
            self.bureau.records.close()
            self._folder.cleanup()

    def _compare(self, what: str, found: dict[Any, Any], expected: dict[Any, Any]) -> None:
        wrong = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
        pairs = {key: (found.get(key), expected.get(key)) for key in wrong}
        self.require(not wrong, f"{what}, (found, expected): {pairs}")

    def _told(self, serial: str) -> str:
        status = self.bureau.told(serial)
        return "good" if status == GOOD else "" if status.reason is None else status.reason.name

    def _note_pairs(self) -> None:
        """Keep every pair that is of no use any more, to try it."""
        live = {cn: ends for cn, (ends,) in self._keyed(_PAIRS).items()}
        if live == self._live:
            return
        pairs = {cn: self.bureau.pair(cn) for cn in live}
        self.ended += [pair for cn, pair in self._pairs.items() if pairs.get(cn) != pair]
        self._pairs, self._live = pairs, live

    def _keyed(self, query: str) -> dict[Any, tuple[Any, ...]]:
        return {row[0]: row[1:] for row in self._rows(query)}

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.bureau.records.read(lambda connection: [tuple(row) for row in connection.execute(text(query))])


_APPLICATIONS = (
    "SELECT number, CASE status WHEN 'waiting' THEN 'approved' ELSE status END, filed_by, examined_by, approved_by "
    "FROM application"
)
_SEATS = "SELECT cn, status FROM seat"
_INSTITUTIONS = "SELECT code, email, last_number FROM institution"
_PAIRS = "SELECT cn, expires_at FROM credential WHERE status IN ('open', 'locked')"
_FOREIGN = (
    "SELECT i.cn, a.number FROM application_item i JOIN application a ON a.number = i.application "
    "WHERE substr(i.cn, 1, 7) <> a.institution"
)


def _prepared(serials: dict[str, str]) -> Model:
    """Return what the model says of the records that a walk begins with."""
    cns = [f"{INSTITUTION}-{number:03d}" for number in (1, 2, 3)] + [f"{OTHER}-{number:03d}" for number in (1, 2)]
    model = Model(
        administrators={INSTITUTION: YAMADA.email, OTHER: TANAKA.email},
        last_numbers={INSTITUTION: 3, OTHER: LAST_NUMBER},
        seats={cn: Seat("active", serials=[serials[cn]]) if cn in serials else Seat() for cn in cns},
        pairs={cn: (NOW, NOW + 30 * DAY) for cn in cns if cn not in serials},
        officers={"alice", "bob", "carol"},
    )
    for number, (code, address) in enumerate(model.administrators.items(), start=1):
        paper = Paper("DCM902", code, address, "alice", NOW, [Line(issues=True, issued=True)], status="done")
        paper.examined_by, paper.approved_by = "alice", "bob"
        model.papers[number] = paper
    return model
