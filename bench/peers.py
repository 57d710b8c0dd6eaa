"""The ACME servers that are measured, each on one core: ours, and Debian's pebble, which keeps all in memory."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.serialization import Encoding

from bench.caller import Job
from bench.processes import SERVER_CORE, pinned, program, running, wait_until_listening
from ca_server.authority.hierarchy import HierarchyProfile, make_tls_authority, make_tls_server
from ca_server.clock import SystemClock
from keys.generate import generate
from keys.keystore import save_key
from tests.end_to_end.agency import Agency, free_ports

_A_FORM = 100


class Peer(Protocol):
    """A server under load."""

    name: str
    pid: int
    directory_url: str
    root: str

    def jobs(self, count: int) -> list[Job]:
        """Return fresh enrolments to be made, all their keys ready."""


class Warifu:
    """Ours: TLS, EAB checked, SQLite with every commit synced, linted, mails queued and delivered."""

    name = "warifu"

    def __init__(self, agency: Agency) -> None:
        assert agency.process is not None
        self._agency = agency
        self._institution = 100_000
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
def warifu(agency: Agency, *, balances: bool = True) -> Iterator[Warifu]:
    """Run an agency; its books must balance at the end, unless a generator wrote in them."""
    agency.serve_prefix = pinned(SERVER_CORE)
    agency.serve()
    try:
        yield Warifu(agency)
        if balances:
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
def pebble(folder: Path) -> Iterator[Pebble]:
    """Run pebble. Raises Missing where it is not installed."""
    path = program("pebble", "pebble")
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
    log = folder / "pebble.log"
    with running([*pinned(SERVER_CORE), path, "-config", str(folder / "pebble.json")], log, variables) as process:
        wait_until_listening(port, process, log)
        yield Pebble(process.pid, f"https://localhost:{port}/dir", str(root))


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
