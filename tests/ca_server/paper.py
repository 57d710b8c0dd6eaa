"""The paper side for tests: forms of one institution as texts, two officers, and the desk at which they decide."""

import dataclasses
import datetime
from collections.abc import Mapping
from pathlib import Path

from ca_server.clock import DAY, day_in_tokyo
from ca_server.domain import forms
from ca_server.domain.administrators import Administrator
from ca_server.domain.applications import Application, Filed, Kind, Receipt
from ca_server.domain.calendar import Calendar
from ca_server.domain.forms import FORMS, Rules
from ca_server.domain.officers import Acting, Officer, Role
from ca_server.operations import applications, carrying_out, invitation
from ca_server.operations.revocation import EntryMaker
from ca_server.store import SynchronousDatabase, officers
from keys.sealing import Sealer
from tests.ca_server.databases import fresh

NOW = 1_795_435_200  # 2026-11-23 12:00 UTC, a national holiday in Japan
TODAY = datetime.date(2026, 11, 23)
SEALER = Sealer([b"s" * 32])
YAMADA = Administrator("山田", "太郎", "やまだ たろう", "yamada@midori.example")
SUZUKI = Administrator("鈴木", "花子", "すずき はなこ", "suzuki@midori.example")
ALICE, BOB = Acting("alice", "alice-login"), Acting("bob", "bob-login")
INSTITUTION = "F123456"
TERMS = carrying_out.Terms(invitation.Terms(30, 0, SEALER), two_officers=True)


def who(administrator: Administrator = YAMADA, institution: str = INSTITUTION, **texts: str) -> dict[str, str]:
    """Return the fields of a form that say who applies."""
    return {
        "applied_on": str(TODAY),
        "institution": institution,
        "institution_name": "みどり銀行",
        "furigana": administrator.furigana,
        "family_name": administrator.family_name,
        "given_name": administrator.given_name,
        "email": administrator.email,
    } | texts


def successor(administrator: Administrator = SUZUKI) -> dict[str, str]:
    """Return the fields of a DCM905 that say who takes over."""
    return {
        "change_reason": "transfer",
        "new_furigana": administrator.furigana,
        "new_family_name": administrator.family_name,
        "new_given_name": administrator.given_name,
        "new_email": administrator.email,
    }


def read(kind: Kind, *sheets: Mapping[str, str], now: int = NOW, language: str = "ja") -> Application:
    """Read a form of today. Raises Faulty."""
    return forms.read(FORMS[kind], sheets, language, Rules(Calendar(), day_in_tokyo(now)))


def an_issuance(count: int = 2, *, now: int = NOW, **texts: str) -> Application:
    """Return a DCM902."""
    return read(Kind.ISSUANCE, who(**texts) | {"count": str(count)}, now=now)


def a_revocation(*cns: str, reason: str = "lost", now: int = NOW, **texts: str) -> Application:
    """Return a DCM903 that names some CNs, one a sheet."""
    sheets = [{"cn": cn, "reason": reason} for cn in cns] or [{}]
    return read(Kind.REVOCATION, who() | texts | sheets[0], *sheets[1:], now=now)


def no_entry(serial: str, now: int, code: int) -> bytes:
    """Make the entry of a CRL that nobody reads."""
    return b"entry"


@dataclasses.dataclass
class Desk:
    """Where two officers decide on records of their own, at a moment that tests turn."""

    records: SynchronousDatabase
    now: int = NOW
    terms: carrying_out.Terms = TERMS
    entry: EntryMaker = no_entry

    @classmethod
    def open(cls, folder: Path) -> "Desk":
        """Open new records with the two officers."""
        records = SynchronousDatabase(fresh(folder))
        for acting in (ALICE, BOB):
            records.write(officers.add, Officer(acting.id, acting.id, Role.REGISTRATION, None, None), NOW, "login:test")
        return cls(records)

    def pass_by(self, *, days: int) -> None:
        """Let days pass."""
        self.now += days * DAY

    def file(self, form: Application) -> Filed:
        """File a form as alice. Raises Invalid when it is refused."""
        outcome = self.records.write(applications.file, form, Receipt(ALICE, "test"), self.now)
        if not isinstance(outcome, Filed):
            raise outcome
        return outcome

    def approve(self, number: int, *, by: Acting = BOB, four_eyes: bool = True) -> Filed:
        """Have an application examined by alice and approved. Raises NotEntitled when that is refused."""
        self.records.write(applications.examine, number, ALICE, self.now)
        outcome = self.records.write(applications.approve, number, by, self.now, four_eyes=four_eyes)
        if not isinstance(outcome, Filed):
            raise outcome
        return outcome

    def carry_out(self) -> None:
        """Take every step that is due, as the schedule does. Raises what a step raises."""
        for step in self.records.read(carrying_out.steps, self.terms, self.now):
            self.records.write(carrying_out.carry_out, step, self.terms, self.entry, self.now)

    def done(self, form: Application) -> Filed:
        """File, examine, approve and carry out a form, and return what became of it."""
        number = self.file(form).number
        self.approve(number)
        self.carry_out()
        return self.show(number)

    def show(self, number: int) -> Filed:
        """Return an application as it stands."""
        return self.records.read(applications.show, number)
