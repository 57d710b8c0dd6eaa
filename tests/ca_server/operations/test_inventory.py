"""The inventory from real records: what it tells of each seat, what is found by what, and how little it asks."""

import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ca_server.clock import DAY
from ca_server.domain.applications import Kind
from ca_server.domain.credentials import CredentialKind
from ca_server.domain.help_desk import Times
from ca_server.domain.inventory import Entry, Renewal, State
from ca_server.domain.reasons import Reason
from ca_server.errors import NotFound
from ca_server.operations import help_desk, inventory, invitation, revocation, suspension
from ca_server.operations.revocation import Decision
from protocol.names import CommonName, InstitutionCode
from protocol.renewal_info import RenewalTimes
from protocol.vocabulary import RevocationReason
from tests.ca_server.branch import Branch
from tests.ca_server.paper import ALICE, SUZUKI, YAMADA, Desk, a_revocation, an_issuance, no_entry, read, who

TIMES = Times(RenewalTimes(), 180)
CODE, OTHER = InstitutionCode.parse("F123456"), InstitutionCode.parse("F777777")
FIRST, SECOND, THIRD = (CommonName(CODE, number) for number in (1, 2, 3))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    opened = Desk.open(tmp_path)
    opened.done(an_issuance(3))
    opened.now += 60
    return opened


@pytest.fixture
def branch(desk: Desk) -> Branch:
    return Branch(desk)


def entry(desk: Desk, cn: CommonName = FIRST) -> Entry:
    return desk.records.read(inventory.of, cn, TIMES, desk.now)


def found(desk: Desk, text: str) -> list[str]:
    return [str(each.cn) for each in desk.records.read(inventory.found, text, TIMES, desk.now)]


def of_another_institution(desk: Desk) -> None:
    form = who(SUZUKI, str(OTHER)) | {"institution_name": "第77ＡＢＣ銀行", "count": "1", "email": "suzuki@abc.example"}
    desk.done(read(Kind.ISSUANCE, form))


def test_it_lists_every_cn_with_its_pc(desk: Desk, branch: Branch) -> None:
    branch.fetch(SECOND, "PC-07")
    desk.records.write(help_desk.label, SECOND, "営業部1号機", ALICE, desk.now)
    listed = desk.records.read(inventory.listed, TIMES, desk.now)
    assert [(str(each.cn), each.institution_name, each.label, each.host_name, each.state) for each in listed] == [
        ("F123456-001", "みどり銀行", None, None, State.WAITING),
        ("F123456-002", "みどり銀行", "営業部1号機", "PC-07", State.ACTIVE),
        ("F123456-003", "みどり銀行", None, None, State.WAITING),
    ]
    assert listed[1].not_after == desk.now + 395 * DAY - 1


def test_the_cns_of_one_institution_are_listed_alone(desk: Desk) -> None:
    of_another_institution(desk)
    of_first = desk.records.read(inventory.listed, TIMES, desk.now, CODE)
    assert {each.cn.institution for each in of_first} == {CODE}
    assert [str(each.cn) for each in desk.records.read(inventory.listed, TIMES, desk.now, OTHER)] == ["F777777-001"]
    assert len(desk.records.read(inventory.listed, TIMES, desk.now)) == 4


def test_an_institution_that_is_not_registered_has_no_list(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.records.read(inventory.listed, TIMES, desk.now, OTHER)


def test_a_cn_that_was_never_assigned_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound):
        entry(desk, CommonName(CODE, 9))


def test_a_locked_url_and_one_that_ran_out_show(desk: Desk, branch: Branch) -> None:
    branch.lock(FIRST)
    assert entry(desk).state is State.LOCKED
    expiry = branch.pair(FIRST).expires_at
    desk.now = expiry
    assert (entry(desk).state, entry(desk).fresh_pair_until) == (State.EXPIRED_UNUSED, expiry + 180 * DAY)
    desk.records.write(invitation.expire, desk.now)
    assert (entry(desk).state, entry(desk).fresh_pair_until) == (State.EXPIRED_UNUSED, expiry + 180 * DAY)
    desk.records.write(invitation.replace, FIRST, CredentialKind.ENROL, desk.terms.pair, desk.now, ALICE.actor)
    assert (entry(desk).state, entry(desk).fresh_pair_until) == (State.WAITING, None)


def test_a_renewal_shows_the_new_end_and_its_day(desk: Desk, branch: Branch) -> None:
    account = branch.fetch(FIRST, "PC-01")
    desk.pass_by(days=360)
    assert entry(desk).renewal is Renewal.DUE
    branch.renew(FIRST, account)
    assert (entry(desk).renewal, entry(desk).renewal_at) == (Renewal.RENEWED, desk.now)
    assert entry(desk).not_after == desk.now + 395 * DAY - 1
    assert entry(desk, SECOND).renewal is None


