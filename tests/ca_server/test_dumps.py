"""No memory of a process that opens keys gets onto a disk or to a debugger, as /proc tells."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ca_server import dumps, responding

_NOBODY = 65_534
_LIMIT = "Max core file size"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


def core_limits(pid: int | str) -> list[str]:
    """Return the soft and the hard limit of a process's core."""
    lines = Path(f"/proc/{pid}/limits").read_text("ascii").splitlines()
    return next(line for line in lines if line.startswith(_LIMIT)).removeprefix(_LIMIT).split()[:2]


def test_a_process_that_forbids_dumps_is_closed_to_its_own_login() -> None:
    """The kernel shows what nobody may dump as the administrator's (proc(5)); who is one becomes nobody first."""
    script = f"""
import ctypes, os
from ca_server import dumps
if os.getuid() == 0:
    os.setuid({_NOBODY})
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
before = os.stat("/proc/self/environ").st_uid
dumps.forbid()
print(before == os.getuid(), os.stat("/proc/self/environ").st_uid == 0)
print(next(line for line in open("/proc/self/limits") if line.startswith("{_LIMIT}")).split()[4:6])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True True", "['0', '0']"]


def test_every_command_forbids_dumps_before_it_opens_anything(tmp_path: Path) -> None:
    """A command that waits for a passphrase, which nobody writes into the pipe."""
    pipe = tmp_path / "passphrase"
    os.mkfifo(pipe)
    program = str(Path(sys.executable).with_name("warifu-ca"))
    urls = ("--public-url", "https://ca.example:8443", "--http-url", "http://ca.example:8080")
    command = [program, "init", "--directory", str(tmp_path / "ca"), *urls, "--passphrase-file", str(pipe)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        try:
            writing = _opened_for_writing(pipe)
            assert core_limits(running.pid) == ["0", "0"]
            os.close(writing)
        finally:
            running.kill()


def _opened_for_writing(pipe: Path) -> int:
    """Return the end of a pipe whose reader has come."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.02)
    raise TimeoutError("nobody reads the passphrase")


def test_the_responders_processes_forbid_dumps_before_they_read_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(dumps, "forbid", lambda: done.append("forbidden"))
    monkeypatch.setattr(responding.configuration, "load", lambda path: done.append("configured") or _no_key(path))
    assert responding.main(["warifu.toml", "keeper"]) == 1
    assert done == ["forbidden", "configured"]


def _no_key(path: Path) -> None:
    raise OSError(f"there is no {path}")
