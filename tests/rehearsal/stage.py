"""The agency of the rehearsal: the real service in this process, over TLS on loopback, under one clock that is turned.

Everything is wired as `serve` wires it. The clockwork is the real one as well; it is only asked when somebody turns the
clock, instead of four times a second. Mails are made and delivered as ever, into a mailbox that is a list.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import email
import email.policy
import importlib
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage, Message
from email.utils import formatdate
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp.web_response
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server import app, keyring, store
from ca_server.authority.hierarchy import HierarchyProfile, make_tls_server
from ca_server.cli import cli
from ca_server.cli.reconcile import premises
from ca_server.clock import MINUTE, start_of_day_in_tokyo
from ca_server.config import load
from ca_server.domain.applications import Application, Filed, Receipt
from ca_server.domain.inventory import Entry
from ca_server.domain.officers import Acting, Officer, Role
from ca_server.domain.reasons import Reason
from ca_server.fellows import Alone
from ca_server.ids import new_id
from ca_server.notices.mailer import Accepted
from ca_server.notices.messages import CN_HEADER, KIND_HEADER
from ca_server.operations import applications, inventory, reconcile, suspension
from ca_server.operations.books import ocsp
from ca_server.store import officers, outbox
from ca_server.web.entrance import Entrance
from keys.generate import generate
from keys.keystore import save_key
from protocol.names import CommonName, InstitutionCode
from tests.ca_server.plain import answers_of, plain_address
from tests.ca_server.web.office import TurnedClock
from tests.end_to_end.agency import free_ports

_TLS_YEARS = 9
_PASSWORD_LATER = 3  # minutes; the configuration says two
_FEW_SERIALS = 10
_LIVE = "SELECT cn FROM credential WHERE status IN ('open', 'locked')"
_REVOKED = "SELECT serial FROM certificate WHERE status = 'revoked'"


def moment_of(day: datetime.date, hour: float) -> int:
    """Return an hour of a day of Japan as seconds since 1970."""
    return start_of_day_in_tokyo(day) + int(hour * 60) * MINUTE


@dataclasses.dataclass(frozen=True)
class Letter:
    """A mail as it reached the administrator."""

    at: int
    kind: str
    cn: str | None
    text: str


class Mailbox:
    """Takes every mail."""

    def __init__(self, clock: TurnedClock) -> None:
        self._clock = clock
        self.letters: list[Letter] = []

    async def deliver(self, mail: Message) -> Accepted:
        """Keep the mail."""
        read = email.message_from_bytes(bytes(mail), policy=email.policy.default)
        assert isinstance(read, EmailMessage)
        body = read.get_body(("plain",))
        assert body is not None
        text = body.get_content().replace("\r\n", "\n")
        cn = read[CN_HEADER]
        self.letters.append(Letter(self._clock.now(), str(read[KIND_HEADER]), None if cn is None else str(cn), text))
        return Accepted()


class Alarms(logging.Handler):
    """Remembers what the service would wake somebody for."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Remember an alarm."""
        self.told.append(record.getMessage())


