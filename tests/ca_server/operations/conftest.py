"""One real CA a session, made by its commands and then stopped; for each test a copy of its folder to spoil.

F123456-001 was renewed, -002 revoked with its key compromised, of -003 a renewal was planned and aborted, -004 and -005
were never fetched; application 2 was returned. -004 was suspended on a call and released. Application 3 came as a
workbook and waits for the day on which -005 is revoked.
"""

import asyncio
import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ca_server import keyring, store
from ca_server.app import crl_entry
from ca_server.authority.issuer import Issuer
from ca_server.authority.profile import CertificateProfile
from ca_server.cli.reconcile import premises
from ca_server.clock import SystemClock, day_in_tokyo
from ca_server.config import Config, load
from ca_server.domain.applications import Kind
from ca_server.domain.calendar import Calendar
from ca_server.ids import new_id
from ca_server.operations import enrolment, issuance
from ca_server.operations.books import ocsp
from ca_server.operations.reconcile import Balance, balance
from keys.csr import build_signing_request, parse_signing_request
from tests.ca_server.databases import copied_folder, moved, raw
from tests.ca_server.forms.workbooks import WHO, filled
from tests.end_to_end.agency import OFFICERS, Agency


@dataclasses.dataclass(frozen=True)
class Records:
    """A CA's folder, and what is in it by name."""

    folder: Path
    names: dict[str, str]

    @property
    def config(self) -> Config:
        return load(self.folder / "warifu.toml")

    @property
    def crl_file(self) -> Path:
        return self.folder / "public" / "issuing-1.crl"

    def copy(self, place: Path) -> "Records":
        copied_folder(self.folder, place)
        return Records(place, self.names)

    def plant(self, *statements: str, **values: object) -> None:
        """Write what no operation would; a statement names things as in `:renewed`."""
        connection = raw(self.config.server.database)
        for statement in statements:
            connection.execute(statement, self.names | values)
        connection.commit()
        connection.close()

    def fetch(self, query: str) -> tuple[object, ...]:
        connection = raw(self.config.server.database)
        row = connection.execute(query, self.names).fetchone()
        connection.close()
        assert row is not None, query
        return tuple(row)

    def balance(self, *, later: int = 0) -> Balance:
        """Balance the books, `later` so many seconds."""
        config = self.config
        records = store.SynchronousDatabase(config.server.database)
        try:
            return records.read(balance, premises(config), At(later))
        finally:
            records.close()

    def findings(self, book: str, *, later: int = 0) -> str:
        """Return the findings of one book, a line each."""
        return "\n".join(next(one.findings for one in self.balance(later=later).books if one.name == book))


@dataclasses.dataclass(frozen=True)
class At:
    """The machine's clock, ahead by so many seconds."""

    ahead: int

    def now(self) -> int:
        return SystemClock().now() + self.ahead


class SigningFailed(Exception):
    """The CA key did not answer."""


class BrokenIssuer(Issuer):
    """An issuing CA whose key does not answer."""

    async def sign(self, serial: str) -> bytes:
        raise SigningFailed(serial)


async def plan(config: Config, account_id: str, now: int) -> str:
    """Order a renewal for the account, plan it, fail to sign it, and return the serial of the plan that is left."""
    database = await store.Database.open(config.server.database)
    try:
        rules = enrolment.Rules(None, config.renewal)
        account = await database.lookup(enrolment.accounts.get, account_id)
        request = enrolment.Request(new_id(), (("permanent-identifier", account.cn),))
        opened = await database.write(enrolment.order, account_id, request, rules, now)
        csr = parse_signing_request(build_signing_request(ec.generate_private_key(ec.SECP256R1()), None))
        requested = issuance.Requested(account_id, opened.order.id, csr, new_id(), "192.0.2.7", "a test")
        with pytest.raises(SigningFailed) as failed:
            await issuance.finalize(database, room(config), requested, now)
        return str(failed.value)
    finally:
        await database.close()


async def give_up(config: Config, now: int) -> None:
    """Have three other servers try to finish what is planned, and abort it."""
    database = await store.Database.open(config.server.database)
    try:
        for _ in range(issuance.MOST_ATTEMPTS):
            assert await issuance.finish_orphans(database, room(config), crl_entry, now) == 1
    finally:
        await database.close()


