"""Jumps: the clock is set under the running service (libfaketime): −3 d, +335 d, +366 d, 2038, 2050, summer time.

The service, the officers' commands and the judges live in the faked time, this process does not. What must hold at each
stop: a certificate begins an hour before the moment it was made at, in UTCTime to 2049 and GeneralizedTime from 2050 on
(RFC 5280 §4.1.2.5); CRL and OCSP are of the new time; mails about renewal come once, on their day; of a clock that was
set back there is an alarm, and nothing is issued under a date that is past.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import os
import ssl
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.drills import ground
from tests.drills.enrolling import Caller, Candidate, Refused, enrol
from tests.drills.figures import Figure, none_of
from tests.drills.letters import letters
from tests.end_to_end.agency import Agency
from tests.end_to_end.days import Days
from tests.end_to_end.days import days as passing_days
from tests.end_to_end.questions import judge
from tests.end_to_end.relying import revoke
from tests.rehearsal.machine import MISSING, has_faketime

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: this process is not in the faked time
_SECONDS_TO_NOTICE = 30
_BACKDATED = datetime.timedelta(hours=1)
_WHILE_IT_IS_MADE = datetime.timedelta(seconds=20)
_RENEWAL_MAILS = ("renewal-url", "renewal-password")
_SUMMER_TIME = "America/New_York"


class Crossing(NamedTuple):
    """A moment that is crossed, in the time of Japan as `Days` tells it, and the machine's own time zone."""

    name: str
    begin: str
    stops: tuple[str, ...]
    zone: str = "UTC"


CROSSINGS = (
    Crossing("2038", "2038-01-18 09:00:00", ("2038-01-19 12:14:04",)),
    Crossing("2050", "2049-12-31 09:00:00", ("2050-01-01 08:59:56", "2050-01-01 12:00:00")),
    Crossing("summer time", "2027-03-13 09:00:00", ("2027-03-14 15:59:56", "2027-11-07 14:59:56"), _SUMMER_TIME),
)
_SECONDS_TO_CROSS = 6


@dataclasses.dataclass
class Journey:
    """What was found at the stops, and what was issued."""

    found: list[str] = dataclasses.field(default_factory=list)
    issued: int = 0


def drill(folder: Path, crossings: tuple[Crossing, ...] = CROSSINGS, defect: str | None = None) -> list[Figure]:
    """Set the clock of a running service to and fro, and of others over each crossing."""
    if not has_faketime():
        return [Figure(f"clock: {MISSING}", "-", "skipped", met=True)]
    figures = _to_and_fro(ground.fresh(folder / "jumps"), defect)
    for place, crossing in enumerate(crossings):
        journey = Journey()
        with _living(ground.fresh(folder / str(place)), crossing.begin, defect, crossing.zone) as (agency, days):
            asyncio.run(_crossed(agency, days, crossing, journey))
        figures += [
            Figure(f"clock: {crossing.name}, issued", "2 or more", str(journey.issued), journey.issued >= 2),
            none_of(f"clock: {crossing.name}, faults", journey.found),
        ]
    return figures


@contextlib.contextmanager
def _living(folder: Path, begin: str, defect: str | None, zone: str = "UTC") -> Iterator[tuple[Agency, Days]]:
    with mock.patch.dict(os.environ, {"TZ": zone}), passing_days(folder, begin) as days:
        agency = Agency(folder, validity_days=395)
        agency.serve_prefix = ground.planted_with(folder, defect)
        agency.serve()
        try:
            yield agency, days
        finally:
            agency.stop()


def _caller(agency: Agency) -> Caller:
    trust = agency.trust()
    trust.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    return Caller(agency.public_url, trust, longest_wait=0.5)


def _to_and_fro(folder: Path, defect: str | None) -> list[Figure]:
    today = datetime.datetime.now(tz=datetime.UTC).strftime("%Y-%m-%d 00:00")
    with _living(folder, today, defect) as (agency, days):
        behind, journey = asyncio.run(_travelled(agency, days))
    return [
        none_of("clock: −3 d, faults", behind),
        none_of("clock: back, +335 d, +366 d, faults", journey.found),
    ]


async def _travelled(agency: Agency, days: Days) -> tuple[list[str], Journey]:
    """Go three days back, return, and go on to days before the mails about renewal, and the day after."""
    journey = Journey()
    candidates = [Candidate(each) for each in await asyncio.to_thread(agency.approve, 5)]
    async with _caller(agency) as caller:
        await _enrolled(agency, caller, days, candidates.pop(), journey)
        before = journey.issued
        days.jump(10)  # so that three days ago the CA could have issued
        await asyncio.to_thread(agency.stop)
        await asyncio.to_thread(agency.serve)
        caller.forget_nonces()
        days.jump(-3)
        behind = await _refused(agency, caller, candidates[0], before)
        days.jump(3)
        await _enrolled(agency, caller, days, candidates.pop(0), journey)
        for ahead, mails in ((335, 0), (31, 4)):
            days.jump(ahead)
            if mails == 0:
                await asyncio.to_thread(agency.ca, "root", "crl")  # as the operator does once a year
            await asyncio.to_thread(_wait_until_noticed, agency, days)
            came = [each for each in letters(agency.folder / "mailbox") if each.kind in _RENEWAL_MAILS]
            if len(came) != mails:
                journey.found.append(f"+{ahead} d: {len(came)} mails about renewal, not {mails}")
            await asyncio.to_thread(_look, agency, days, journey, f"+{ahead} d")
    return behind, journey


