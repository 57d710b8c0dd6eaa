"""A CA made by `init`, in whose records a pair waits, and the two files of its backup."""

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ca_server import keyring
from ca_server.backup.unpacking import unpack
from ca_server.checkpoint_key import load_notary
from ca_server.cli import cli
from ca_server.cli.output import DONE, run
from ca_server.clock import SystemClock
from ca_server.config import Config, load
from ca_server.domain.officers import Officer, Role
from ca_server.operations import carrying_out, invitation
from ca_server.store import SynchronousDatabase, officers
from keys import coffer
from tests.ca_server.backup.exports import Scribe
from tests.ca_server.paper import ALICE, BOB, Desk, an_issuance

WORDS = {"records": "passphrase of the records", "one": "passphrase of one person", "other": "and of another person"}


@dataclasses.dataclass
class Vault:
    """A CA's folder, and beside it passphrases and backups."""

    folder: Path
    output: pytest.CaptureFixture[str]
    said: str = ""
    """On standard error, by the last command."""

    @property
    def ca(self) -> Path:
        return self.folder / "ca"

    @property
    def config(self) -> Config:
        return load(self.ca / "warifu.toml")

    @property
    def records(self) -> Path:
        return self.folder / "records.backup"

    @property
    def keys(self) -> Path:
        return self.folder / "keys.backup"

    @property
    def restored(self) -> Path:
        return self.folder / "restored"

    @property
    def scribe(self) -> Scribe:
        """Who writes exports under the CA's own key."""
        notary = load_notary(self.config)
        assert notary is not None
        return Scribe(notary.origin, notary.key)

    def run(self, *arguments: str, code: int = DONE) -> Any:
        """Run `warifu-ca … --json` and return its document."""
        self.output.readouterr()
        ended = run(cli, ["--config", str(self.ca / "warifu.toml"), *arguments, "--json"])
        said = self.output.readouterr()
        assert ended == code, said
        self.said = said.err
        return json.loads(said.out)

    def passphrases(self, *, records: str = "records", keys: tuple[str, ...] = ("one", "other")) -> list[str]:
        files = [("--passphrase-file", records), *(("--keys-passphrase-file", name) for name in keys)]
        return [word for option, name in files for word in (option, str(self.folder / name))]

    def back_up(self, code: int = DONE) -> Any:
        return self.run("backup", str(self.records), "--keys", str(self.keys), *self.passphrases(), code=code)

    def restore(self, *options: str, code: int = DONE) -> Any:
        given = ["--keys", str(self.keys), "--directory", str(self.restored), *self.passphrases(), *options]
        return self.run("restore", str(self.records), *given, code=code)

    def unpacked(self, kind: str) -> dict[str, bytes]:
        """Return the files in one of the two by their names."""
        place = self.folder / f"unpacked-{kind}"
        place.mkdir()
        backup, words = (self.records, ["records"]) if kind == "records" else (self.keys, ["one", "other"])
        unpack(backup, kind, [WORDS[name] for name in words], place, lambda done, total: None)
        return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA in whose records a pair waits."""
    folder = tmp_path_factory.mktemp("vault") / "ca"
    urls = ("--public-url", "https://ca.example:8443", "--http-url", "http://ca.example:8080")
    assert run(cli, ["init", "--directory", str(folder), *urls, "--non-interactive"]) == DONE
    config = load(folder / "warifu.toml")
    now = SystemClock().now()
    records = SynchronousDatabase(config.server.database)
    for acting in (ALICE, BOB):
        officer = Officer(acting.id, acting.id, Role.REGISTRATION, None, None)
        records.write(officers.add, officer, now, "login:test")
    terms = carrying_out.Terms(invitation.Terms(30, 0, keyring.load_sealer(config)), two_officers=True)
    Desk(records, now, terms).done(an_issuance(1, now=now))
    records.close()
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessing a passphrase costs nothing here."""
    monkeypatch.setattr(coffer, "_ROUNDS", 2)


@pytest.fixture
def vault(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Vault]:
    """A copy of the CA for one test."""
    shutil.copytree(made, tmp_path / "ca")
    for name, words in WORDS.items():
        (tmp_path / name).write_text(words + "\n", "utf-8")
    yield Vault(tmp_path, capsys)
    leftovers = [path.name for path in tmp_path.rglob(".*")]
    assert leftovers == [], "an interrupted run leaves nothing"
