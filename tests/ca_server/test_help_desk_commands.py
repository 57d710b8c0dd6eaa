"""`warifu-ca helpdesk` and `warifu-ca inventory` as people and scripts use them, in both languages, in 80 columns."""

import json
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ca_server import keyring
from ca_server.app import carrying_out_terms
from ca_server.cli import cli
from ca_server.cli.output import DONE, REFUSED, USAGE, run
from ca_server.clock import HOUR, SystemClock, day_in_tokyo
from ca_server.config import load
from ca_server.domain.applications import Kind
from ca_server.domain.help_desk import MOST_RESENT
from ca_server.domain.officers import Officer, Role
from ca_server.notices.messages import NoticeKind
from ca_server.operations import issuance
from ca_server.store import SynchronousDatabase, officers, outbox
from protocol.names import CommonName
from tests.ca_server.branch import Branch
from tests.ca_server.paper import ALICE, BOB, YAMADA, Desk, read, who

FIRST, SECOND = CommonName.parse("F123456-001"), CommonName.parse("F123456-002")
HOSTILE = "[/red]PC"
KNOWN = ("--institution-name", "みどり 銀行", "--officer", "ハイジ")
LANGUAGES = ("ja", "en")
Output = Callable[..., str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A CA with a help desk and two CNs: the first was fetched on a PC with a hostile name, the second is locked."""
    folder, now = tmp_path_factory.mktemp("made") / "ca", SystemClock().now() - HOUR  # the mails have left
    urls = ("--public-url", "https://ca.example:8443", "--http-url", "http://ca.example:8080")
    assert run(cli, ["init", "--directory", str(folder), *urls, "--non-interactive"]) == DONE
    desk = opened(folder, now)
    roles = {ALICE.id: Role.REGISTRATION, BOB.id: Role.REGISTRATION, "ハイジ": Role.HELP_DESK, "監査": Role.AUDITOR}
    for name, role in roles.items():
        desk.records.write(officers.add, Officer(name, name, role, None, None), now, "login:test")
    form = who(applied_on=str(day_in_tokyo(now))) | {"count": "2"}
    desk.done(read(Kind.ISSUANCE, form, now=now))
    branch = Branch(desk, desk.terms.pair.sealer)
    branch.fetch(FIRST, HOSTILE)
    branch.lock(SECOND)
    desk.records.close()
    return folder, now


def opened(folder: Path, now: int) -> Desk:
    config = load(folder / "warifu.toml")
    return Desk(
        SynchronousDatabase(config.server.database), now, carrying_out_terms(config, keyring.load_sealer(config))
    )


@pytest.fixture
def desk(made: tuple[Path, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A copy of it for one test."""
    folder, now = made
    shutil.copytree(folder, tmp_path / "ca")
    monkeypatch.setenv("WARIFU_CONFIG", str(tmp_path / "ca" / "warifu.toml"))
    desk = opened(tmp_path / "ca", now)
    yield desk
    desk.records.close()


@pytest.fixture
def output(desk: Desk, capsys: pytest.CaptureFixture[str]) -> Output:
    """Run a command and return what it printed, errors too."""

    def printed(*arguments: str, code: int = DONE) -> str:
        capsys.readouterr()
        assert run(cli, list(arguments)) == code, capsys.readouterr()
        return "".join(capsys.readouterr())

    return printed


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line)


def document(text: str) -> Any:
    return json.loads(text)


def kinds(desk: Desk) -> list[str]:
    return [mail.kind for mail in desk.records.read(outbox.due, desk.now + 10_000_000, 1000)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("command", "japanese", "english"),
    [
        (("helpdesk", "find", "みどり"), "URL ロック中", "URL locked"),
        (("helpdesk", "history", "F123456-002"), "URL を開いた人", "the URL's holder"),
        (("inventory",), "更新時期前", "not due"),
    ],
)
def test_what_is_shown_is_in_the_readers_language_and_fits_eighty_columns(
    output: Output, language: str, command: tuple[str, ...], japanese: str, english: str
) -> None:
    shown = output(*command, "--lang", language)
    flat = "".join(shown.split())
    assert "".join((japanese if language == "ja" else english).split()) in flat
    assert max(map(columns, shown.splitlines())) <= 80


