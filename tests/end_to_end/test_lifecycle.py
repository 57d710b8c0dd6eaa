"""The life of an application, from receipt to what became of it, by the commands that officers type."""

import itertools
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ca_server.cli.options import login
from tests.end_to_end.acme_pc import AcmePc
from tests.end_to_end.agency import FORM, OFFICERS, Agency, Invitation
from tests.end_to_end.judges import REVOKED, judge

Answer = TypeVar("Answer")
ME = login()
_CODES = (f"F2{number:05}" for number in itertools.count(100))


def until(question: Callable[[], Answer], seconds: float = 60) -> Answer:
    """Ask again and again until the answer is yes, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)
    return answer


def status_of(agency: Agency, number: int) -> str:
    return str(agency.ca("application", "show", str(number))["status"])


def error_of(agency: Agency, *arguments: str, code: int = 4) -> Any:
    answered = agency.ca(*arguments, code=code)
    assert set(answered) == {"error"}
    return answered["error"]


@pytest.fixture
def registered(agency: Agency) -> str:
    """Return the code of an institution of the test's own that was registered with the numbers 001 and 002."""
    code = next(_CODES)
    assert [each.cn for each in agency.approve(2, code)] == [f"{code}-001", f"{code}-002"]
    return code


@pytest.fixture(scope="module")
def received(agency: Agency) -> str:
    """Return the number of an application that nobody has decided on."""
    return str(agency.file(1, "F200001"))


def test_the_officer_who_examined_cannot_approve(agency: Agency) -> None:
    number = str(agency.file(1, "F200003"))
    early = error_of(agency, "application", "approve", number, "--officer", OFFICERS[1])
    assert early["type"] == "NotAllowed"
    agency.ca("application", "examine", number, "--officer", OFFICERS[1])
    refused = error_of(agency, "application", "approve", number, "--officer", OFFICERS[1])
    assert refused["type"] == "NotEntitled"
    assert status_of(agency, int(number)) == "examined"


def test_a_returned_application_is_mailed_with_its_reason_and_stays_returned(agency: Agency) -> None:
    number = str(agency.file(1, "F200004"))
    reason = "ふりがなが氏名と一致しません。"
    returned = agency.ca("application", "return", number, "--reason", reason, "--officer", OFFICERS[1])
    assert returned["status"] == "returned"
    (mail,) = until(lambda: [mail for mail in agency.mails() if mail["kind"] == "returned"])
    assert mail["to"] == "yamada@midori.example"
    assert reason in mail["text"]
    assert number in mail["subject"]
    assert error_of(agency, "application", "examine", number, "--officer", OFFICERS[0])["type"] == "NotAllowed"


def test_nobody_acts_who_is_not_registered(agency: Agency, received: str) -> None:
    assert error_of(agency, "application", "examine", received, "--officer", "高橋 次郎")["type"] == "NotFound"


@pytest.mark.parametrize(
    "options",
    [("--role", "helpdesk"), ("--role", "ra", "--os-user", f"not-{ME}")],
    ids=["another role", "another login"],
)
def test_an_officer_acts_only_in_his_role_and_from_his_login(
    agency: Agency, received: str, options: tuple[str, ...]
) -> None:
    name = f"田中 {'-'.join(options)}"
    agency.ca("officer", "add", name, *options)
    assert error_of(agency, "application", "examine", received, "--officer", name)["type"] == "NotEntitled"


def test_a_disabled_officer_acts_no_more(agency: Agency, received: str) -> None:
    agency.ca("officer", "add", "伊藤 三郎", "--role", "ra")
    assert agency.ca("officer", "disable", "伊藤 三郎")["disabled"] is True
    assert error_of(agency, "application", "examine", received, "--officer", "伊藤 三郎")["type"] == "NotEntitled"


def test_the_officer_whose_login_this_is_acts_alone_here_however_wide_the_name_is_typed(tmp_path: Path) -> None:
    agency = Agency(tmp_path)
    number = str(agency.file(1))
    agency.ca("officer", "add", "Ota Ａkira", "--role", "ra", "--os-user", ME)
    assert agency.ca("application", "examine", number, "--officer", "ＯＴＡ akira")["status"] == "examined"
    assert error_of(agency, "application", "approve", number, "--officer", OFFICERS[1])["type"] == "NotEntitled"
    assert agency.ca("application", "return", number, "--reason", "a test")["status"] == "returned"
    assert error_of(agency, "officer", "add", "another", "--role", "ra")["type"] == "NotEntitled"


