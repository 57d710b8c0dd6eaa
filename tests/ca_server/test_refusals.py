"""The security log: one JSON object a line, and a command's goes to the system's log."""

import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ca_server import refusals
from ca_server.cli import cli
from ca_server.cli.output import REFUSED, run


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    refusals.security.propagate = True
    for handler in list(refusals.security.handlers):
        refusals.security.removeHandler(handler)
        handler.close()


@pytest.fixture
def system_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A system's log of our own."""
    path = tmp_path / "log"
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(path))
    listening.settimeout(2)
    monkeypatch.setattr(refusals, "_SYSTEM_LOG", path)
    yield listening
    listening.close()


def test_what_a_stranger_sent_breaks_no_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "warifu.security")
    refusals.tell(
        "/acme/new-account", "wrong-password", "CredentialRefused", address="192.0.2.1\n\x1b[2J", account=None
    )
    (record,) = caplog.records
    assert record.getMessage().isprintable()
    assert json.loads(record.getMessage()) == {
        "refused": "/acme/new-account",
        "why": "wrong-password",
        "cause": "CredentialRefused",
        "address": "192.0.2.1\n\x1b[2J",
    }


def test_an_officer_who_may_not_is_told_so_and_the_system_log_too(
    tmp_path: Path, system_log: socket.socket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = ("--public-url", "https://ca.example:8443", "--http-url", "http://ca.example:8080")
    assert run(cli, ["init", "--directory", str(tmp_path / "ca"), *urls, "--non-interactive"]) == 0
    monkeypatch.setenv("WARIFU_CONFIG", str(tmp_path / "ca" / "warifu.toml"))
    assert run(cli, ["officer", "add", "eve", "--role", "auditor"]) == 0
    capsys.readouterr()
    assert run(cli, ["application", "approve", "1", "--officer", "eve"]) == REFUSED
    line = system_log.recv(4096).decode()
    assert "warifu-ca: " in line
    told = json.loads(line[line.index("{") : line.rindex("}") + 1])
    assert (told["refused"], told["cause"]) == ("command:application approve", "NotEntitled")
    assert "refused" not in capsys.readouterr().err
