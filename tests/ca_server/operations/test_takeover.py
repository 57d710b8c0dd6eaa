"""Takeover attempts at the command line: each is refused, logged, and told to the right person, and changes nothing.

Whoever tries knows what stands on a form, holds the channel that it comes by, or is an officer who wants to be two.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ca_server import keyring
from ca_server.app import carrying_out_terms
from ca_server.cli import certificate, cli, options
from ca_server.cli.output import DONE, LATER, REFUSED, run
from ca_server.clock import SystemClock, day_in_tokyo
from ca_server.config import load
from ca_server.domain.administrators import Administrator
from ca_server.domain.applications import Kind
from ca_server.domain.officers import Officer, Role
from ca_server.store import SynchronousDatabase, audit, officers
from tests.ca_server.databases import copied_folder, moved, raw
from tests.ca_server.forms.workbooks import Entries, filled
from tests.ca_server.operations.bureau import OTHER, OTHER_NAME, TANAKA
from tests.ca_server.paper import ALICE, BOB, INSTITUTION, YAMADA, Desk, read, successor, who

FIRST, FOREIGN, SECOND_FOREIGN = f"{INSTITUTION}-001", f"{OTHER}-001", f"{OTHER}-002"
HELP_DESK, EVE = "ハイジ", "eve"
MALLORY = Administrator("悪", "人", "あく にん", "mallory@evil.example")
DESCRIPTION = ("--institution-name", "みどり銀行", "--furigana", "あく にん", "--email", MALLORY.email)
Command = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A CA with two registration officers, a help desk, and two institutions of two CNs each."""
    folder, now = tmp_path_factory.mktemp("made") / "ca", SystemClock().now() - 60
    urls = ("--public-url", "https://ca.example:8443", "--http-url", "http://ca.example:8080")
    assert run(cli, ["init", "--directory", str(folder), *urls, "--non-interactive"]) == DONE
    config = load(moved(folder / "warifu.toml"))
    terms = carrying_out_terms(config, keyring.load_sealer(config))
    desk = Desk(SynchronousDatabase(config.server.database), now, terms)
    roles = dict.fromkeys((ALICE.id, BOB.id, EVE), Role.REGISTRATION) | {HELP_DESK: Role.HELP_DESK}
    for name, role in roles.items():
        desk.records.write(officers.add, Officer(name, name, role, None, None), now, "login:test")
    aoba = {"administrator": TANAKA, "institution": OTHER, "institution_name": OTHER_NAME}
    for applicant in ({}, aoba):
        desk.done(read(Kind.ISSUANCE, who(**applicant, applied_on=str(day_in_tokyo(now))) | {"count": "2"}, now=now))
    desk.records.close()
    return folder, now


