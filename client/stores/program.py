"""Runs a program of the platform: without a shell, for a limited time, with no secret among its arguments.

Programs of the system are started from the system's own folders, never from what happens to be first on the path.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client.errors import ClientError, TryLater
from client.language import sentence

SECONDS: Final = 60.0
"""How long a program may take. PowerShell starts in 0.3 to 2 s; the first use of a TPM after a boot takes some more."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a program left: its exit code and what it wrote, the errors last."""

    code: int
    output: str
    errors: str

    @property
    def text(self) -> str:
        """Return all that it wrote, on one line."""
        return " ".join(f"{self.output} {self.errors}".split())


def run(name: str, arguments: Sequence[str], stdin: str = "", seconds: float = SECONDS) -> Ended:
    """Run a program to its end.

    Raises ClientError when it is not on this PC, TryLater when it takes too long.
    """
    try:
        done = subprocess.run(
            [located(name), *arguments],
            input=stdin.encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # a task in the background shows no window
        )
    except subprocess.TimeoutExpired as error:
        raise TryLater(
            "programSlow",
            sentence("{program} did not end within {seconds} seconds."),
            sentence("Look whether it waits for an answer in a window of its own, and try again."),
            facts={"program": name, "seconds": int(seconds)},
        ) from error
    return Ended(done.returncode, _text(done.stdout), _text(done.stderr))


def located(name: str) -> str:
    """Return the path of a program. Raises ClientError when it is not on this PC."""
    folders = system_folders(sys.platform, os.environ.get("SYSTEMROOT", r"C:\Windows"))
    if folders:
        found = next((str(each / name) for each in map(Path, folders) if (each / name).exists()), None)
    else:
        found = shutil.which(name)
    if found is None:
        raise ClientError(
            "noProgram",
            sentence("The program {program} is not on this PC."),
            sentence("Choose another place for the keys with `warifu enroll --store`."),
            facts={"program": name},
        )
    return found


def system_folders(platform: str, root: str) -> tuple[str, ...]:
    """Return where a platform has its own programs; empty where the path decides."""
    match platform:
        case "win32":
            return (rf"{root}\System32", rf"{root}\System32\WindowsPowerShell\v1.0")
        case "darwin":
            return ("/usr/bin",)
    return ()


def _text(written: bytes) -> str:
    """Return what a program wrote; Windows' own write in the code page of the console."""
    return written.decode("oem" if sys.platform == "win32" else "utf-8", "backslashreplace")
