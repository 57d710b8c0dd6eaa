"""A service that cannot start says why in one answer, ends with 1, and has started nothing."""

import contextlib
import json
import re
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.agency import BIN, Agency, environment


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    """A CA that was never served; each test breaks a copy."""
    return Agency(tmp_path_factory.mktemp("original"))


@pytest.fixture
def folder(original: Agency, tmp_path: Path) -> Path:
    """A copy of the CA; its paths are relative to its configuration."""
    return shutil.copytree(original.folder, tmp_path / "ca")


@contextlib.contextmanager
def listening(port: int) -> Iterator[None]:
    """Take a port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        yield


def served(folder: Path, code: int = 1) -> dict[str, object]:
    """Run `serve`, demand that it ends at once with `code`, and return the error that it told."""
    command = [str(BIN / "warifu-ca"), "--config", str(folder / "warifu.toml"), "serve", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=20, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    error = json.loads(done.stdout)["error"]
    assert isinstance(error, dict)
    return error


def nobody_listens(original: Agency) -> bool:
    """Tell whether both ports are free."""
    for port in (original.public_port, original.http_port):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return False
    return True


def test_a_port_that_is_taken_is_named(original: Agency, folder: Path) -> None:
    with listening(original.http_port):
        detail = str(served(folder)["detail"])
    assert f"127.0.0.1:{original.http_port} cannot be listened on (another program uses this address)" in detail
    assert nobody_listens(original)


def test_a_wrong_passphrase_is_told_with_the_key_it_does_not_open(original: Agency, folder: Path) -> None:
    (folder / "secrets" / "issuing-1.passphrase").write_text("wrong\n", "utf-8")
    error = served(folder)
    assert error["type"] == "WrongPassphrase"
    assert "issuing-1.key.pem" in str(error["detail"])
    assert nobody_listens(original)


def test_a_missing_passphrase_is_told_with_its_file(original: Agency, folder: Path) -> None:
    (folder / "secrets" / "server.passphrase").unlink()
    assert "server.passphrase" in str(served(folder)["detail"])
    assert nobody_listens(original)


def test_a_database_of_a_newer_schema_is_left_alone(original: Agency, folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "warifu.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = (folder / "warifu.db").read_bytes()
    error = served(folder)
    assert error["type"] == "SchemaMismatch"
    assert "9999" in str(error["detail"])
    assert (folder / "warifu.db").read_bytes() == before
    assert nobody_listens(original)


def test_a_missing_database_is_not_made(original: Agency, folder: Path) -> None:
    (folder / "warifu.db").unlink()
    assert "warifu.db" in str(served(folder)["detail"])
    assert not (folder / "warifu.db").exists()
    assert nobody_listens(original)


def test_a_file_that_is_no_database_is_told_as_such(original: Agency, folder: Path) -> None:
    (folder / "warifu.db").write_bytes(b"This is no database." * 200)
    assert "not a database" in str(served(folder)["detail"])
    assert nobody_listens(original)


def test_a_bad_configuration_is_told_whole(original: Agency, folder: Path) -> None:
    config = folder / "warifu.toml"
    text = config.read_text("utf-8")
    text = text.replace('transport = "maildir"', 'transport = "pigeon"').replace("days = 30", 'days = "thirty"')
    text = text.replace("wrong_passwords = 10", "wrong_passwords = 1").replace('issuer = "issuing-1"\n', "")
    config.write_text(text.replace("[profile]", "[profile]\ncolour = 1") + "[weather]\n", "utf-8")
    error = served(folder)
    assert error["type"] == "BadConfiguration"
    assert isinstance(error["fields"], dict)
    assert set(error["fields"]) == {
        "credentials.days", "credentials.wrong_passwords", "authority.issuer", "profile.colour", "[weather]",
    }  # fmt: skip
    assert nobody_listens(original)


def test_a_contradiction_in_the_configuration_is_told(original: Agency, folder: Path) -> None:
    config = folder / "warifu.toml"
    config.write_text(config.read_text("utf-8").replace('transport = "maildir"', 'transport = "pigeon"'), "utf-8")
    fields = served(folder)["fields"]
    assert isinstance(fields, dict)
    assert set(fields) == {"mail.transport"}
    assert nobody_listens(original)


def test_a_second_service_on_the_same_records_is_refused(original: Agency, folder: Path, tmp_path: Path) -> None:
    first = Agency.__new__(Agency)
    first.__dict__.update(original.__dict__, folder=folder, log=tmp_path / "serve.log")
    first.serve()
    try:
        error = served(folder, code=4)
        assert "Another" in str(error["detail"])
    finally:
        assert first.stop() == 0
    assert nobody_listens(original)


def test_a_server_secret_that_is_away_is_named(folder: Path) -> None:
    (folder / "secrets" / "server.secret").unlink()
    assert "secrets/server.secret cannot be read: there is no such file" in str(served(folder)["detail"])


def test_an_address_that_is_nobodys_is_told_in_the_resolvers_words(folder: Path) -> None:
    path = folder / "warifu.toml"
    text = path.read_text("utf-8")
    path.write_text(re.sub('public_listen = "[^"]+"', 'public_listen = "nowhere.invalid:8443"', text), "utf-8")
    detail = str(served(folder)["detail"])
    assert "nowhere.invalid:8443 cannot be listened on (" in detail
    assert "Unknown error" not in detail
