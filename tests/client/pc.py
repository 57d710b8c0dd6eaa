"""A PC for tests: a home of its own, and the command `warifu` run in this process or, to be killed, in another."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from client.cli import main
from client.stores.files import FilesStore
from client.stores.folder import SeatFolder
from protocol.names import CommonName
from tests.client.stand_in import Credential, StandIn

PROGRAM = "from client.cli import main; main()"
ENGLISH = {"LANG": "C.UTF-8", "LC_ALL": "", "LC_MESSAGES": "", "WARIFU_HOME": None, "XDG_CONFIG_HOME": "/nonexistent"}


def environment() -> dict[str, str]:
    """Return the environment of a process that speaks English and has no configuration file."""
    kept = {name: value for name, value in os.environ.items() if name not in ENGLISH}
    return kept | {name: value for name, value in ENGLISH.items() if value is not None}


@dataclass(frozen=True)
class Pc:
    """One PC and the server it talks to."""

    home: Path
    server: StandIn

    def run(self, *arguments: str, stdin: str = "", environment: Mapping[str, str | None] = ENGLISH) -> Result:
        """Run a command as a person at a script would."""
        words = [*arguments, "--home", str(self.home)]
        return CliRunner(env=dict(environment)).invoke(main, words, input=stdin)

    def json(self, *arguments: str, code: int = 0, stdin: str = "") -> Any:
        """Run a command for a program, demand its exit code and return its one document."""
        result = self.run(*arguments, "--json", stdin=stdin)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def enrol_words(self, credential: Credential) -> list[str]:
        """Return a command line that enrols without questions."""
        trust = ["--ca-file", str(self.server.ca_file)]
        return ["enroll", self.server.url(credential), "--password-stdin", "--yes", *trust]

    def enrol(self, credential: Credential, *arguments: str, code: int = 0, password: str | None = None) -> Any:
        """Enrol without questions."""
        given = credential.password if password is None else password
        return self.json(*self.enrol_words(credential), *arguments, code=code, stdin=given)

    def start(self, credential: Credential) -> "subprocess.Popen[str]":
        """Begin to enrol in a process of its own, which can be killed."""
        words = [*self.enrol_words(credential), "--home", str(self.home), "--json"]
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env=environment(),
        )
        assert process.stdin is not None
        process.stdin.write(credential.password)
        process.stdin.close()
        process.stdin = None
        return process

    @property
    def store(self) -> FilesStore:
        """Return what the PC keeps."""
        return FilesStore(self.home, 0.2)

    def seat(self, cn: str = "F123456-001") -> SeatFolder:
        """Return one seat of the PC."""
        return self.store.seat(CommonName.parse(cn))