def test_a_cn_stands_unbroken_in_each_table(output: Output) -> None:
    for command in (("helpdesk", "find", "1"), ("inventory",)):
        for language in LANGUAGES:
            shown = output(*command, "--lang", language)
            assert str(FIRST) in shown
            assert str(SECOND) in shown


def test_a_hostile_host_name_is_shown_as_it_is(output: Output) -> None:
    for command in (("helpdesk", "find", "F123456-001"), ("inventory",), ("helpdesk", "history", "F123456-001")):
        assert HOSTILE in output(*command)


def test_documents_are_the_same_in_both_languages(output: Output) -> None:
    for command in (("helpdesk", "find", "みどり"), ("helpdesk", "history", "F123456-001"), ("inventory",)):
        told = [document(output(*command, "--json", "--lang", language)) for language in LANGUAGES]
        assert told[0] == told[1]


def test_a_find_names_state_pc_and_end_for_scripts(output: Output) -> None:
    first, second = document(output("helpdesk", "find", "yamada@midori", "--json"))
    assert (first["cn"], first["state"], first["host_name"], first["renewal"]) == (
        str(FIRST), "active", HOSTILE, "not-due",
    )  # fmt: skip
    assert (second["cn"], second["state"], second["not_after"]) == (str(SECOND), "locked", None)


def test_a_find_without_a_hit_says_so(output: Output) -> None:
    assert "Nothing was found." in output("helpdesk", "find", "あおぞら", "--lang", "en")
    assert document(output("helpdesk", "find", "あおぞら", "--json")) == []


def test_a_history_tells_scripts_who_did_what_and_the_ledger_of_each_pair(output: Output) -> None:
    output("helpdesk", "unlock", "f123456-002", *KNOWN)
    told = document(output("helpdesk", "history", "F123456-002", "--json"))
    (pair,) = told["pairs"]
    assert (pair["status"], pair["events"][-1]["action"], pair["events"][-1]["by"]) == (
        "open", "credential unlocked", "ハイジ",
    )  # fmt: skip
    assert told["events"][-1]["actor"].startswith("officer:ハイジ@")


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("mx.example:587: the mail server answered 451 4.7.1 before any mail was offered.", "451 4.7.1"),
        ("mx.example:587: our user name and password were refused (535 5.7.8).", "535 5.7.8"),
    ],
)
def test_a_mail_that_was_deferred_shows_the_code_of_the_mail_server(
    desk: Desk, output: Output, reason: str, code: str
) -> None:
    mail = next(mail for mail in desk.records.read(outbox.due, desk.now, 100) if mail.cn == str(SECOND))
    desk.records.write(outbox.intend, mail, desk.now + 60)
    desk.records.write(outbox.defer, mail, reason, desk.now + 60)
    told = " ".join(output("helpdesk", "history", str(SECOND), "--lang", "en").split())
    assert "next try of a mail" in told
    assert f"server: {code}" in told
    assert "587" not in told


def test_a_mail_is_sent_again_three_times_and_the_fourth_is_refused_with_the_way_out(
    desk: Desk, output: Output
) -> None:
    output("helpdesk", "unlock", str(SECOND), *KNOWN)
    for left in reversed(range(MOST_RESENT)):
        done = document(output("helpdesk", "resend", str(SECOND), "password", *KNOWN, "--json"))
        assert done == {"cn": str(SECOND), "half": "password", "address": YAMADA.email, "left": left}
    refused = output("helpdesk", "resend", str(SECOND), "password", *KNOWN, "--lang", "ja", code=REFUSED)
    assert "warifu-ca helpdesk replace F123456-002" in refused
    assert "再送できません" in refused
    assert kinds(desk).count(NoticeKind.ENROLMENT_PASSWORD) == 2 + MOST_RESENT


