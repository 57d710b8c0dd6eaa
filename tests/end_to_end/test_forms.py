"""The paper side of an agency, from the blank form to what became of it, day by day.

An institution's administrator fills the forms in with a spreadsheet and the officers do what officers do; mails leave
by SMTP, relying systems ask OCSP and read the CRL, and days pass. Each test has CNs of its own and goes on from the day
on which it begins; the books must balance in the end.

The days, counted by hand: 23 (1), 24 (2), 25 (3), 28 December 2026 (4), 4 (5), 5 (6), 6 (7), 7 January 2027 (8);
8 (1), 12 (2, after a holiday), 13 (3), 14 (4), 15 (5), 18 (6), 19 (7), 20 January 2027 (8);
26 (1), 27 (2), 28 (3), 29 January (4), 1 (5), 2 (6), 3 (7), 4 February 2027 (8), and the 11th is a holiday.
"""

import dataclasses
import datetime
import json
import sqlite3
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ca_server.domain.reasons import ChangeReason, Reason
from tests.end_to_end.agency import EMAIL, INSTITUTION, OFFICERS, Agency, Invitation, free_ports
from tests.end_to_end.days import TOKYO, Days, days
from tests.end_to_end.judges import GOOD, REVOKED, judge
from tests.end_to_end.paper import Clerk, Pasted, fault, place, word
from tests.end_to_end.post_office import post_office
from tests.end_to_end.spreadsheet import Spreadsheet
from tests.end_to_end.test_lifecycle import until

BEGIN = "2026-12-22 10:00"
PERSON = {
    "institution_name": "みどり銀行",
    "furigana": "やまだ たろう",
    "family_name": "山田",
    "given_name": "太郎",
    "institution": INSTITUTION,
    "email": EMAIL,
}
COUNT = 5


@pytest.fixture(scope="module")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    with days(tmp_path_factory.mktemp("days"), BEGIN) as passing:
        yield passing


