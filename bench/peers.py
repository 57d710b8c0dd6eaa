"""The servers that are measured, each on one core of its own: ours, and Debian's pebble, which keeps all in memory."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.serialization import Encoding

from bench.caller import Job
from ca_server.authority.hierarchy import HierarchyProfile, make_tls_authority, make_tls_server
from ca_server.clock import SystemClock
from keys.generate import generate
from keys.keystore import save_key
from tests.end_to_end.agency import Agency, free_ports

SERVER_CORE, CLIENT_CORE = 0, 1
_A_FORM = 100


class Peer(Protocol):
    """A server under load."""

    name: str
    pid: int
    directory_url: str
    root: str

    def jobs(self, count: int) -> list[Job]:
        """Return fresh enrolments to be made, all their keys ready."""


def pinned(core: int) -> list[str]:
    """Return the prefix of a command that keeps it on one core."""
    return ["taskset", "--cpu-list", str(core)] if (os.cpu_count() or 1) > 1 else []


class Warifu:
    """Ours: TLS, EAB checked, SQLite with every commit synced, linted, mails queued and delivered."""

    name = "warifu"

    def __init__(self, agency: Agency) -> None:
        assert agency.process is not None
        self._agency = agency
        self._institution = 100_000
        self._used: set[str] = set()
        self.pid = agency.process.pid
        self.directory_url = agency.public_url + "/directory"
        self.root = str(agency.root)

    def jobs(self, count: int) -> list[Job]:
        """Have applications approved and return what their mails invite to."""
        made: list[Job] = []
        while len(made) < count:
            self._institution += 1
            code = f"F{self._institution}"
            invited = self._agency.approve(min(_A_FORM, count - len(made)), code)
            made += [Job.make(each.cn.lower(), (each.kid, each.password.replace("-", ""))) for each in invited]
        return made


@contextlib.contextmanager
def warifu(folder: Path) -> Iterator[Warifu]:
    """Run ours."""
    agency = Agency(folder)
    agency.serve_prefix = pinned(SERVER_CORE)
    agency.serve()
    try:
        yield Warifu(agency)
        agency.balance()
    finally:
        agency.stop()


class Pebble:
    """Debian's pebble: validation always succeeds, nothing is durable, no nonce is refused on purpose."""

    name = "pebble"

    def __init__(self, pid: int, directory_url: str, root: str) -> None:
        self.pid = pid
        self.directory_url = directory_url
        self.root = root
        self._count = 0

    def jobs(self, count: int) -> list[Job]:
        """Return enrolments for names of our own."""
        self._count += count
        return [Job.make(f"pc{self._count - place}.example.test") for place in range(count)]


@contextlib.contextmanager
def pebble(folder: Path) -> Iterator[Pebble | None]:
    """Run pebble, or give None where it is not installed (Debian: pebble)."""
    program = shutil.which("pebble")
    if program is None:
        yield None
        return
    folder.mkdir(parents=True)
    port, management, http, tls = free_ports(4)
    root = _certify(folder)
    settings = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(folder / "server.pem"),
        "privateKey": str(folder / "server.key"),
        "httpPort": http,
        "tlsPort": tls,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    variables = os.environ | {
        "PEBBLE_VA_NOSLEEP": "1",
        "PEBBLE_VA_ALWAYS_VALID": "1",
        "PEBBLE_WFE_NONCEREJECT": "0",
        "GOMAXPROCS": "1",
    }
    command = [*pinned(SERVER_CORE), program, "-config", str(folder / "pebble.json")]
    with (folder / "pebble.log").open("wb") as log:
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
    try:
        _wait_for(port)
        yield Pebble(process.pid, f"https://localhost:{port}/dir", str(root))
    finally:
        process.terminate()
        process.wait(10)


def _certify(folder: Path) -> Path:
    """Make the TLS certificate that pebble is served with, by our own small TLS CA."""
    profile = HierarchyProfile("bench", "1.3.6.1.4.1.99999.1", "http://ca.example/r.crl", "http://ca.example/r.cer")
    now = SystemClock().now()
    authority = make_tls_authority(profile, generate("P-256"), ["localhost"], now)
    server = make_tls_server(profile, authority, generate("P-256"), ["localhost"], now)
    (folder / "root.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (folder / "server.pem").write_bytes(server.certificate.public_bytes(Encoding.PEM))
    save_key(folder / "server.key", server.private_key, None)
    return folder / "root.pem"


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and its threads have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