class Stage:
    """The running agency, its two officers, and the clock."""

    def __init__(self, folder: Path, clock: TurnedClock) -> None:
        self.folder = folder
        self.clock = clock
        self.mailbox = Mailbox(clock)
        self.alarms = Alarms()
        self._ends = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Make the agency and serve it."""
        tls_port, http_port = free_ports(2)
        urls = ["--public-url", f"https://localhost:{tls_port}", "--http-url", f"http://localhost:{http_port}"]
        self._typed("init", "init", "--directory", str(self.folder / "ca"), "--non-interactive", *urls)
        config = self.config = load(self.folder / "ca" / "warifu.toml")
        self.root = config.server.public_folder / "root.pem"
        _certify_tls_for_years(self.folder / "ca", self.clock.now())
        self.database = await store.Database.open(config.server.database)
        self._records = store.SynchronousDatabase(config.server.database)
        authorities = keyring.load_authorities(config, self.clock.now())
        wiring = self._wiring = app._Wiring(config, self.clock, self.database, authorities, Alone(self.clock))
        wiring._office = dataclasses.replace(wiring._office, mailer=self.mailbox)
        self._clockwork = wiring.schedule()
        self._premises = premises(config)
        desk = dataclasses.replace(self._premises.desks[0], signer=authorities[0].ocsp.current)
        self._quick_premises = dataclasses.replace(self._premises, desks=(desk,))
        self._public = Entrance(wiring.public(), keyring.load_tls(config))
        await self._public.open("127.0.0.1", tls_port)
        answers = answers_of(self.database, authorities, self.clock)
        await self._ends.enter_async_context(plain_address(answers, config.server.public_folder, self.clock, http_port))
        self._officers = [Officer(new_id(), name, Role.REGISTRATION, None, None) for name in ("佐藤 花子", "鈴木 一郎")]
        for officer in self._officers:
            await self.database.write(officers.add, officer, self.clock.now(), "rehearsal")

    async def stop(self) -> None:
        """End it."""
        await asyncio.gather(self._public.close(), self._ends.aclose())
        self._records.close()
        await self.database.close()

    async def tick(self) -> None:
        """Have the clockwork do all that is due now, and a little later what follows by some minutes."""
        await self._settle()
        now = self.clock.now()
        if await self.database.lookup(outbox.due, now + _PASSWORD_LATER * MINUTE, 1):
            self.clock.set(now + _PASSWORD_LATER * MINUTE)
            await self._settle()

    async def _settle(self) -> None:
        """Ask the clockwork second after second until it writes nothing any more."""
        while True:
            self._clockwork._begin(changed=await self._wiring._changed())
            await asyncio.gather(*self._clockwork._running.values())
            self.clock.pass_by(seconds=1)
            if not await self._wiring._changed():
                return
            self._wiring._version = None

    async def approve(self, form: Application) -> int:
        """File a form, examine it, have the other officer approve it, and let the clockwork carry it out."""
        first, second = (Acting(officer.id, "rehearsal") for officer in self._officers)
        now = self.clock.now()
        filed = await self.database.write(applications.file, form, Receipt(first, "mail"), now)
        if not isinstance(filed, Filed):
            raise filed
        await self.database.write(applications.examine, filed.number, first, now)
        await self.database.write(applications.approve, filed.number, second, now, four_eyes=True)
        await self.tick()
        return filed.number

    async def suspend(self, cn: str, reason: Reason) -> None:
        """Suspend a CN because its administrator calls."""
        request = suspension.Request(reason, "山田 太郎", Acting(self._officers[0].id, "rehearsal"))
        now = self.clock.now()
        await self.database.write(suspension.suspend, CommonName.parse(cn), request, app.crl_entry, now)
        await self.tick()

    def sign_root_crl(self) -> None:
        """Take the root's key out of its safe and sign its CRL anew, as is done once a year."""
        self._typed("root", "root", "crl", "--config", str(self.config.path))

    def balance(self, *, thoroughly: bool) -> list[str]:
        """Return what `warifu-ca reconcile` finds and warns of; mostly it asks OCSP about fewer random serials."""
        few = {} if thoroughly else {"UNKNOWN_SERIALS": _FEW_SERIALS}
        with patch.multiple(ocsp, **few) if few else contextlib.nullcontext():
            against = self._premises if thoroughly else self._quick_premises
            found = self._records.read(reconcile.balance, against, self.clock)
        return [finding for book in found.books for finding in book.findings] + list(found.warnings)

    def live_credentials(self) -> set[str]:
        """Return the CNs for which a mailed pair can be used."""
        return self._column(_LIVE)

    def revoked_serials(self) -> set[str]:
        """Return the serials that are revoked, by the records themselves."""
        return self._column(_REVOKED)

    def date_header(self) -> str:
        """Return what an answer's Date says, which aiohttp takes from the machine."""
        return formatdate(self.clock.now(), usegmt=True)

    def inventory(self, institution: str) -> list[Entry]:
        """Return the list of PCs as the administrator gets it."""
        code = InstitutionCode.parse(institution)
        return self._records.read(inventory.listed, self.config.times, self.clock.now(), code)

    def _column(self, query: str) -> set[str]:
        with contextlib.closing(sqlite3.connect(self.config.server.database)) as connection:
            return {row[0] for row in connection.execute(query)}

    def _typed(self, module: str, *words: str) -> None:
        """Run a command of `warifu-ca` here, by the turned clock."""
        with patch.object(importlib.import_module(f"ca_server.cli.{module}"), "now", self.clock.now):
            result = CliRunner().invoke(cli, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output


@contextlib.asynccontextmanager
async def opened(folder: Path, begins: int) -> AsyncIterator[Stage]:
    """Serve an agency that was made at a moment, until the end of the block."""
    stage = Stage(folder, TurnedClock(begins))
    with _listening(stage.alarms), patch.object(aiohttp.web_response, "rfc822_formatted_time", stage.date_header):
        await stage.start()
        try:
            yield stage
        finally:
            await stage.stop()


@contextlib.contextmanager
def _listening(alarms: Alarms) -> Iterator[None]:
    log = logging.getLogger("ca_server")
    log.addHandler(alarms)
    try:
        yield
    finally:
        log.removeHandler(alarms)


def _certify_tls_for_years(folder: Path, begins: int) -> None:
    """Put a TLS certificate in place that is valid today and for as long as is played: TLS goes by the real clock."""
    assert begins < time.time() < begins + _TLS_YEARS * 365 * 86_400, "the rehearsal's years are over; begin later"
    secret = folder / "secrets" / "tls-ca.passphrase"
    authority = keyring.load_signer(folder / "tls" / "ca.pem", folder / "tls" / "ca.key.pem", secret)
    names: dict[str, Any] = {"root_crl_url": "", "root_certificate_url": ""}
    profile = HierarchyProfile("Example Agency Client CA", "1.2.3", tls_server_days=_TLS_YEARS * 365, **names)
    tls = make_tls_server(profile, authority, generate("P-256"), ["localhost"], begins)
    passphrase = keyring.passphrase(folder / "secrets" / "server.passphrase")
    save_key(folder / "tls" / "server.key.pem", tls.private_key, passphrase, replace=True)
    (folder / "tls" / "server.pem").write_bytes(tls.certificate.public_bytes(Encoding.PEM))
