"""One PC of the rehearsal: the real client on a home of its own, with the time that all the rehearsal has."""

import asyncio
import datetime
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from client import ocsp
from client.agent import Agent, Report
from client.cli.seats import store_of
from client.config import Settings
from client.doctor.charts import QUESTIONS, Question
from client.doctor.diagnosis import Diagnosis, diagnose
from client.doctor.gathering import gather
from client.enrolment import Enrolled, enrol
from client.hooks import find_hooks
from client.language import sentence
from client.ocsp import Word
from client.revocation import is_over
from client.stores.files import FilesStore
from client.stores.generation import Generation
from protocol.credential import normalise_password
from protocol.names import CommonName
from protocol.resources import Seat
from tests.end_to_end.agency import BIN, environment

LIBFAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
MISSING = "libfaketime is missing: install the Debian package libfaketime"


@dataclass(frozen=True)
class Typist:
    """Who sits at the PC: types what the mails say, says yes, and remembers what was shown."""

    typed: str
    shown: list[str] = field(default_factory=list)

    def given_password(self) -> str | None:
        """Return nothing: the password is typed when asked for."""
        return None

    def password(self) -> str:
        """Return the password as it was typed."""
        return normalise_password(self.typed)

    def agrees(self, seat: Seat) -> bool:
        """Say yes."""
        return True

    def tell(self, text: str, **facts: object) -> None:
        """Remember what is shown."""
        self.shown.append(text)


@dataclass(frozen=True)
class Machine:
    """One PC."""

    host: str
    home: Path
    ca_file: Path

    @property
    def store(self) -> FilesStore:
        """Return what the PC keeps."""
        return store_of(self.settings)

    @property
    def settings(self) -> Settings:
        """Return the options of its commands."""
        return Settings(self.home, self.ca_file)

    def generations(self, cn: str) -> list[Generation]:
        """Return the certificates of a CN that are on the PC, the oldest first."""
        return self.store.seat(CommonName.parse(cn)).generations()

    def in_use(self) -> dict[str, Generation]:
        """Return the certificate in use of each CN on the PC."""
        found = {seat.path.name: seat.live() for seat in self.store.seats()}
        return {cn: live for cn, live in found.items() if live is not None}

    async def run_agent(self) -> Report:
        """Do what `warifu renew` does, as the schedule starts it."""
        store, settings = self.store, self.settings
        with store.lock(), self._named():
            hooks = find_hooks(settings.home / "hooks", {})
            return await Agent(settings, _nobody, hooks).run(store.seats(), force=False)

    async def would_renew(self) -> bool:
        """Tell whether a run of the agent would renew something."""
        report = await Agent(self.settings, _nobody, find_hooks(self.home / "hooks", {})).foresee(
            self.store.seats(), force=False
        )
        return any(type(outcome).__name__ == "Due" for outcome in report.outcomes.values())

    async def run_command(self, *words: str, now: int) -> tuple[int, Any]:
        """Run the real `warifu` in a process of its own, which takes the time from libfaketime."""
        assert LIBFAKETIME is not None, MISSING
        begins = datetime.datetime.fromtimestamp(now, datetime.UTC)
        variables = environment() | {
            "WARIFU_HOME": str(self.home),
            "LD_PRELOAD": str(LIBFAKETIME),
            "FAKETIME": f"@{begins:%Y-%m-%d %H:%M:%S}",
            "TZ": "UTC",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        process = await asyncio.create_subprocess_exec(
            str(BIN / "warifu"), *words, "--json", env=variables, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, json.loads(output)

    async def enrol(self, url: str, password: str) -> tuple[Enrolled, list[str]]:
        """Do what `warifu enroll` does, with somebody who says yes; return what was shown besides."""
        person = Typist(password)
        with self._named():
            return await enrol(url, self.store, person, self.settings), person.shown

    async def diagnose(self, **answers: bool) -> Diagnosis:
        """Do what `warifu doctor` does, with somebody who answers the questions of its charts, by their words."""

        def ask(question: Question, cn: str) -> bool:
            return answers[next(word for word, each in QUESTIONS.items() if each is question)]

        facts = await gather(self.store, self.settings, None, scheduled=True)
        return diagnose(facts, ask)

    async def delete(self, cn: str) -> None:
        """Do what `warifu delete` does. The certificate must be over."""
        store = self.store
        with store.lock():
            folder = store.seat(CommonName.parse(cn))
            assert await is_over(folder, self.settings), f"{cn} is not over"
            store.discard(folder)

    async def word_on(self, generation: Generation) -> Word:
        """Return what the authority's OCSP says of a certificate."""
        return (await ocsp.ask(generation.certificate(), generation.chain()[0], self.settings)).word

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Be called by its own host name while the block runs."""
        with patch.object(socket, "gethostname", lambda: self.host):
            yield


WRONG_PC_WARNING = sentence(
    "Warning: the certificate {cn}, which this URL renews, is not on this PC. If another PC holds "
    "it, say no and open the URL there; if that PC was replaced, your administrator files a DCM904."
)
"""What the client shows before it orders a renewal on a PC that does not hold the predecessor."""


def machine_name() -> str:
    """Return what the real process calls this PC."""
    return socket.gethostname()


def has_faketime() -> bool:
    """Tell whether real processes can be given the rehearsal's time."""
    return LIBFAKETIME is not None and os.name == "posix"


def _nobody(text: str, **facts: object) -> None:
    """Show nothing."""
