"""The operations that drills disturb: enrol, renew, revoke, approve, each with the person or PC that tries again.

An act is prepared undisturbed, performed until it is done whatever is in the way, and judged by the records and by what
the person has in hand.
"""

import asyncio
import contextlib
import dataclasses
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cryptography import x509

from keys.generate import generate
from tests.drills import ground
from tests.drills.enrolling import Caller, Candidate, enrol
from tests.drills.letters import letters
from tests.drills.terrain import certificate_id
from tests.end_to_end.agency import BIN, OFFICERS, Agency, environment

_PATIENCE = 90
_BETWEEN_TRIES = 0.2


@dataclasses.dataclass
class Stage:
    """Where acts are performed: the agency, PCs still without a certificate, and those that have one."""

    agency: Agency
    caller: Caller
    spare: list[Candidate]
    held: list[Candidate] = dataclasses.field(default_factory=list)
    prefix: tuple[str, ...] = ()
    """What the next command is started under."""
    ended_with: list[int] = dataclasses.field(default_factory=list)
    """The exit codes of commands."""

    def ask(self, query: str, *values: object) -> list[Any]:
        """Return the rows of a query of our own."""
        with ground.records(self.agency) as connection:
            return connection.execute(query, values).fetchall()

    async def command(self, is_done: Callable[[], bool], *arguments: str) -> None:
        """Run an officer's command until the records say that it is done, as a person does. Raises TimeoutError."""
        deadline = time.monotonic() + _PATIENCE
        while not is_done():
            if time.monotonic() > deadline:
                raise TimeoutError(f"`{' '.join(arguments[:2])}` is not done after {_PATIENCE} s")
            prefix, self.prefix = self.prefix, ()
            self.ended_with.append(await asyncio.to_thread(self._run, [*prefix, str(BIN / "warifu-ca"), *arguments]))
            await asyncio.sleep(_BETWEEN_TRIES)

    def _run(self, command: Sequence[str]) -> int:
        words = [*command, "--json", "--config", str(self.agency.config)]
        return subprocess.run(words, capture_output=True, env=environment(), timeout=_PATIENCE, check=False).returncode


class Act:
    """One operation on a stage, and what follows from it in the service."""

    name: str

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def prepare(self) -> None:
        """Do what goes before, undisturbed."""

    async def perform(self) -> None:
        """Do it, and again until it is done. Raises Refused or TimeoutError."""
        raise NotImplementedError

    def wrong(self) -> Iterator[str]:
        """Yield what is not as it should be, once all has settled."""
        raise NotImplementedError


class _Certified(Act):
    """An act that ends with a certificate on a PC."""

    generations: int

    async def perform(self) -> None:
        """Ask the service until the certificate is there."""
        await enrol(self.stage.caller, self.candidate, _PATIENCE)
        if self.candidate not in self.stage.held:
            self.stage.held.append(self.candidate)

    def wrong(self) -> Iterator[str]:
        """Yield it unless the records hold just as many certificates as they should, the newest of them the PC's."""
        cn = self.candidate.invitation.cn
        query = "SELECT serial FROM certificate WHERE cn = ? AND status = 'issued' ORDER BY predecessor IS NOT NULL"
        serials = [row[0] for row in self.stage.ask(query, cn)]
        own = "none"
        if self.candidate.chain is not None:
            own = f"{x509.load_pem_x509_certificate(self.candidate.chain).serial_number:x}"
        if len(serials) != self.generations or own != serials[-1]:
            yield f"{cn} has {own}, the records {serials}"

    candidate: Candidate


class Enrol(_Certified):
    """newAccount, newOrder, finalize, download, and the mail that tells of it."""

    name, generations = "enrol", 1

    async def prepare(self) -> None:
        """Take a PC that has nothing yet."""
        self.candidate = self.stage.spare.pop()


class Renew(_Certified):
    """newOrder with `replaces`, finalize, download, and the mail that tells of it."""

    name, generations = "renew", 2

    async def prepare(self) -> None:
        """Take a PC whose certificate was not renewed yet; enrol one where there is none."""
        if not any(each.replaces is None for each in self.stage.held):
            fresh = self.stage.spare.pop()
            await enrol(self.stage.caller, fresh, _PATIENCE)
            self.stage.held.append(fresh)
        before = next(each for each in self.stage.held if each.replaces is None)
        self.stage.held.remove(before)
        self.candidate = dataclasses.replace(
            before,
            certificate_key=generate("P-256"),
            order_url=None,
            chain=None,
            replaces=certificate_id(before),
        )


