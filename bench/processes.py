"""The programs under measurement: started, kept on their cores, watched through /proc, ended.

Whether a server listens is read from the kernel's list and never tried: `openssl ocsp` spins for ever after a
connection that brings nothing.
"""

import contextlib
import dataclasses
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.figures import Missing

SERVER_CORE, CLIENT_CORE = 0, 1
_TICKS = os.sysconf("SC_CLK_TCK")
_LISTENING = "0A"
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def program(name: str, package: str) -> str:
    """Return the path of a program. Raises Missing naming the Debian package that brings it."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise Missing(name, package)
    return found


def pinned(*cores: int) -> list[str]:
    """Return the prefix of a command that keeps it on these cores."""
    return ["taskset", "--cpu-list", ",".join(map(str, cores))] if (os.cpu_count() or 1) > 1 else []


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, variables: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server until the block ends."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=variables)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_listening(port: int, process: "subprocess.Popen[bytes]", log: Path, seconds: float = 60) -> None:
    """Wait until a server listens on a port. Raises RuntimeError with the end of its log when it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if _listens(port):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} does not listen on {port}: {log.read_text('utf-8', 'replace')[-2000:]}")


def _listens(port: int) -> bool:
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                return True
    return False


def tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                children.setdefault(int(_fields(int(entry.name))[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def cpu_seconds(pid: int) -> float:
    """Return the CPU time, user's and system's, that a process tree has used, children that ended included."""
    used = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            used += sum(map(int, _fields(each)[11:15]))
    return used / _TICKS


def wait_until_quiet(pid: int, seconds: float = 120) -> None:
    """Wait until a process tree has used next to nothing for a second. Raises RuntimeError when it never rests."""
    deadline = time.monotonic() + seconds
    before = cpu_seconds(pid)
    while time.monotonic() < deadline:
        time.sleep(1)
        after = cpu_seconds(pid)
        if after - before < 0.05:
            return
        before = after
    raise RuntimeError(f"process {pid} does not come to rest")


@dataclasses.dataclass(frozen=True)
class Memory:
    """What a process tree holds, in MiB: RSS counts shared pages for each process, PSS once."""

    rss: float
    pss: float


def memory(pid: int) -> Memory:
    """Return the memory of a process tree."""
    total = {"Rss": 0, "Pss": 0}
    for each in tree(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()[1:]:
                name, _, amount = line.partition(":")
                if name in total:
                    total[name] += int(amount.split()[0])
    return Memory(total["Rss"] / 1024, total["Pss"] / 1024)


@dataclasses.dataclass(frozen=True)
class Run:
    """A program that ran to its end: what it printed, the seconds it took, and its largest resident memory in MiB."""

    output: str
    seconds: float
    cpu: float
    peak: float


def run(command: Sequence[str], variables: Mapping[str, str] | None = None) -> Run:
    """Run a program and measure it. Raises RuntimeError with what it said when it fails."""
    told, tell = os.pipe()
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")), str(tell)]
    try:
        done = subprocess.run(
            [*launcher, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=variables,
            pass_fds=(tell,),
            check=False,
        )
    finally:
        os.close(tell)
    with os.fdopen(told, "rb") as usage:
        figures = usage.read().split()
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {output[-2000:]}")
    seconds, cpu, peak = map(float, figures)
    return Run(output, seconds, cpu, peak / 1024)


def _fields(pid: int) -> list[str]:
    """Return what stands in /proc/PID/stat after the name, from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
