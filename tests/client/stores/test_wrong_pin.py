"""A wrong PIN is tried once, by this process and by the next ones, for smart cards lock themselves after three."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from pkcs11 import TokenFlag

from client.console import Console
from client.errors import NeedsPerson
from client.language import choose
from client.stores.pkcs11 import Pkcs11
from client.stores.wrong_pins import WrongPins
from tests.tokens import PIN, SoftToken, program, quick_folder

WRONG = "111111"
TRIES = """
import json, sys
from pathlib import Path
from client.errors import ClientError
from client.stores.pkcs11 import Pkcs11

place, home, file, *pins = sys.argv[1:]
told = []
for number, pin in enumerate(pins):
    Path(file).write_text(pin)
    try:
        Pkcs11(place, Path(home, "F123456-001", "generations", str(number))).create("warifu-1")
        told.append("made")
    except ClientError as error:
        told.append(str(error))
print(json.dumps(told))
"""
REFUSED = "The token own does not take the PIN, or has locked it."


@dataclass(frozen=True)
class Desk:
    """A token of its own, and a home."""

    token: SoftToken
    home: Path

    def tries(self, *pins: str) -> list[str]:
        """Return what came of each PIN, for one seat each, all in one new process."""
        words = [self.token.place, str(self.home), str(self.token.pin_file), *pins]
        environment = {**os.environ, "SOFTHSM2_CONF": str(self.token.configuration)}
        done = subprocess.run(
            [sys.executable, "-c", TRIES, *words], env=environment, capture_output=True, timeout=30, check=True
        )
        told: list[str] = json.loads(done.stdout)
        return told

    def set_pin(self, pin: str) -> None:
        """Give the token another PIN."""
        words = ["--init-token", "--token", "own", "--label", "own", "--so-pin", PIN, "--pin", pin]
        environment = {**os.environ, "SOFTHSM2_CONF": str(self.token.configuration)}
        subprocess.run(
            [program("softhsm2-util", "softhsm2"), *words], env=environment, capture_output=True, timeout=30, check=True
        )


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Desk]:
    monkeypatch.setenv("SOFTHSM2_CONF", os.environ.get("SOFTHSM2_CONF", ""))  # put back what `make` changes
    (tmp_path / "lock").touch()
    with quick_folder() as folder:
        yield Desk(SoftToken.make(folder, "own"), tmp_path)


def test_a_process_tries_a_token_once(desk: Desk) -> None:
    assert desk.tries(WRONG, PIN) == [REFUSED, REFUSED]
    assert desk.tries(PIN) == ["made"]


def test_the_next_process_does_not_try_the_same_pin(desk: Desk) -> None:
    assert desk.tries(WRONG) == [REFUSED]
    desk.set_pin(WRONG)  # it would be taken now
    (told,) = desk.tries(WRONG)
    assert "has refused the PIN in" in told
    (desk.home / "pins.json").unlink()
    assert desk.tries(WRONG) == ["made"]


def test_the_pin_is_not_written_down(tmp_path: Path) -> None:
    wrong = WrongPins(tmp_path)
    wrong.remember(b"1", WRONG)
    assert [wrong.has(b"1", WRONG), wrong.has(b"1", PIN), wrong.has(b"2", WRONG)] == [True, False, False]
    assert WRONG not in wrong.file.read_text()
    assert wrong.file.stat().st_mode & 0o777 == 0o600


def test_the_last_try_is_left_to_a_person(tmp_path: Path) -> None:
    holder = Pkcs11(f"pkcs11:token=own?module-path=/m.so&pin-source=file:{tmp_path}/pin", tmp_path)
    token = SimpleNamespace(flags=TokenFlag.LOGIN_REQUIRED | TokenFlag.USER_PIN_FINAL_TRY, serial=b"1")
    with pytest.raises(NeedsPerson, match="One more wrong PIN would lock the token own"):
        holder._pin(token)


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_pin_that_others_may_read_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: int) -> None:
    (tmp_path / "pin").write_text(PIN)
    (tmp_path / "pin").chmod(mode)
    with click.Context(click.Command("test"), obj=Console(choose("en", {}), json=False)):
        holder = Pkcs11(f"pkcs11:token=own?module-path=/m.so&pin-source=file:{tmp_path}/pin", tmp_path)
        assert holder._pin(SimpleNamespace(flags=TokenFlag.LOGIN_REQUIRED, serial=b"1")) == PIN
    assert ("others may read the PIN" in capsys.readouterr().err) == (mode == 0o644)
