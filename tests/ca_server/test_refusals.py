"""The security log of a command never writes to the terminal of the person."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from ca_server import refusals


@pytest.fixture
def fresh() -> Iterator[None]:
    """The logger as a new process has it, and as it was afterwards."""
    handlers, propagate = list(refusals.security.handlers), refusals.security.propagate
    refusals.security.handlers.clear()
    yield
    refusals.security.handlers[:] = handlers
    refusals.security.propagate = propagate


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("system_log", ["missing", "stale"])
def test_without_a_system_log_nothing_is_said(
    system_log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(refusals, "_SYSTEM_LOG", tmp_path / "log")
    if system_log == "stale":
        (tmp_path / "log").touch()
    assert logging.lastResort is not None

    refusals.by_command("application approve", "NotEntitled", "sato")

    assert capsys.readouterr() == ("", "")