def test_a_good_certificate_counts_before_a_later_one_that_was_revoked(desk: Desk, branch: Branch) -> None:
    account = branch.fetch(FIRST)
    end = entry(desk).not_after
    desk.pass_by(days=360)
    renewed = branch.renew(FIRST, account)
    decision = Decision(RevocationReason.superseded, ALICE.actor, desk.now)
    desk.records.write(revocation.revoke_certificate, renewed, decision, no_entry)
    assert (entry(desk).state, entry(desk).not_after) == (State.ACTIVE, end)


def test_a_plan_is_no_certificate_yet(desk: Desk, branch: Branch) -> None:
    bound: Any = branch.bind(FIRST)
    branch.plan(FIRST, bound.account.id)
    assert (entry(desk).state, entry(desk).not_after, entry(desk).host_name) == (State.WAITING, None, None)


def test_suspended_and_revoked_cns_show(desk: Desk, branch: Branch) -> None:
    branch.fetch(FIRST)
    request = suspension.Request(Reason.LOST, "山田", ALICE)
    desk.records.write(suspension.suspend, FIRST, request, no_entry, desk.now)
    desk.done(a_revocation(str(SECOND)))
    states = [each.state for each in desk.records.read(inventory.listed, TIMES, desk.now)]
    assert states == [State.SUSPENDED, State.REVOKED, State.WAITING]


@pytest.mark.parametrize(
    "text",
    [
        "F777777-001",
        "f777777-001",
        "Ｆ７７７７７７－００１",
        " F777777 ",
        "abc銀行",
        "第77",
        "77",
        "Suzuki@ABC",
        "@abc.example",
    ],
)
def test_a_cn_is_found_by_what_a_caller_may_say(desk: Desk, text: str) -> None:
    of_another_institution(desk)
    assert found(desk, text) == ["F777777-001"]


def test_a_cn_is_found_by_an_application_that_was_given_it_or_names_it(desk: Desk) -> None:
    desk.file(a_revocation(str(SECOND)))
    assert found(desk, "1") == ["F123456-001", "F123456-002", "F123456-003"]
    assert found(desk, "２") == ["F123456-002"]


@pytest.mark.parametrize("text", ["", "  ", "F1234", "F123456-00", "3", "9" * 30, "%", "_", "yamada@evil.example", "'"])
def test_nothing_is_found_by_what_is_nobodys(desk: Desk, text: str) -> None:
    assert found(desk, text) == []


def test_the_whole_administrators_address_is_found_and_a_part_of_it(desk: Desk) -> None:
    assert len(found(desk, YAMADA.email)) == len(found(desk, "yamada")) == 3


def test_the_mail_brings_the_list_of_the_institution_in_its_language(desk: Desk, branch: Branch) -> None:
    of_another_institution(desk)
    branch.fetch(FIRST, "PC-01")
    listed = desk.records.read(inventory.listed, TIMES, desk.now, CODE)
    file = inventory.attachment(listed, CODE, "ja", desk.now)
    assert file.name == "F123456-certificates-2026-11-23.xlsx"
    assert file.subtype == "vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    sheet = openpyxl.load_workbook(io.BytesIO(file.content)).active
    assert [sheet.cell(row, 1).value for row in range(1, 6)] == [
        "CN",
        *(f"F123456-00{place}" for place in (1, 2, 3)),
        None,
    ]
    assert sheet.cell(2, 4).value == "PC-01"


def test_no_half_of_any_pair_stands_in_the_list(desk: Desk, branch: Branch) -> None:
    halves = branch.halves(FIRST)
    listed = desk.records.read(inventory.listed, TIMES, desk.now)
    assert not any(half in str(listed) for half in halves)


def test_however_many_seats_are_listed_by_the_same_statements(
    desk: Desk, branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[str] = []
    few = _statements(desk, monkeypatch, run)
    desk.done(an_issuance(100))
    branch.fetch(CommonName(CODE, 50))
    assert _statements(desk, monkeypatch, run) == few <= 2
    assert len(desk.records.read(inventory.listed, TIMES, desk.now, CODE)) == 103


def _statements(desk: Desk, monkeypatch: pytest.MonkeyPatch, run: list[str]) -> int:
    from ca_server.store.statement import Statement

    real = Statement._execute
    with monkeypatch.context() as patched:
        patched.setattr(Statement, "_execute", lambda self, *rest: run.append("one") or real(self, *rest))
        run.clear()
        desk.records.read(inventory.listed, TIMES, desk.now, CODE)
    return len(run)
