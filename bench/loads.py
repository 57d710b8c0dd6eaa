"""What loads a responder: wrk on kept connections, lines of our own with a connection for each request."""

import dataclasses
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.asking import Question
from bench.processes import CLIENT_CORE, cpu_seconds, pinned, program, run

_SCRIPT = Path(__file__).with_name("load.lua")


@dataclasses.dataclass(frozen=True)
class Wrk:
    """wrk with its list of requests in files."""

    folder: Path
    connections: int = 16
    threads: int = 1
    cores: tuple[int, ...] = (CLIENT_CORE,)

    def write(self, asked: Sequence[Question]) -> None:
        """Write what is to be asked."""
        (self.folder / "GET").write_text("".join(each.path + "\n" for each in asked), "ascii")
        (self.folder / "POST").write_text("".join(each.encoded.hex() + "\n" for each in asked), "ascii")

    def measure(self, method: str, port: int, pid: int, seconds: int) -> dict[str, float]:
        """Load a server and return what it did. Raises RuntimeError when anything was not answered with 200."""
        command = [
            *pinned(*self.cores), program("wrk", "wrk"), "--latency", f"-c{self.connections}", f"-t{self.threads}",
            f"-d{seconds}s", "-s", str(_SCRIPT), f"http://127.0.0.1:{port}/", "--",
            str(self.folder / method), method,
        ]  # fmt: skip
        before = cpu_seconds(pid)
        output = run(command).output
        used = cpu_seconds(pid) - before
        found = re.search(r"^MEASURED (\d+) (\d+) (\d+) (\d+)$", output, re.MULTILINE)
        if found is None or int(found[3]) or not int(found[1]):
            raise RuntimeError(f"wrk met faults: {output}")
        requests, microseconds, _, latency = map(int, found.groups())
        return {
            "requests/s": 1e6 * requests / microseconds,
            "CPU µs each": 1e6 * used / requests,
            "p99 ms": latency / 1000,
        }


def one_each(port: int, pid: int, requests: Path, seconds: int) -> dict[str, float]:
    """Load a server with a connection for each request. Raises RuntimeError when anything was not answered."""
    command = [*pinned(CLIENT_CORE), sys.executable, "-m", "bench.single", str(port), str(seconds), str(requests)]
    before = cpu_seconds(pid)
    count, took = map(float, run(command).output.split())
    used = cpu_seconds(pid) - before
    return {"requests/s": count / took, "CPU µs each": 1e6 * used / count}
