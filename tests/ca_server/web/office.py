"""A CA in this process: the real wiring on a copy of a real folder, with a clock that tests turn.

Both applications of `ca_server.app` are served over plain TCP; URLs in messages are those of the configuration, as
behind a proxy that ends TLS. Seats come from applications that two officers filed, examined and approved.
"""

import contextlib
import dataclasses
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from aiohttp import web, web_app
from aiohttp.test_utils import TestClient, TestServer

from ca_server import app, keyring, store
from ca_server.app import crl_entry
from ca_server.authority.signer import Signer
from ca_server.clock import DAY, HOUR, MINUTE, day_in_tokyo
from ca_server.config import Config, load
from ca_server.domain.applications import Filed, Receipt
from ca_server.domain.credentials import CredentialKind
from ca_server.domain.officers import Acting, Officer, Role
from ca_server.domain.reasons import Reason
from ca_server.fellows import Alone
from ca_server.ids import new_id
from ca_server.operations import applications, carrying_out, invitation, publication, revocation, suspension
from ca_server.operations.revocation import Decision
from ca_server.store import credentials, officers, outbox
from protocol.credential import mac_key
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason
from tests.ca_server.databases import copied, moved
from tests.ca_server.paper import an_issuance
from tests.ca_server.plain import PlainClient, answers_of
from tests.ca_server.web.caller import Caller

P = ParamSpec("P")
R = TypeVar("R")

INSTITUTION = "F123456"
INSTITUTION_NAME = "みどり銀行"
SEATS = 3


class TurnedClock:
    """A clock that moves when a test says so."""

    def __init__(self, now: int) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def set_back(self) -> int:
        return 0

    def pass_by(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: int = 0) -> None:
        """Let time pass; a negative amount turns the clock back."""
        self._now += int(days * DAY + hours * HOUR + minutes * MINUTE) + seconds

    def set(self, now: int) -> None:
        self._now = now


@dataclasses.dataclass(frozen=True)
class Invitation:
    """The two halves as the mails bring them, and the seat that they are for."""

    cn: str
    kid: str
    password: str
    credential_id: str

    @property
    def mac_key(self) -> bytes:
        return mac_key(self.kid, self.password)


@dataclasses.dataclass(frozen=True)
class Folder:
    """What `warifu-ca init` made, with three approved seats, and its keys opened: once a session, then copied."""

    config: Config
    issuing: Signer
    ocsp: Signer
    made_at: int

    @classmethod
    def make(cls, folder: Path) -> "Folder":
        init = [str(Path(sys.executable).with_name("warifu-ca")), "init", "--non-interactive", "--json"]
        urls = ["--public-url", "https://ca.example:8443", "--http-url", "http://ca.example:8080"]
        subprocess.run([*init, "--directory", str(folder / "ca"), *urls], check=True, capture_output=True, timeout=60)
        config = load(moved(folder / "ca" / "warifu.toml"))
        made_at = int(time.time())
        authority = config.authority
        issuing = keyring.load_signer(
            authority.issuing_certificate, authority.issuing_key, authority.issuing_passphrase_file
        )
        ocsp = keyring.load_ocsp_key(config, authority, issuing, made_at).signer
        records = store.SynchronousDatabase(config.server.database)
        approve_seats(records, config, SEATS, made_at)
        records.close()
        return cls(config, issuing, ocsp, made_at)


def approve_seats(records: store.SynchronousDatabase, config: Config, count: int, now: int) -> None:
    """Have an application filed, examined and approved by two officers, and carry it out."""
    first, second = (Officer(new_id(), name, Role.REGISTRATION, None, None) for name in ("佐藤 花子", "鈴木 一郎"))
    for officer in (first, second):
        records.write(officers.add, officer, now, "test")
    form = an_issuance(count, now=now, institution_name=INSTITUTION_NAME, applied_on=str(day_in_tokyo(now)))
    filing, approving = (Acting(officer.id, "test") for officer in (first, second))
    filed = records.write(applications.file, form, Receipt(filing, "mail"), now)
    assert isinstance(filed, Filed)
    records.write(applications.examine, filed.number, filing, now)
    records.write(applications.approve, filed.number, approving, now, four_eyes=True)
    terms = app.carrying_out_terms(config, keyring.load_sealer(config))
    for step in records.read(carrying_out.steps, terms, now):
        records.write(carrying_out.carry_out, step, terms, crl_entry, now)


