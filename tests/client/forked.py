"""The command `warifu` in processes that die at a chosen write, forked from one that has loaded everything already.

Each line on standard input is a command line and when to die; for each, two lines come back: the process, and what
became of it. A write is whatever changes the home: a file opened to be written, a name given, taken or changed
(PEP 578 tells of each just before it happens). Death is `os._exit`: nothing is finished, nothing is tidied up.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

KILLED = 137
_WRITES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Ended:
    """What became of a process."""

    code: int
    stdout: str
    stderr: str

    @property
    def killed(self) -> bool:
        """Tell whether it died where it was told to, or was killed."""
        return self.code == KILLED


@dataclass(frozen=True)
class Forks:
    """Starts commands, one after the other."""

    process: "subprocess.Popen[str]"

    def start(
        self, words: Sequence[str], home: Path, *, stdin: str = "", die_at: int | None = None, days_ahead: int = 0
    ) -> int:
        """Start a command that dies just before its `die_at`-th write, and return its process id."""
        asked = {"words": [*words, "--home", str(home)], "home": str(home), "stdin": stdin}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({**asked, "die_at": die_at, "days_ahead": days_ahead}) + "\n")
        self.process.stdin.flush()
        return int(self._line()["pid"])

    def end(self) -> Ended:
        """Wait for what was started."""
        return Ended(**self._line())

    def run(self, words: Sequence[str], home: Path, **how: Any) -> Ended:
        """Start a command and wait for it."""
        self.start(words, home, **how)
        return self.end()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found


@contextmanager
def forks(environment: dict[str, str]) -> Iterator[Forks]:
    """Run the process that the others are forked from."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from tests.client.forked import serve; serve()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], env=environment,
    )  # fmt: skip
    try:
        yield Forks(process)
    finally:
        process.communicate()


def serve() -> None:
    """Fork a process for each line."""
    for module in ("agent", "cli.enroll", "cli.renew", "enrolment", "journal", "listing"):
        importlib.import_module(f"client.{module}")
    for line in sys.stdin:
        asked = json.loads(line)
        files = [Path(asked["home"]).with_name(f"{name}-of-fork") for name in ("stdin", "stdout", "stderr")]
        files[0].write_text(asked["stdin"])
        pid = os.fork()
        if pid == 0:
            _become(asked, files)
        print(json.dumps({"pid": pid}), flush=True)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        told = {"code": KILLED if code < 0 else code, "stdout": files[1].read_text(), "stderr": files[2].read_text()}
        print(json.dumps(told), flush=True)


def _become(asked: dict[str, Any], files: Sequence[Path]) -> None:
    from client import clock
    from client.cli import main

    for descriptor, path in enumerate(files):
        os.dup2(os.open(path, os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)  # the one of the process before has read ahead
    if asked["die_at"] is not None:
        _die_at(asked["die_at"], asked["home"])
    ahead = timedelta(days=asked["days_ahead"])
    code = 1
    try:
        with clock.told_by(lambda: datetime.now(UTC) + ahead):
            main(asked["words"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _die_at(number: int, home: str) -> None:
    count = 0

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event == "open":
            writes = isinstance(arguments[2], int) and bool(arguments[2] & _WRITING)
        else:
            writes = event in _WRITES
        if writes and any(isinstance(each, str | bytes | os.PathLike) and _in(each, home) for each in arguments):
            count += 1
            if count == number:
                os._exit(KILLED)

    sys.addaudithook(look)


def _in(path: "str | bytes | os.PathLike[str]", home: str) -> bool:
    return os.fsdecode(path).startswith(home)
