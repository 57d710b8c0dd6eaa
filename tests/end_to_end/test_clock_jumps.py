"""A clock that jumps under the running service: a year ahead, past the day of the renewal mails, back, and on again.

One agency, two PCs: the agent of one runs after each jump, that of the other never does. The real commands and
libfaketime; the test itself stays in today and knows how far the others are.
"""

import collections
import dataclasses
import datetime
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.drills.letters import letters
from tests.end_to_end.agency import Agency
from tests.end_to_end.days import Days
from tests.end_to_end.days import days as passing_days
from tests.end_to_end.questions import judge

pytestmark = pytest.mark.slow

_FRESH = datetime.timedelta(hours=1, minutes=1)
_SECONDS_TO_NOTICE = 20
_ABOUT_RENEWAL = ("renewal-url", "renewal-password", "renewal-reminder")


@dataclasses.dataclass
class Stop:
    """What was seen some seconds after a jump."""

    mails: "collections.Counter[tuple[str, str]]"
    """The mails about renewal so far, by kind and CN."""
    crl_number: int
    crl_age: datetime.timedelta
    ocsp_age: datetime.timedelta
    ocsp_good: bool
    told: set[str]
    """What many connections were told about the certificate: each answer was judged by the time that it is there."""
    renewal: Any
    """What `warifu renew` said on the PC whose agent runs."""
    findings: list[str]
    """What `warifu-ca reconcile` found."""


@dataclasses.dataclass
class Journey:
    """What was seen at each stop, and in the end."""

    stops: list[Stop]
    serials: dict[str, int]
    """How many certificates each CN has."""


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """Travel: today, +335 days, +366 days, three days back, on to +383 days."""
    folder = tmp_path_factory.mktemp("jumps")
    today = datetime.datetime.now(tz=datetime.UTC).strftime("%Y-%m-%d 00:00")
    with passing_days(folder, today) as days:
        agency = Agency(folder, validity_days=395)
        agency.serve()
        try:
            yield _travelled(agency, days, folder)
        finally:
            agency.stop()


def _travelled(agency: Agency, days: Days, folder: Path) -> Journey:
    home = folder / "pc-1"
    for number, invitation in enumerate(agency.approve(2), start=1):
        agency.warifu(
            "enroll", invitation.url, "--password-stdin", "--yes", "--ca-file", str(agency.root),
            home=folder / f"pc-{number}", stdin=invitation.password,
        )  # fmt: skip
    stops = []
    for ahead in (335, 31, -3, 20):
        days.jump(ahead)
        if ahead == 335:
            agency.ca("root", "crl")  # as the operator does once a year, before it ends
        _wait_for_crl(agency, days)
        renewal = agency.warifu("renew", home=home)
        books = agency.ca("reconcile", code=5 if ahead < 0 else 0)["books"]
        findings = [finding for book in books for finding in book["findings"]]
        stops.append(_looked(agency, days, home, renewal["certificates"], findings))
    listed = collections.Counter(each["cn"] for each in agency.certificates())
    return Journey(stops, dict(listed))


def _wait_for_crl(agency: Agency, days: Days) -> None:
    """Wait until the clockwork noticed the jump, and some seconds more for whatever it should not do."""
    deadline = time.monotonic() + _SECONDS_TO_NOTICE
    while not datetime.timedelta() <= days.now - _crl(agency).last_update_utc <= _FRESH:
        assert time.monotonic() < deadline, f"the CRL is of {_crl(agency).last_update_utc}, now is {days.now}"
        time.sleep(0.2)
    time.sleep(2)


def _looked(agency: Agency, days: Days, home: Path, renewal: Any, findings: list[str]) -> Stop:
    delivered = letters(agency.folder / "mailbox")
    mails = collections.Counter((letter.kind, letter.cn) for letter in delivered if letter.kind in _ABOUT_RENEWAL)
    crl, answer = _crl(agency), _ocsp(agency, home)
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    good = answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    ages = days.now - crl.last_update_utc, days.now - answer.this_update_utc
    asked, serial = judge(agency.chain, lambda: days.now), answer.serial_number
    told = {asked.ask(agency.http_port, serial).word for _ in range(12)}
    return Stop(mails, number, *ages, good, told, renewal, findings)


def _crl(agency: Agency) -> x509.CertificateRevocationList:
    (name,) = {path.name for path in (agency.folder / "public").glob("*.crl")} - {"root.crl"}
    with urllib.request.urlopen(f"{agency.http_url}/crl/{name}", timeout=10) as answer:
        return x509.load_der_x509_crl(answer.read())


def _ocsp(agency: Agency, home: Path) -> ocsp.OCSPResponse:
    """Ask about the first certificate of the PC."""
    issuer = x509.load_pem_x509_certificate(agency.chain.read_bytes())
    leaf = x509.load_pem_x509_certificate(next(iter(sorted(home.glob("F*/generations/0001/cert.pem")))).read_bytes())
    asked = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, SHA256()).build().public_bytes(Encoding.DER)
    request = urllib.request.Request(
        f"{agency.http_url}/ocsp", asked, {"Content-Type": "application/ocsp-request"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        response = ocsp.load_der_ocsp_response(answer.read())
    response.certificates[0].verify_directly_issued_by(issuer)
    return response


def test_nobody_is_asked_before_the_day(journey: Journey) -> None:
    assert not journey.stops[0].mails
    assert [each["action"] for each in journey.stops[0].renewal] == ["nothing"]


def test_each_pair_is_mailed_once_when_its_day_was_jumped_over(journey: Journey) -> None:
    pairs = {(kind, cn): 1 for cn in journey.serials for kind in _ABOUT_RENEWAL[:2]}
    assert journey.stops[1].mails == pairs


def test_nothing_is_mailed_twice_after_the_clock_was_set_back(journey: Journey) -> None:
    assert journey.stops[2].mails == journey.stops[1].mails


def test_only_who_has_not_renewed_is_reminded_and_once(journey: Journey) -> None:
    left = min(cn for cn, count in journey.serials.items() if count == 1)
    assert journey.stops[3].mails - journey.stops[2].mails == {("renewal-reminder", left): 1}


def test_the_agent_renews_once_whatever_the_clock_does(journey: Journey) -> None:
    acts = [[each["action"] for each in stop.renewal] for stop in journey.stops]
    assert acts == [["nothing"], ["renewed"], ["nothing"], ["nothing"]]
    assert sorted(journey.serials.values()) == [1, 2]


@pytest.mark.parametrize("stop", range(4))
def test_crl_and_ocsp_are_of_the_new_time_after_each_jump(journey: Journey, stop: int) -> None:
    seen = journey.stops[stop]
    assert seen.ocsp_good
    assert seen.told == {"good"}
    for age in (seen.crl_age, seen.ocsp_age):
        assert datetime.timedelta() <= age <= _FRESH


def test_crl_numbers_rise_also_when_time_goes_back(journey: Journey) -> None:
    numbers = [stop.crl_number for stop in journey.stops]
    assert numbers == sorted(set(numbers))


def test_the_books_balance_but_for_the_crl_of_the_future_while_the_clock_is_behind(journey: Journey) -> None:
    before, ahead, behind, after = (stop.findings for stop in journey.stops)
    assert not before + ahead + after
    (finding,) = behind
    assert "numbers must rise with time" in finding