class Revoke(Act):
    """An officer's command; the service makes the CRL and mails that it is done."""

    name = "revoke"

    async def prepare(self) -> None:
        """Take a PC that has a certificate; enrol one where there is none."""
        if not self.stage.held:
            fresh = self.stage.spare.pop()
            await enrol(self.stage.caller, fresh, _PATIENCE)
            self.stage.held.append(fresh)
        self.candidate = self.stage.held.pop(0)
        self.cn = self.candidate.invitation.cn

    async def perform(self) -> None:
        """Give the command until the revocation is on record."""
        arguments = ("certificate", "revoke", self.cn, "--reason", "superseded", "--officer", OFFICERS[0])
        await self.stage.command(lambda: bool(self._decided()), *arguments)

    def _decided(self) -> list[Any]:
        return self.stage.ask("SELECT serials, crl_number FROM revocation WHERE cn = ?", self.cn)

    def wrong(self) -> Iterator[str]:
        """Yield it unless there is one decision, the published CRL shows all of it, and one mail told of it."""
        decided = self._decided()
        published = next(iter(sorted((self.stage.agency.folder / "public").glob("issuing-*.crl"))))
        crl = x509.load_der_x509_crl(published.read_bytes())
        if len(decided) != 1 or decided[0][1] is None:
            yield f"{self.cn} has these decisions: {decided}"
        for serial in " ".join(row[0] for row in decided).split():
            if crl.get_revoked_certificate_by_serial_number(int(serial, 16)) is None:
                yield f"{serial} of {self.cn} is revoked and not on the CRL"
        mails = self.stage.ask("SELECT status FROM outbox WHERE cn = ? AND kind = 'revoked'", self.cn)
        if mails != [("sent",)]:
            yield f"the mails about the revocation of {self.cn} are {mails}"


class Approve(Act):
    """A second officer's command; the service makes a seat, URL and password, and mails them."""

    name = "approve"

    async def prepare(self) -> None:
        """Have an application for one certificate filed and examined."""
        agency = self.stage.agency
        self.number = await asyncio.to_thread(agency.file, 1)
        examine = ("application", "examine", str(self.number), "--officer", OFFICERS[0])
        await asyncio.to_thread(agency.ca, *examine)

    async def perform(self) -> None:
        """Give the command until the approval is on record."""
        arguments = ("application", "approve", str(self.number), "--officer", OFFICERS[1])
        await self.stage.command(lambda: self._status() not in ("received", "examined"), *arguments)

    def _status(self) -> str:
        return str(self.stage.ask("SELECT status FROM application WHERE number = ?", self.number)[0][0])

    def wrong(self) -> Iterator[str]:
        """Yield it unless it was carried out once, and both halves came by mail."""
        query = "SELECT s.cn FROM seat s JOIN credential k ON k.cn = s.cn WHERE s.application = ?"
        cns = [row[0] for row in self.stage.ask(query, self.number)]
        if self._status() != "done" or len(cns) != 1:
            yield f"application {self.number} is {self._status()} and has {cns}"
        came = {(letter.kind, letter.cn) for letter in letters(self.stage.agency.folder / "mailbox")}
        for kind in ("enrolment-url", "enrolment-password"):
            yield from (f"the {kind} of {cn} never came" for cn in cns if (kind, cn) not in came)


ACTS = (Enrol, Renew, Revoke, Approve)


@contextlib.asynccontextmanager
async def staged(agency: Agency, seats: int) -> Any:
    """Prepare a stage with so many PCs that have nothing yet."""
    spare = [Candidate(invitation) for invitation in await asyncio.to_thread(ground.invited, agency, seats)]
    async with Caller(agency.public_url, agency.trust(), longest_wait=0.5) as caller:
        yield Stage(agency, caller, spare)


def settled(agency: Agency, seconds: float) -> None:
    """Wait until nothing is on its way any more, neither plan, mail, application nor revocation."""
    ground.settled(agency, seconds)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with ground.records(agency) as connection:
            waiting = connection.execute("SELECT count(*) FROM revocation WHERE published_at IS NULL").fetchone()[0]
        if not waiting:
            ground.settled(agency, seconds)
            return
        time.sleep(0.1)
    raise AssertionError(f"a revocation is not published after {seconds} s")