@pytest.fixture
def folder(made: tuple[Path, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it for one test."""
    copied_folder(made[0], tmp_path / "ca")
    monkeypatch.setenv("WARIFU_CONFIG", str(tmp_path / "ca" / "warifu.toml"))
    return tmp_path / "ca"


@pytest.fixture
def command(folder: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command and return the document that it printed."""

    def ran(*arguments: str, code: int = DONE) -> dict[str, Any]:
        capsys.readouterr()
        assert run(cli, [*arguments, "--json"]) == code, capsys.readouterr()
        document = json.loads(capsys.readouterr().out)
        assert isinstance(document, dict)
        return document

    return ran


@dataclasses.dataclass
class Records:
    """What an attempt may have left in the records, looked at from outside."""

    raw: Any

    def attempts(self) -> list[tuple[str, str | None, str]]:
        """Return (recipient, CN, attempt) of each mail that tells of one."""
        query = "SELECT recipient, cn, attempt FROM outbox WHERE kind = 'attempt' ORDER BY created_at, cn"
        return self.raw.execute(query).fetchall()

    def logged(self, subject: str, action: str) -> list[tuple[str, str]]:
        """Return (actor, particulars) of each entry."""
        query = "SELECT actor, detail FROM audit WHERE subject = ? AND action = ?"
        return self.raw.execute(query, (subject, action)).fetchall()

    def standing(self) -> tuple[list[Any], ...]:
        """Return all that a takeover would change, and where mail goes to."""
        queries = (
            "SELECT number, status FROM application ORDER BY number",
            "SELECT cn, status FROM seat ORDER BY cn",
            "SELECT code, family_name, given_name, email, last_number FROM institution ORDER BY code",
            "SELECT id, status FROM credential ORDER BY id",
            "SELECT DISTINCT recipient FROM outbox ORDER BY recipient",
        )
        return tuple(self.raw.execute(query).fetchall() for query in queries)


@pytest.fixture
def records(folder: Path) -> Iterator[Records]:
    """The records; at the end they stand as they stood, and no mail went to anybody new."""
    opened = Records(raw(load(folder / "warifu.toml").server.database))
    before = opened.standing()
    yield opened
    assert opened.standing() == before
    opened.raw.close()


def submit(command: Command, folder: Path, kind: Kind, *sheets: Entries) -> dict[str, str]:
    """Submit a workbook that is refused, and return the remedy of each field."""
    path = folder / f"{kind}.xlsx"
    path.write_bytes(filled(kind, sheets))
    told = command("application", "submit", str(path), "--reference", "R-1", "--officer", ALICE.id, code=REFUSED)
    fields: dict[str, str] = told["error"]["fields"]
    return fields


def today() -> str:
    return str(day_in_tokyo(SystemClock().now()))


def test_a_dcm905_that_guesses_the_administrator_is_told_to_the_registered_one(
    command: Command, folder: Path, records: Records
) -> None:
    guess = who(Administrator("山田", "次郎", "やまだ じろう", YAMADA.email), applied_on=today())
    form = guess | successor(MALLORY)
    fields = submit(command, folder, Kind.ADMINISTRATOR_CHANGE, form)
    assert len(fields) == 1, "which of the guesses was right is not told"
    assert records.attempts() == [(YAMADA.email, None, "wrong-administrator")]
    ((actor, detail),) = records.logged("form:DCM905", "application refused")
    assert actor.startswith(f"officer:{ALICE.id}@")
    assert json.loads(detail)["reference"] == "R-1"
    assert json.loads(detail)["file"]
    assert "mallory" not in detail


def test_a_workbook_that_names_foreign_cns_is_told_to_their_owner_cn_by_cn(
    command: Command, folder: Path, records: Records
) -> None:
    lost = {"reason": "lost"}
    first = who(applied_on=today()) | lost | {"cn": FIRST}
    sheets = [first, lost | {"cn": FOREIGN}, lost | {"cn": SECOND_FOREIGN}]
    fields = submit(command, folder, Kind.REVOCATION, *sheets)
    assert len(fields) == 2
    assert records.attempts() == [(TANAKA.email, cn, "foreign-cn") for cn in (FOREIGN, SECOND_FOREIGN)]
    assert len(records.logged("form:workbook", "application refused")) == 1


def test_a_foreign_cn_on_the_command_line_is_told_to_its_owner(command: Command, records: Records) -> None:
    command(
        "application", "revoke", INSTITUTION, "--cn", FOREIGN, "--reason", "lost", "--officer", ALICE.id, code=REFUSED
    )
    assert records.attempts() == [(TANAKA.email, FOREIGN, "foreign-cn")]
    assert len(records.logged("form:DCM903", "application refused")) == 1


def test_a_foreign_cn_that_nobody_has_is_told_to_nobody(command: Command, records: Records) -> None:
    command(
        "application", "revoke", INSTITUTION, "--cn", f"{OTHER}-500", "--reason", "lost", "--officer", ALICE.id,
        code=REFUSED,
    )  # fmt: skip
    assert records.attempts() == []
    assert len(records.logged("form:DCM903", "application refused")) == 1


def test_a_strangers_first_application_for_a_registered_institution_registers_nobody(
    command: Command, records: Records
) -> None:
    name = ("--administrator-family-name", MALLORY.family_name, "--administrator-given-name", MALLORY.given_name)
    told = command(
        "application", "issue", INSTITUTION, *DESCRIPTION, *name, "--count", "1", "--officer", ALICE.id, code=REFUSED
    )
    assert set(told["error"]["fields"]) == {"administrator"}
    assert records.attempts() == [(YAMADA.email, None, "wrong-administrator")]
    assert len(records.logged("form:DCM902", "application refused")) == 1


@pytest.mark.parametrize("spelling", ["ALICE", "ＡＬＩＣＥ", " alice ", "Ａlice"])
def test_an_officer_cannot_be_registered_again_in_another_spelling(
    command: Command, records: Records, spelling: str
) -> None:
    command("officer", "add", spelling, "--role", "ra", code=REFUSED)
    ((actor, detail),) = records.logged("officer", "officer refused")
    assert actor.startswith("login:")
    assert json.loads(detail) == {"name": " ".join(spelling.split())}


def test_one_login_cannot_be_two_officers(command: Command, records: Records) -> None:
    command("officer", "add", "carol", "--role", "ra", "--os-user", "carol-login")
    command("officer", "add", "dora", "--role", "ra", "--os-user", "carol-login", code=REFUSED)
    ((_, detail),) = records.logged("officer", "officer refused")
    assert json.loads(detail) == {"name": "dora"}


@pytest.mark.parametrize(("files", "examines"), [(ALICE.id, BOB.id), (BOB.id, ALICE.id)])
def test_who_filed_or_examined_approves_in_no_spelling_and_the_try_is_logged(
    command: Command, folder: Path, files: str, examines: str
) -> None:
    filed = command("application", "revoke", INSTITUTION, "--cn", FIRST, "--reason", "lost", "--officer", files)
    number = str(filed["number"])
    command("application", "examine", number, "--officer", examines)
    for spelling in ("alice", "ＡＬＩＣＥ"):
        command("application", "approve", number, "--officer", spelling, code=REFUSED)
    database = SynchronousDatabase(load(folder / "warifu.toml").server.database)
    entries = [entry for entry in database.read(audit.of_subject, f"application:{number}") if "refused" in entry[2]]
    database.close()
    assert [action for _, _, action, _ in entries] == ["approval refused"] * 2
    assert all(actor.startswith(f"officer:{ALICE.id}@") for _, actor, _, _ in entries)
    assert command("application", "show", number)["status"] == "examined"


@pytest.mark.parametrize("logins", [("sato", "sato"), ("sato", "suzuki")], ids=["one", "two"])
def test_who_decides_twice_from_one_login_is_warned(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], logins: tuple[str, str]
) -> None:
    filed = command("application", "revoke", INSTITUTION, "--cn", FIRST, "--reason", "lost", "--officer", EVE)
    number = str(filed["number"])
    for act, officer, login in zip(("examine", "approve"), (ALICE.id, BOB.id), logins, strict=True):
        monkeypatch.setattr(options, "login", lambda login=login: login)
        capsys.readouterr()
        assert run(cli, ["application", act, number, "--officer", officer]) == DONE
        said = capsys.readouterr().err
        assert ("One login, sato" in " ".join(said.split())) == (act == "approve" and logins[0] == logins[1])


def test_who_suspends_or_releases_without_a_running_service_is_told_that_relying_systems_do_not_know_yet(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "_SECONDS_TO_WAIT", 0.2)
    by = ("--officer", ALICE.id)
    suspended = command("certificate", "suspend", FIRST, "--caller", "山田様", "--reason", "lost", *by, code=LATER)
    assert (suspended["status"], suspended["published"]) == ("suspended", False)
    released = command("certificate", "release", FIRST, *by, code=LATER)
    assert (released["status"], released["published"]) == ("released", False)
    assert run(cli, ["certificate", "suspend", FIRST, "--caller", "山田様", "--reason", "lost", *by]) == LATER


def test_what_had_no_certificate_is_not_said_to_be_on_a_list(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(certificate, "_SECONDS_TO_WAIT", 0.2)
    lost = ("--reason", "lost", "--caller", "山田様", "--officer", ALICE.id)
    assert run(cli, ["certificate", "revoke", FIRST, *lost]) == LATER
    told = capsys.readouterr().out
    assert "it has no certificate in force" in told
    assert "Its form is asked for by mail." in told


def test_an_application_that_was_long_on_its_way_is_shown_with_a_warning(
    folder: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    who = ("--administrator-family-name", "山田", "--administrator-given-name", "太郎", "--furigana", "やまだ たろう")
    form = ("--institution-name", "もり銀行", *who, "--email", "yamada@mori.example", "--count", "1")
    number = str(command("application", "issue", "F333333", *form, "--officer", ALICE.id)["number"])
    capsys.readouterr()
    assert run(cli, ["application", "show", number]) == DONE
    assert "WARNING" not in capsys.readouterr().out
    records = raw(load(folder / "warifu.toml").server.database)
    records.execute("UPDATE application SET applied_on = '2024-05-01' WHERE number = ?", (int(number),))
    records.commit()
    records.close()
    assert run(cli, ["application", "show", number]) == DONE
    assert "days before it came" in capsys.readouterr().out


def test_a_login_that_is_nobodys_is_warned_of(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["officer", "add", "田中", "--role", "ra", "--os-user", "nobody-has-this-login"]) == DONE
    assert "nobody-has-this-login is no login of this machine" in capsys.readouterr().err


def test_the_help_desk_decides_nothing(command: Command, records: Records) -> None:
    by = ("--officer", HELP_DESK)
    revoking = ("--reason", "lost", *by)
    for act in (
        ("application", "revoke", INSTITUTION, "--cn", FIRST, *revoking),
        ("application", "examine", "1", *by),
        ("application", "approve", "1", *by),
        ("application", "return", "1", "--reason", "unclear", *by),
        ("application", "withdraw", "1", "--reason", "unclear", *by),
        ("application", "call-back", "1", "--number", "03-0000-0000", "--spoke-to", "山田様", *by),
        ("certificate", "revoke", FIRST, "--caller", "山田様", *revoking),
        ("certificate", "suspend", FIRST, "--caller", "山田様", *revoking),
        ("certificate", "release", FIRST, *by),
    ):
        assert command(*act, code=REFUSED)["error"]["type"] == "NotEntitled"