def room(config: Config) -> issuance.Room:
    """Return the room that issues, with a key that does not answer."""
    authority, http_url = config.authority, config.server.http_url
    signer = keyring.load_signer(
        authority.issuing_certificate, authority.issuing_key, authority.issuing_passphrase_file
    )
    profile = CertificateProfile(
        organization=authority.organization,
        policy_oid=config.profile.policy_oid,
        cps_url=config.profile.cps_url,
        crl_url=f"{http_url}/crl/{authority.issuer}.crl",
        ocsp_url=f"{http_url}/ocsp",
        ca_issuers_url=f"{http_url}/ca/{authority.issuer}.cer",
        validity_days=config.profile.validity_days,
    )
    issuer = BrokenIssuer(authority.issuer, signer, lambda _: None)
    return issuance.Room(profile, issuer, enrolment.Rules(None, config.renewal), new_id())


@pytest.fixture(scope="session")
def real_records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """The records of a CA that lived a little."""
    agency = Agency(tmp_path_factory.mktemp("records"))
    agency.serve()
    _live(agency)
    agency.stop()
    records = Records(agency.folder, {})
    shutil.copyfile(records.crl_file, agency.scratch / "older.crl")
    (account,) = records.fetch("SELECT id FROM account WHERE cn = 'F123456-003'")
    asyncio.run(plan(records.config, str(account), SystemClock().now()))
    asyncio.run(give_up(records.config, SystemClock().now()))
    agency.serve()
    _wait(lambda: records.fetch("SELECT count(*) FROM revocation WHERE published_at IS NULL") == (0,))
    agency.stop()
    shutil.copyfile(agency.scratch / "older.crl", records.folder / "older.crl")
    moved(records.folder / "warifu.toml")
    return Records(agency.folder, _names(records) | {"account": str(account)})


def _live(agency: Agency) -> None:
    invitations = agency.approve(5)
    for invitation in invitations[:3]:
        home = agency.scratch / "home" / invitation.cn
        options = ("--password-stdin", "--yes", "--ca-file", str(agency.root))
        agency.warifu("enroll", invitation.url, *options, home=home, stdin=invitation.password)
    agency.warifu("renew", invitations[0].cn, home=agency.scratch / "home" / invitations[0].cn)
    agency.revoke(invitations[1].cn, reason="keyCompromise")
    returned = agency.file(1)
    agency.ca("application", "return", str(returned), "--reason", "unsigned", "--officer", OFFICERS[1])
    _on_paper(agency)
    expected = {"fetched", "revoked", "returned", "suspended", "released"}
    _wait(lambda: expected <= {mail["kind"] for mail in agency.mails()})


def _on_paper(agency: Agency) -> None:
    call = ("--reason", "lost", "--caller", "the administrator")
    agency.ca("certificate", "suspend", "F123456-004", *call, "--officer", OFFICERS[0])
    agency.ca("certificate", "release", "F123456-004", "--officer", OFFICERS[0])
    today = day_in_tokyo(SystemClock().now())
    entries = {"applied_on": today, "institution_name": "みどり銀行", "cn": "F123456-005", "reason": "unused"}
    entries["revocation_on"] = Calendar().earliest(today)
    form = agency.scratch / "dcm903.xlsx"
    form.write_bytes(filled(Kind.REVOCATION, [{**WHO, **entries}]))
    number = agency.ca("application", "submit", str(form), "--reference", "7", "--officer", OFFICERS[0])["number"]
    agency.decide(number)
    _wait(lambda: agency.ca("application", "show", str(number))["status"] == "waiting")


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _names(records: Records) -> dict[str, str]:
    queries = {
        "renewed": "SELECT serial FROM certificate WHERE successor IS NOT NULL",
        "renewal": "SELECT serial FROM certificate WHERE predecessor IS NOT NULL AND status = 'issued'",
        "revoked": "SELECT serial FROM certificate WHERE status = 'revoked'",
        "aborted": "SELECT serial FROM certificate WHERE status = 'aborted'",
        "third": "SELECT serial FROM certificate WHERE cn = 'F123456-003' AND status = 'issued'",
        "used": "SELECT id FROM credential WHERE cn = 'F123456-001'",
        "live": "SELECT id FROM credential WHERE cn = 'F123456-004'",
        "other": "SELECT id FROM credential WHERE cn = 'F123456-005'",
        "decision": "SELECT id FROM revocation WHERE cn = 'F123456-002'",
        "examiner": "SELECT examined_by FROM application WHERE number = 1",
        "approver": "SELECT approved_by FROM application WHERE number = 1",
        "call": "SELECT id FROM call",
    }
    return {name: str(records.fetch(query)[0]) for name, query in queries.items()}


@pytest.fixture
def records(real_records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Records:
    """A copy of the records for one test to spoil; OCSP is asked for a few unknown serials only, to save time."""
    monkeypatch.setattr(ocsp, "UNKNOWN_SERIALS", 20)
    return real_records.copy(tmp_path / "ca")
