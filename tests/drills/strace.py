"""Faults at system calls, by strace: the n-th call of some kinds ends the process, or fails.

strace counts for each thread by itself. The writer's thread alone syncs the database (fdatasync), and `planted.py
--orderly` leaves the files (fsync) to one other thread, so a number names one call; what was traced proves it.
"""

import contextlib
import dataclasses
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

MISSING = "strace is missing: install the Debian package strace"
KILL, IO_ERROR, NO_SPACE = "signal=KILL", "error=EIO", "error=ENOSPC"
_CALL = re.compile(r"^(\d+) +(\w+)\(\d+<([^>]*)>(.*)$")
_SECONDS_TO_ATTACH = 20


@dataclasses.dataclass(frozen=True)
class Fault:
    """What becomes of the `when`-th of these calls, or of none when that is 0."""

    calls: str
    what: str
    when: int

    def options(self, log: Path) -> list[str]:
        """Return strace's own words."""
        options = ["strace", "-f", "-y", "-qq", "-o", str(log), "-e", f"trace={self.calls}", "-e", "signal=none"]
        return options + (["-e", f"inject={self.calls}:{self.what}:when={self.when}"] if self.when else [])


@dataclasses.dataclass(frozen=True)
class Call:
    """A call that was traced: by which thread, on which file."""

    thread: int
    name: str
    path: str
    injected: bool


def is_missing() -> bool:
    """Tell whether there is no strace here."""
    return shutil.which("strace") is None


def calls(log: Path) -> list[Call]:
    """Return what was traced, in order."""
    found = filter(None, map(_CALL.match, log.read_text("utf-8", "replace").splitlines()))
    return [Call(int(one[1]), one[2], one[3], "(INJECTED)" in one[4]) for one in found]


@contextlib.contextmanager
def struck(pid: int, fault: Fault, log: Path) -> Iterator[None]:
    """Let a fault wait for a process that runs already; whoever was not met by it is let go."""
    strace = subprocess.Popen([*fault.options(log), "-p", str(pid)], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + _SECONDS_TO_ATTACH
        while not _is_traced(pid):
            if strace.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"strace cannot attach to {pid}")
            time.sleep(0.01)
        yield
    finally:
        if strace.poll() is None:
            strace.send_signal(signal.SIGINT)
        strace.communicate(timeout=20)


def _is_traced(pid: int) -> bool:
    """Tell whether each thread of a process is."""
    with contextlib.suppress(OSError):
        states = [(task / "status").read_text("ascii") for task in Path(f"/proc/{pid}/task").iterdir()]
        return all("TracerPid:\t0\n" not in state for state in states)
    return False