@pytest.fixture(scope="module")
def agency(calendar: Days, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    """Run an agency whose mails leave by SMTP."""
    running = Agency(tmp_path_factory.mktemp("agency"), validity_days=395)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(
        running.folder / "tls" / "server.pem",
        running.folder / "tls" / "server.key.pem",
        (running.folder / "secrets" / "server.passphrase").read_text().strip(),
    )
    with post_office(free_ports(1)[0], tls) as office:
        running.mail_through(office)
        running.serve()
        try:
            yield running
            running.balance()
        finally:
            running.stop()


@pytest.fixture(scope="module")
def clerk(agency: Agency, spreadsheet: Spreadsheet, tmp_path_factory: pytest.TempPathFactory) -> Clerk:
    return Clerk(agency, spreadsheet, tmp_path_factory.mktemp("paper"))


@pytest.fixture(scope="module")
def issued(agency: Agency, calendar: Days, clerk: Clerk) -> list[Invitation]:
    """Have the institution's first DCM902 filled in, filed, examined and approved, and return what was mailed."""
    sheet = first_sheet("2026/12/22", institution="Ｆ１２３４５６", count=str(COUNT))
    number = approved(agency, clerk.fill("DCM902", sheet))
    return until(lambda: found if len(found := agency.invitations(number)) == COUNT else [])


def live_until(agency: Agency, calendar: Days, moment: str) -> None:
    """Go on to a later day, until the service has noticed: its CRL is one of that day."""
    calendar.move_to(moment)
    crl = agency.folder / "public" / "issuing-1.crl"
    until(lambda: _made_on(crl) == calendar.today)
    time.sleep(2)  # each process reads the offset once a second


def _made_on(crl: Path) -> datetime.date:
    return x509.load_der_x509_crl(crl.read_bytes()).last_update_utc.astimezone(TOKYO).date()


def first_sheet(applied_on: str, **more: str) -> dict[str, str]:
    """Return what the administrator types on the first sheet."""
    return PERSON | {"applied_on": applied_on} | more


def submit(agency: Agency, workbook: Path, code: int = 0) -> Any:
    return agency.ca(
        "application", "submit", str(workbook), "--reference", "R-1", "--officer", OFFICERS[0], code=code
    )  # fmt: skip


def approved(agency: Agency, workbook: Path) -> int:
    """Have a form filed, examined and approved, and return its number."""
    number = int(submit(agency, workbook)["number"])
    agency.decide(number)
    return number


def shown(agency: Agency, number: int) -> Any:
    return agency.ca("application", "show", str(number))


def mailed(agency: Agency, address: str) -> Counter[tuple[str, str | None]]:
    """Return which mails an address has got, by kind and CN."""
    return Counter((mail["kind"], mail.get("cn")) for mail in agency.mails() if mail["to"] == address)


def enrol(agency: Agency, invitation: Invitation, home: Path, code: int = 0) -> Any:
    """Enter on a PC what the two mails say."""
    return agency.warifu(
        "enroll", invitation.url, "--password-stdin", "--yes", "--ca-file", str(agency.root),
        home=home, stdin=invitation.password + "\n", code=code,
    )  # fmt: skip


def fetch(agency: Agency, invitation: Invitation, folder: Path) -> x509.Certificate:
    """Get the certificate on a PC of its own."""
    got = enrol(agency, invitation, folder / invitation.cn)
    return x509.load_pem_x509_certificate(Path(got["certificate"]).read_bytes())


def test_a_dcm902_brings_two_mails_for_each_certificate_and_another_when_it_was_fetched(
    agency: Agency, issued: list[Invitation], tmp_path: Path
) -> None:
    assert [each.cn for each in issued] == [f"{INSTITUTION}-{number:03}" for number in range(1, COUNT + 1)]
    halves = {("enrolment-url", each.cn): each.url for each in issued}
    halves |= {("enrolment-password", each.cn): each.password for each in issued}
    assert ("received", None) in mailed(agency, EMAIL)
    for (kind, cn), half in halves.items():
        assert [(mail["kind"], mail.get("cn")) for mail in agency.mails() if half in mail["text"]] == [(kind, cn)]
    leaf = fetch(agency, issued[0], tmp_path)
    assert judge(leaf, agency.root_certificate(), tmp_path) == GOOD
    until(lambda: mailed(agency, EMAIL)["fetched", issued[0].cn] == 1)


def test_a_dcm903_is_carried_out_sheet_by_sheet_on_the_date_of_each(
    agency: Agency, calendar: Days, clerk: Clerk, issued: list[Invitation], tmp_path: Path
) -> None:
    dated, undated = (fetch(agency, each, tmp_path) for each in issued[1:3])
    sheet = first_sheet("2026/12/22", cn=issued[1].cn, reason=word(Reason.DISPOSED), revocation_on="2027/1/7")
    number = approved(agency, clerk.fill("DCM903", sheet, {"cn": issued[2].cn, "reason": word(Reason.REPLACED)}))
    root = agency.root_certificate()
    until(lambda: judge(undated, root, tmp_path) == REVOKED)
    until(lambda: mailed(agency, EMAIL)["revoked", issued[2].cn] == 1)
    live_until(agency, calendar, "2027-01-06 23:50")
    until(lambda: judge(dated, root, tmp_path) == GOOD)  # each process reads the day once a second
    assert shown(agency, number)["status"] == "waiting"
    assert mailed(agency, EMAIL)["revoked", issued[1].cn] == 0
    calendar.move_to("2027-01-07 00:01")
    until(lambda: judge(dated, root, tmp_path) == REVOKED)
    until(lambda: mailed(agency, EMAIL)["revoked", issued[1].cn] == 1)
    assert shown(agency, number)["status"] == "done"


def test_an_urgent_dcm903_is_carried_out_on_approval_whatever_its_date_says(
    agency: Agency, calendar: Days, clerk: Clerk, issued: list[Invitation], tmp_path: Path
) -> None:
    calendar.move_to("2027-01-07 10:00")
    leaf = fetch(agency, issued[3], tmp_path)
    sheet = first_sheet("2027/1/7", cn=issued[3].cn, reason=word(Reason.LOST), revocation_on="2027/1/20")
    approved(agency, clerk.fill("DCM903", sheet))
    until(lambda: judge(leaf, agency.root_certificate(), tmp_path) == REVOKED)
    until(lambda: mailed(agency, EMAIL)["revoked", issued[3].cn] == 1)
    assert calendar.today.isoformat() == "2027-01-07"


def test_each_half_of_a_dcm904_is_carried_out_on_a_date_of_its_own(
    agency: Agency, calendar: Days, clerk: Clerk, issued: list[Invitation], tmp_path: Path
) -> None:
    calendar.move_to("2027-01-07 10:00")
    old, root = fetch(agency, issued[4], tmp_path), agency.root_certificate()
    dates = {"revocation_on": "2027/1/22", "issuance_on": "2027/1/20"}
    sheet = first_sheet("2027/1/7", cn=issued[4].cn, reason=word(Reason.REPLACED), **dates)
    number = approved(agency, clerk.fill("DCM904", sheet))
    live_until(agency, calendar, "2027-01-19 23:50")
    assert judge(old, root, tmp_path) == GOOD
    assert agency.invitations(number) == []
    calendar.move_to("2027-01-20 00:01")
    (replacement,) = until(lambda: agency.invitations(number))
    assert replacement.cn == f"{INSTITUTION}-{COUNT + 1:03}"
    new = fetch(agency, replacement, tmp_path)
    live_until(agency, calendar, "2027-01-21 23:50")
    assert [judge(each, root, tmp_path) for each in (old, new)] == [GOOD, GOOD]
    assert shown(agency, number)["status"] == "waiting"
    calendar.move_to("2027-01-22 00:01")
    until(lambda: [judge(each, root, tmp_path) for each in (old, new)] == [REVOKED, GOOD])
    until(lambda: mailed(agency, EMAIL)["revoked", issued[4].cn] == 1)
    assert shown(agency, number)["status"] == "done"


def test_a_dcm905_moves_the_mail_on_the_next_business_day_and_replaces_what_the_former_could_use(
    agency: Agency, calendar: Days, clerk: Clerk, tmp_path: Path
) -> None:
    calendar.move_to("2027-01-22 10:00")  # a Friday
    code, after = "F200005", "suzuki@midori.example"
    (unused,) = agency.approve(1, code)
    successor = {
        "new_furigana": "すずき いちろう",
        "new_family_name": "鈴木",
        "new_given_name": "一郎",
        "new_email": after,
    }
    sheet = first_sheet("2027/1/22", institution=code, change_reason=word(ChangeReason.TRANSFER), **successor)
    number = int(submit(agency, clerk.fill("DCM905", sheet))["number"])
    until(lambda: mailed(agency, EMAIL)["change-received", None] == 1)
    agency.decide(number)
    live_until(agency, calendar, "2027-01-24 23:50")
    assert shown(agency, number)["status"] == "waiting"
    assert mailed(agency, after) == {}
    calendar.move_to("2027-01-25 00:01")
    pair = {("enrolment-url", unused.cn): 1, ("enrolment-password", unused.cn): 1}
    until(lambda: mailed(agency, after) == {("changed", None): 1} | pair)
    until(lambda: mailed(agency, EMAIL)["changed", None] == 1)
    assert {each: mailed(agency, EMAIL)[each] for each in pair} == pair
    (fresh,) = (each for each in agency.invitations() if each.cn == unused.cn)
    assert not {fresh.url, fresh.password} & {unused.url, unused.password}
    enrol(agency, unused, tmp_path / "former", code=4)
    assert judge(fetch(agency, fresh, tmp_path), agency.root_certificate(), tmp_path) == GOOD


@dataclasses.dataclass(frozen=True)
class Twin:
    """A form with mistakes, and where they are; what the spreadsheet would not let be typed is pasted."""

    kind: str
    sheets: tuple[dict[str, str], ...]
    faults: tuple[set[str], ...]
    """The wrong fields of each sheet."""
    copies: tuple[tuple[str, str], ...] = ()


def incomplete_sheet(missing: str, **more: str) -> dict[str, str]:
    """Return a first sheet without one of its entries."""
    return {name: text for name, text in first_sheet("2027/1/25", **more).items() if name != missing}


TWINS = (
    Twin(
        "DCM902",
        (
            incomplete_sheet(
                "furigana",
                institution=Pasted("F12345"),
                email=Pasted("yamada.midori.example"),
                count=Pasted("101"),
            )
            | {"applied_on": "2027/1/26"},
        ),
        ({"applied_on", "institution", "furigana", "email", "count"},),
    ),
    Twin(
        "DCM903",
        (
            first_sheet("2027/1/25", cn="F654321-001", reason=Pasted("気分"), revocation_on=Pasted("2027/2/3")),
            {"cn": f"{INSTITUTION}-002", "given_name": "次郎", "revocation_on": "2027/2/11"},
            {"cn": f"{INSTITUTION}-002", "reason": word(Reason.BROKEN)},
        ),
        ({"cn", "reason", "revocation_on"}, {"given_name", "reason", "revocation_on"}, {"cn"}),
        copies=((place("DCM903", 1, "cn")[0], "11枚目"),),
    ),
    Twin(
        "DCM904",
        (
            incomplete_sheet(
                "family_name",
                cn=Pasted(f"{INSTITUTION}-1"),
                revocation_on=Pasted("2027/12/30"),
                issuance_on=Pasted("2027/2/6"),
            ),
            {"reason": word(Reason.DISPOSED), "issuance_on": Pasted("あした")},
        ),
        ({"family_name", "cn", "reason", "revocation_on", "issuance_on"}, {"cn", "issuance_on"}),
    ),
    Twin(
        "DCM905",
        (
            incomplete_sheet(
                "institution_name",
                change_reason=Pasted("気分"),
                new_furigana="すずき いちろう",
                new_family_name="鈴木",
                new_email=Pasted("suzuki@@midori.example"),
                change_on=Pasted("2027/2/3"),
            ),
        ),
        ({"institution_name", "change_reason", "new_given_name", "new_email", "change_on"},),
    ),
)


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.kind)
def test_a_form_with_mistakes_is_refused_whole_naming_every_one(
    agency: Agency, calendar: Days, clerk: Clerk, issued: list[Invitation], twin: Twin
) -> None:
    calendar.move_to("2027-01-25 10:00")
    before = stored(agency)
    workbook, steps = clerk.enter(twin.kind, twin.sheets, twin.copies)
    assert all(step.took for step in steps)
    fields = submit(agency, workbook, code=4)["error"]["fields"]
    places = [fault(twin.kind, sheet, name) for sheet, names in enumerate(twin.faults, start=1) for name in names]
    assert sorted(fields) == sorted(places + [title for _, title in twin.copies])
    assert stored(agency) == before
    assert refused_last(agency) == sorted(fields)