class Office:
    """A running CA: its clock, its two addresses, and what officers do."""

    def __init__(self, folder: Folder, config: Config) -> None:
        self.folder = folder
        self.config = config
        self.clock = TurnedClock(folder.made_at + MINUTE)
        self.sealer = keyring.load_sealer(config)
        self.url = config.server.public_url

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Office"]:
        """Serve until the end of the block."""
        await self.start()
        try:
            yield self
        finally:
            await self.stop()

    async def start(self) -> None:
        self.database = await store.Database.open(self.config.server.database)
        self.records = store.SynchronousDatabase(self.config.server.database)
        ocsp_key = keyring.OcspKey(self.config, self.config.authority, self.folder.ocsp)
        in_use = keyring.AuthorityKeys(self.config.authority.issuer, self.folder.issuing, ocsp_key)
        wiring = self.wiring = app._Wiring(self.config, self.clock, self.database, (in_use,), Alone(self.clock))
        self.public = await _served(wiring.public())
        answers = answers_of(self.database, (in_use,), self.clock)
        self.plain = await PlainClient.opened(answers, self.config.server.public_folder, self.clock)

    async def stop(self) -> None:
        await self.public.close()
        await self.plain.close()
        await self.database.close()
        self.records.close()
        web_app._cached_build_middleware.cache_clear()  # it keeps a thousand servers, whose nonces alone take 8 MB each

    async def restart(self) -> None:
        """Stop the server and start it again on the same records."""
        await self.stop()
        await self.start()

    def caller(self, **settings: Any) -> Caller:
        """Return an ACME client with a fresh account key, or the `key` given; it asks whoever serves at that time."""
        return Caller(self, **settings)

    async def write(self, operation: "store.database.Operation[P, R]", *arguments: P.args, **named: P.kwargs) -> R:
        return await self.database.write(operation, *arguments, **named)

    def look(self, operation: "store.database.Operation[P, R]", *arguments: P.args, **named: P.kwargs) -> R:
        return self.records.read(operation, *arguments, **named)

    def cn(self, number: int) -> CommonName:
        return CommonName.parse(f"{INSTITUTION}-{number:03d}")

    def invitation(self, number: int = 1) -> Invitation:
        """Return the live pair of the seat of that number."""
        (credential,) = self.look(credentials.live_of_seat, self.cn(number))
        found = self.look(credentials.by_id, credential.id)
        assert found is not None
        kid, password = found[1].opened(self.sealer, credential.id)
        return Invitation(str(credential.cn), kid, password, credential.id)

    async def renewal_invitation(self, number: int = 1) -> Invitation:
        """Have the pair of a renewal mailed to an active seat."""
        now = self.clock.now()
        cn = self.cn(number)
        terms = app.pair_terms(self.config, self.sealer)
        await self.write(invitation.invite, cn, CredentialKind.RENEW, terms, now, "test")
        return self.invitation(number)

    async def replace_credential(self, number: int = 1) -> None:
        """End the seat's live pair as replaced, as the help desk does."""
        await self.write(credentials.replace_live, str(self.cn(number)), self.clock.now(), "test")

    async def suspend(self, number: int = 1) -> None:
        officer = self.look(officers.all_officers)[0]
        request = suspension.Request(Reason.LOST, "the administrator", Acting(officer.id, "test"))
        await self.write(suspension.suspend, self.cn(number), request, crl_entry, self.clock.now())

    async def release(self, number: int = 1) -> None:
        await self.write(suspension.release, self.cn(number), "test", self.clock.now())

    async def revoke_seat(self, number: int = 1) -> None:
        decision = Decision(RevocationReason.superseded, "officer:test", self.clock.now())
        await self.write(revocation.revoke_seat, self.cn(number), decision, crl_entry)

    async def ask_for_renewal(self) -> None:
        """Mail what is due about renewals, and let seats lapse, as the schedule does."""
        await self.wiring._ask_for_renewal(self.clock.now())

    async def deliver(self) -> None:
        """Deliver every mail that is due."""
        while self.look(outbox.due, self.clock.now(), 1):
            await self.wiring._deliver(self.clock.now())

    async def publish(self) -> int:
        """Publish the CRL, as the schedule does, and return its number."""
        number = await publication.publish(self.database, self.wiring._presses(), "office", self.clock)
        assert number is not None
        return number


async def _served(application: web.Application) -> TestClient[web.Request, web.Application]:
    """Serve as `app.Service` does, without aiohttp's own access log."""
    server = TestServer(application)
    await server.start_server(access_log=None)
    return TestClient(server)


def configured(folder: Folder, place: Path, changes: Mapping[str, Mapping[str, object]]) -> Config:
    """Return the session's configuration on a copy of its records, without rate limits but for what `changes` says."""
    records = copied(folder.config.server.database, place)
    public = place / "public"
    shutil.copytree(folder.config.server.public_folder, public)
    sections: dict[str, Any] = {"server": {"database": records, "public_folder": public}, "limits": {"enabled": False}}
    for name, values in changes.items():
        sections[name] = sections.get(name, {}) | values
    replaced = {name: dataclasses.replace(getattr(folder.config, name), **values) for name, values in sections.items()}
    return dataclasses.replace(folder.config, **replaced)