async def _refused(agency: Agency, caller: Caller, candidate: Candidate, before: int) -> list[str]:
    """Return what is wrong while the clock is behind: what was issued, no alarm, an answer that is not 503."""
    await asyncio.sleep(2)
    found = []
    try:
        await enrol(caller, candidate, 4)
        found.append(f"{candidate.invitation.cn} got a certificate of three days ago")
    except Refused as refused:
        found.append(f"refused for good: {refused}")
    except TimeoutError:
        pass
    found += ground.errors_of_its_own(caller.tally)
    if not any(status == 503 for status, _ in caller.tally):
        found.append("nobody was told to come back (503)")
    if len(await asyncio.to_thread(agency.certificates)) != before:
        found.append("a certificate was recorded")
    if not any("ALARM" in line and "clock" in line for line in agency.log.read_text("utf-8").splitlines()):
        found.append("no alarm says that the clock was set back")
    return found


async def _crossed(agency: Agency, days: Days, crossing: Crossing, journey: Journey) -> None:
    async with _caller(agency) as caller:
        await _enrolled(agency, caller, days, await _invited(agency), journey)
        for stop in crossing.stops:
            days.move_to(stop)
            await asyncio.sleep(_SECONDS_TO_CROSS)
            candidate = await _invited(agency)
            await _enrolled(agency, caller, days, candidate, journey)
            if candidate.chain is not None:  # by the PC: libfaketime lets no command sleep that waits for the CRL
                await revoke(caller, candidate)
            await asyncio.to_thread(_wait_until_noticed, agency, days)
            await asyncio.to_thread(_look, agency, days, journey, stop)


async def _invited(agency: Agency) -> Candidate:
    (invitation,) = await asyncio.to_thread(agency.approve, 1)
    return Candidate(invitation)


async def _enrolled(agency: Agency, caller: Caller, days: Days, candidate: Candidate, journey: Journey) -> None:
    """Enrol now, and look at the dates of what came."""
    await asyncio.sleep(1.2)  # the offset is read once a second
    now = days.now
    try:
        await enrol(caller, candidate, 30)
    except TimeoutError as error:
        journey.found.append(f"{now:%Y-%m-%d}: {error}")
        return
    journey.issued += 1
    assert candidate.chain is not None
    leaf = x509.load_pem_x509_certificate(candidate.chain)
    late = leaf.not_valid_before_utc + _BACKDATED - now
    if not -datetime.timedelta(seconds=2) <= late <= _WHILE_IT_IS_MADE:
        journey.found.append(f"{now:%Y-%m-%d %H:%M}: made by a clock that differs by {late}")
    if leaf.not_valid_after_utc - leaf.not_valid_before_utc != datetime.timedelta(days=395, seconds=-1):
        journey.found.append(f"{now:%Y-%m-%d %H:%M}: the certificate does not live 395 days less a second")
    validity = asn1_x509.Certificate.load(leaf.public_bytes(Encoding.DER))["tbs_certificate"]["validity"]
    for name in ("not_before", "not_after"):
        journey.found += _as_it_should_be(f"{name} of {candidate.invitation.cn}", validity[name])


def _as_it_should_be(what: str, value: asn1_x509.Time) -> Iterator[str]:
    wanted = "utc_time" if value.native.year < 2050 else "general_time"
    if value.name != wanted:
        yield f"{what}, {value.native}, is a {value.name}"


def _wait_until_noticed(agency: Agency, days: Days) -> None:
    """Wait until the CRL is of the new time and shows what was revoked, and mails have gone."""
    deadline = time.monotonic() + _SECONDS_TO_NOTICE
    while time.monotonic() < deadline:
        age = days.now - _crl(agency).last_update_utc
        with ground.records(agency) as connection:
            waiting = connection.execute(
                "SELECT (SELECT count(*) FROM revocation WHERE published_at IS NULL) + "
                "(SELECT count(*) FROM outbox WHERE status = 'pending')"
            ).fetchone()[0]
        if not waiting and datetime.timedelta(seconds=-2) <= age <= datetime.timedelta(hours=1, minutes=1):
            time.sleep(2)  # for whatever should not be done
            return
        time.sleep(0.2)


def _look(agency: Agency, days: Days, journey: Journey, where: str) -> None:
    """Look at CRL, OCSP and books as those who live in that time do."""
    encoded, found = _published(agency), journey.found
    listed = asn1_crl.CertificateList.load(encoded)["tbs_cert_list"]
    for name in ("this_update", "next_update"):
        found += [f"{where}: {each}" for each in _as_it_should_be(name, listed[name])]
    crl, now = _crl(agency), days.now
    if crl.next_update_utc is None or not crl.last_update_utc <= now + _BACKDATED / 60 <= crl.next_update_utc:
        found.append(f"{where}: the CRL is of {crl.last_update_utc} to {crl.next_update_utc}")
    asked = judge(agency.chain, lambda: days.now)
    for one in agency.certificates():
        serial, wanted = int(one["serial"], 16), "revoked" if one["status"] == "revoked" else "good"
        told = asked.ask(agency.http_port, serial).word
        if told != wanted:
            found.append(f"{where}: OCSP says {told} of a certificate that is {wanted}")
        if (crl.get_revoked_certificate_by_serial_number(serial) is not None) != (wanted == "revoked"):
            found.append(f"{where}: the CRL differs about {serial:x}")
    found += [f"{where}: {each}" for each in ground.faults(agency)]


def _crl(agency: Agency) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(_published(agency))


def _published(agency: Agency) -> bytes:
    with urllib.request.urlopen(f"{agency.http_url}/crl/issuing-1.crl", timeout=10) as answer:
        return bytes(answer.read())