@pytest.mark.parametrize(
    "command",
    [
        ("resend", str(SECOND), "url"),
        ("unlock", str(SECOND)),
        ("replace", str(SECOND)),
        ("send-inventory", "F123456"),
    ],
)
@pytest.mark.parametrize(
    "said",
    [
        ("--institution-name", "あおぞら銀行"),
        ("--institution-name", "みどり銀行", "--address", "thief@evil.example"),
    ],
)
def test_a_stranger_is_refused_for_good_and_the_administrator_is_told(
    desk: Desk, output: Output, command: tuple[str, ...], said: tuple[str, ...]
) -> None:
    before = kinds(desk)
    refused = output("helpdesk", *command, *said, "--officer", "ハイジ", code=REFUSED)
    assert "midori.example" not in refused
    assert sorted(kinds(desk)) == sorted([*before, NoticeKind.ATTEMPT])


def test_a_fresh_pair_is_sent(desk: Desk, output: Output) -> None:
    assert document(output("helpdesk", "replace", str(SECOND), *KNOWN, "--json"))["address"] == YAMADA.email
    assert kinds(desk).count(NoticeKind.ENROLMENT_URL) == 3


def test_the_list_is_sent(desk: Desk, output: Output) -> None:
    assert document(output("helpdesk", "send-inventory", "F123456", *KNOWN, "--json"))["address"] == YAMADA.email
    assert kinds(desk).count(NoticeKind.INVENTORY) == 1


def test_an_auditor_looks_and_does_nothing(desk: Desk, output: Output) -> None:
    before = kinds(desk)
    by = ("--institution-name", "みどり銀行", "--officer", "監査")
    assert "helpdesk" in output("helpdesk", "unlock", str(SECOND), *by, code=REFUSED)
    assert kinds(desk) == before


def test_a_registration_officer_may_help(output: Output) -> None:
    output("helpdesk", "unlock", str(SECOND), "--institution-name", "みどり銀行", "--officer", BOB.id)


def test_a_text_that_is_no_cn_or_no_code_is_refused(output: Output) -> None:
    assert "F123456-001" in output("helpdesk", "history", "PC-01", code=REFUSED)
    assert "F123456" in output("inventory", "--institution", "みどり銀行", code=REFUSED)
    assert "F999999" in output("inventory", "--institution", "F999999", code=REFUSED)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_is_written_once_and_never_over_another(output: Output, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"list.{kind}"
    assert document(output("inventory", f"--{kind}", str(path), "--json")) == {"file": str(path), "count": 2}
    content = path.read_bytes()
    assert str(path) in output("inventory", f"--{kind}", str(path), code=REFUSED)
    assert path.read_bytes() == content


def test_the_files_are_in_the_readers_language(output: Output, tmp_path: Path) -> None:
    output("inventory", "--csv", str(tmp_path / "list.csv"), "--lang", "ja", "--institution", "F123456")
    assert "URL ロック中" in (tmp_path / "list.csv").read_text("utf-8-sig")
    output("inventory", "--xlsx", str(tmp_path / "list.xlsx"), "--lang", "ja")
    sheet = openpyxl.load_workbook(tmp_path / "list.xlsx").active
    assert (sheet.title, sheet["E3"].value) == ("証明書一覧", "URL ロック中")


def test_one_file_at_a_time_is_written(output: Output, tmp_path: Path) -> None:
    files = ("--csv", str(tmp_path / "a"), "--xlsx", str(tmp_path / "b"))
    refused = output("inventory", *files, "--lang", "ja", code=USAGE)
    assert "どちらか一方" in refused
    assert list(tmp_path.iterdir()) == [tmp_path / "ca"]


def test_a_pair_that_is_being_used_is_waited_for(desk: Desk, output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    output("helpdesk", "unlock", str(SECOND), *KNOWN)
    branch = Branch(desk, desk.terms.pair.sealer)
    bound: Any = branch.bind(SECOND)
    serial = branch.plan(SECOND, bound.account.id)
    monkeypatch.setattr("time.sleep", lambda _: desk.records.write(issuance.record, serial, b"certificate", desk.now))
    assert "DCM904" in output("helpdesk", "replace", str(SECOND), *KNOWN, code=REFUSED)