def test_the_first_approval_registers_the_institution_and_its_administrator(agency: Agency, registered: str) -> None:
    shown = agency.ca("institution", "show", registered)
    assert (shown["code"], shown["name"]) == (registered, "みどり銀行")
    assert shown["administrator"] == {
        "family_name": "山田",
        "given_name": "太郎",
        "furigana": "やまだ たろう",
        "email": "yamada@midori.example",
    }
    assert shown in agency.ca("institution", "list")
    assert error_of(agency, "institution", "show", "F299999")["type"] == "NotFound"


def test_a_number_is_never_used_twice_and_past_999_nothing_is_assigned_even_in_part(
    agency: Agency, registered: str
) -> None:
    agency.revoke(f"{registered}-002")
    assert [each.cn for each in agency.approve(1, registered)] == [f"{registered}-003"]
    _set_last_number(agency, registered, 997)
    assert "2" in _refused_count(agency, registered, 3)
    number = agency.file(2, registered)
    _set_last_number(agency, registered, 998)
    agency.decide(number)

    def halves() -> list[tuple[str | None, str]]:
        shown = agency.ca("application", "show", str(number))
        return [(each["cn"], each["issuance"]) for each in shown["certificates"]]

    until(lambda: halves() == [(None, "failed"), (None, "failed")])
    assert "ALARM" in agency.log.read_text("utf-8")
    _set_last_number(agency, registered, 997)
    until(lambda: halves() == [(f"{registered}-998", "done"), (f"{registered}-999", "done")])
    assert "0" in _refused_count(agency, registered, 1)


def _refused_count(agency: Agency, code: str, count: int) -> str:
    refused = error_of(agency, "application", "issue", code, *FORM, "--count", str(count), "--officer", OFFICERS[0])
    assert set(refused["fields"]) == {"count"}
    return str(refused["fields"]["count"])


def _set_last_number(agency: Agency, code: str, number: int) -> None:
    with sqlite3.connect(agency.folder / "warifu.db", timeout=10) as database:
        changed = database.execute("UPDATE institution SET last_number = ? WHERE code = ?", (number, code)).rowcount
    database.close()
    assert changed == 1


def test_a_lost_pc_is_revoked_on_approval_and_the_administrator_is_told_how_long_it_took(
    agency: Agency, invitation: Invitation, tmp_path: Path
) -> None:
    leaf = AcmePc(agency, invitation).enrol()
    filed = agency.ca(
        "application", "revoke", "F123456", "--cn", invitation.cn, "--reason", "lost", "--officer", OFFICERS[0]
    )
    assert (filed["kind"], filed["urgent"]) == ("DCM903", True)
    agency.decide(filed["number"])
    until(lambda: status_of(agency, filed["number"]) == "done")
    until(lambda: judge(leaf, agency.root_certificate(), tmp_path) == REVOKED, seconds=30)
    (mail,) = until(lambda: _mails(agency, "revoked", invitation.cn))
    text = mail["text"]
    assert f"受付番号: {filed['number']}" in text
    assert f"{leaf.serial_number:x}" in text
    _, _, after = text.partition("失効から ")
    seconds, _, _ = after.partition(" 秒")
    assert 0 <= int(seconds) < 20


def test_an_application_names_only_cns_of_the_institution_and_a_revoked_one_once_as_the_form_owed(
    agency: Agency, invitation: Invitation
) -> None:
    agency.revoke(invitation.cn, "--caller", "the administrator", reason="lost")
    revoke = ("application", "revoke", "F123456", "--reason", "unused", "--officer", OFFICERS[0], "--cn")
    assert error_of(agency, *revoke, "F654321-001")["type"] == "Invalid"
    assert agency.ca(*revoke, invitation.cn)["status"] == "received"
    assert error_of(agency, *revoke, invitation.cn)["type"] == "Invalid"


def _mails(agency: Agency, kind: str, cn: str) -> list[dict[str, str]]:
    return [mail for mail in agency.mails() if (mail["kind"], mail["cn"]) == (kind, cn)]
