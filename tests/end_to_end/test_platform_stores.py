"""`warifu` against the real service, its keys in the key stores of Windows and macOS, played by stand-ins.

After each test no secret may have been among the arguments of a program, where every other program can read them.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.stand_ins import put_on_path, remembered
from tests.client.stand_ins.powershell import decoded
from tests.client.stand_ins.security import entries
from tests.client.stand_ins.windows_pc import TPM, WindowsPc
from tests.end_to_end.agency import Agency, Invitation


class Pc:
    """A PC whose platform is played: its home, and what the platform's programs remember."""

    def __init__(self, agency: Agency, folder: Path) -> None:
        self.agency, self.home = agency, folder / "山田 太郎’s home"
        self.state = folder / "state"
        self.secrets: list[str] = []

    def warifu(self, *words: str, code: int = 0, stdin: str | None = None) -> Any:
        """Run the command and return its document."""
        return self.agency.warifu(*words, home=self.home, code=code, stdin=stdin)

    def enrol(self, invitation: Invitation, store: str) -> Any:
        """Enrol with a store."""
        self.secrets += [invitation.password, invitation.kid, invitation.mac_key]
        trust = ("--ca-file", str(self.agency.root))
        words = ("enroll", invitation.url, "--store", store, "--password-stdin", "--yes", *trust)
        return self.warifu(*words, stdin=invitation.password)

    def renewed(self, cn: str) -> list[dict[str, Any]]:
        """Renew and return both certificates as `show` tells of them, the old one first."""
        (renewed,) = self.warifu("renew", cn, "--force")["certificates"]
        assert renewed["action"] == "renewed"
        shown: list[dict[str, Any]] = self.warifu("show", cn)["certificates"]
        assert [each["live"] for each in shown] == [False, True]
        return shown


@pytest.fixture
def pc(agency: Agency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pc]:
    folder = put_on_path(tmp_path, "powershell.exe", "certreq.exe", "certutil.exe", "security")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    pc = Pc(agency, tmp_path)
    yield pc
    started = [said(words) for words in remembered(pc.state)]
    assert started
    assert [each for each in started if any(secret in each for secret in [*pc.secrets, " -P "])] == []


def said(words: list[str]) -> str:
    """Return what a program was started with, in clear."""
    return decoded(words[1:]) if words[0] == "powershell.exe" else " ".join(words)


def private_files(home: Path) -> list[str]:
    """Return the files of a home that hold a private key."""
    found = (path for path in home.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes())
    return sorted(path.name for path in found)


def test_on_windows_no_private_key_is_ever_in_a_file(pc: Pc, invitation: Invitation) -> None:
    windows = WindowsPc(pc.state)
    enrolled = pc.enrol(invitation, "windows")
    assert (enrolled["holding"], enrolled["copyable"], enrolled["account_holding"]) == ("windows", False, "windows")
    shown = pc.renewed(invitation.cn)
    ends = [f"{invitation.cn} ({each['not_after'][:10]})" for each in shown]
    assert windows.friendly_names() == sorted(ends)
    assert len(list((pc.state / "keys" / TPM).iterdir())) == 3
    assert private_files(pc.home) == []
    assert len({tuple(entry["key"]) for _, entry in windows.entries("My")}) == 2


def test_a_windows_seat_is_revoked_and_deleted_with_its_keys(pc: Pc, invitation: Invitation) -> None:
    pc.enrol(invitation, "windows")
    pc.warifu("revoke", invitation.cn, "--yes")
    pc.warifu("delete", invitation.cn, "--yes")
    windows = WindowsPc(pc.state)
    assert windows.key_names() == []
    assert windows.friendly_names() == []


def test_where_powershell_is_not_let_certreq_makes_the_keys(pc: Pc, invitation: Invitation) -> None:
    windows = WindowsPc(pc.state)
    windows.become(constrained=True, trusted=True)
    enrolled = pc.enrol(invitation, "windows")
    assert (enrolled["holding"], enrolled["account_holding"]) == ("windows", "files")
    pc.renewed(invitation.cn)
    assert len(windows.friendly_names()) == 2
    assert private_files(pc.home) == ["account.key.pem"]


def test_on_macos_keys_end_in_the_keychain(pc: Pc, invitation: Invitation) -> None:
    enrolled = pc.enrol(invitation, "macos")
    assert (enrolled["holding"], enrolled["account_holding"]) == ("macos", "files")
    shown = pc.renewed(invitation.cn)
    held = [entry for entry in entries(pc.state).values() if entry.get("key")]
    assert [entry["extractable"] for entry in held] == [False, False]
    assert {entry["label"] for entry in held} == {f"{invitation.cn} ({each['not_after'][:10]})" for each in shown}
    assert private_files(pc.home) == ["account.key.pem"]