def test_a_dcm905_that_guesses_the_administrator_is_refused_and_the_registered_one_is_told(
    agency: Agency, calendar: Days, clerk: Clerk, issued: list[Invitation]
) -> None:
    calendar.move_to("2027-01-25 10:00")
    before, thief = stored(agency), "thief@elsewhere.example"
    successor = {
        "new_furigana": "さとう はなこ",
        "new_family_name": "佐藤",
        "new_given_name": "花子",
        "new_email": thief,
    }
    sheet = first_sheet(
        "2027/1/25", given_name="花子", email=thief, change_reason=word(ChangeReason.TRANSFER), **successor
    )
    fields = submit(agency, clerk.fill("DCM905", sheet), code=4)["error"]["fields"]
    (named,) = fields  # one sentence, whatever differs: nobody learns which part of a guess was right
    assert named == "申請書 D13–D18 変更前の管理者情報"
    assert stored(agency) == before
    assert refused_last(agency) == ["administrator"]
    until(lambda: mailed(agency, EMAIL)["attempt", None] == 1)
    assert mailed(agency, thief) == {}


def test_whoever_holds_a_cn_is_told_when_another_institution_names_it(
    agency: Agency, calendar: Days, clerk: Clerk, issued: list[Invitation]
) -> None:
    calendar.move_to("2027-01-25 10:00")
    stranger = {"institution": "F654321", "institution_name": "あおば信用金庫", "email": "sato@aoba.example"}
    sheet = first_sheet("2027/1/25", cn=issued[0].cn, reason=word(Reason.STOLEN), **stranger)
    fields = submit(agency, clerk.fill("DCM903", sheet), code=4)["error"]["fields"]
    assert list(fields) == [fault("DCM903", 1, "cn"), fault("DCM903", 1, "institution")]
    until(lambda: mailed(agency, EMAIL)["attempt", issued[0].cn] == 1)
    assert mailed(agency, "sato@aoba.example") == {}


def stored(agency: Agency) -> list[tuple[Any, ...]]:
    """Return how many applications, and files of applications, are on record."""
    return records(agency, "SELECT (SELECT count(*) FROM application), (SELECT count(*) FROM application_file)")


def refused_last(agency: Agency) -> list[str]:
    """Return where the form was wrong that was refused last, as the audit log has it."""
    refusals = records(agency, "SELECT detail FROM audit WHERE action = 'application refused' ORDER BY rowid")
    return sorted(json.loads(refusals[-1][0])["places"])


def records(agency: Agency, question: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(agency.folder / "warifu.db", timeout=10)
    try:
        return database.execute(question).fetchall()
    finally:
        database.close()
