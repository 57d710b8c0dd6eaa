"""Asks Windows PowerShell 5.1, which every Windows has, to do with .NET what Python cannot.

The scripts are the files in `scripts`, each the body of `scripts/frame.ps1`. Parameters stand in the script, as JSON in
ASCII within one literal; the script goes as -EncodedCommand, base64 of UTF-16LE; so nothing is quoted for a shell, and
no code page matters. Standard input is left alone, for PowerShell's host reads it itself. Parameters are never secret,
for every program of the PC can read command lines. The answer is one line of JSON in ASCII.
"""

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from client.errors import ClientError
from client.language import sentence
from client.stores.program import Ended, run
from protocol.members import Members
from protocol.problems import Problem
from protocol.strict_json import strict_json

PROGRAM: Final = "powershell.exe"
SCRIPTS: Final = Path(__file__).parent / "scripts"
LONGEST: Final = 32_000
"""Windows' CreateProcess takes command lines of 32,767 characters."""

_Value = TypeVar("_Value")

_OPTIONS: Final = ("-NoProfile", "-NonInteractive", "-OutputFormat", "Text", "-EncodedCommand")
_MARK: Final = "warifu:"
_CONSTRAINED: Final = "constrained"
_QUOTES: Final = "'\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}" + (
    "\N{SINGLE LOW-9 QUOTATION MARK}\N{SINGLE HIGH-REVERSED-9 QUOTATION MARK}"
)


class Constrained(ClientError):
    """PowerShell may not call .NET here: AppLocker or App Control has put it into Constrained Language Mode."""


def literal(text: str) -> str:
    """Return a text as PowerShell's single-quoted literal, in which a quote, straight or typographic, is doubled.

    about_Quoting_Rules; PowerShell takes four typographic marks for the straight one.
    """
    return "'" + "".join(each * 2 if each in _QUOTES else each for each in text) + "'"


def script(name: str, given: Mapping[str, object]) -> str:
    """Return a script with its parameters."""
    frame, body = ((SCRIPTS / f"{each}.ps1").read_text("utf-8") for each in ("frame", name))
    # The parameters last: they may hold anything, the other text among it.
    return frame.replace("@BODY@\n", body).replace("'@GIVEN@'", literal(json.dumps(given)))


def arguments(text: str) -> list[str]:
    """Return PowerShell's arguments that run a script. Raises ValueError when it is too long for a command line."""
    encoded = base64.b64encode(text.encode("utf-16-le")).decode("ascii")
    if len(encoded) > LONGEST:
        raise ValueError(f"The script has {len(encoded)} characters encoded; {LONGEST} go into a command line.")
    return [*_OPTIONS, encoded]


def ask(name: str, given: Mapping[str, object], read: Callable[[Members], _Value]) -> _Value:
    """Run a script and return what `read` finds in its answer.

    Raises Constrained where PowerShell is not let, ClientError when the script failed or answered something else.
    """
    return answer(run(PROGRAM, arguments(script(name, given))), read)


def answer(ended: Ended, read: Callable[[Members], _Value]) -> _Value:
    """Return what a script answered. Raises as `ask` does."""
    lines = [line.removeprefix(_MARK) for line in ended.output.splitlines() if line.startswith(_MARK)]
    try:
        members = Members(strict_json("".join(lines[-1:]).encode()))
        error = members.optional("error", members.text)
        if error is None:
            return read(members)
        if error != _CONSTRAINED:
            raise windows_failed(members.text("message"), members.text("code"))
    except (Problem, ValueError):
        raise windows_failed(ended.text or "-", f"exit {ended.code}") from None
    raise Constrained(
        "constrained",
        sentence("This PC does not let PowerShell use the key store of Windows (Constrained Language Mode)."),
        sentence("Ask whoever looks after this PC, or choose another place with `warifu enroll --store`."),
    )


def windows_failed(message: str, code: str) -> ClientError:
    """Return the error that a program of Windows ended with."""
    return ClientError(
        "windowsFailed",
        sentence("Windows says: {message} ({code})"),
        sentence("Try again; if it stays so, tell the help desk what is written here."),
        facts={"message": message, "code": code},
    )
