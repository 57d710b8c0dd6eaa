"""PostgreSQL of our own on loopback ports: a primary, and a standby that has every commit before it is answered.

They are real clusters with fsync on, made by initdb and pg_basebackup as the user `postgres` and reached over TCP with
a password, as elsewhere. A primary is killed as a machine dies: all of its processes at once.
"""

import contextlib
import functools
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.end_to_end.agency import free_ports

USER, NAME = "warifu", "warifu"
_STANDBY = "standby"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "150",
    "shared_buffers": "64MB",
    "wal_keep_size": "256MB",
    "log_min_messages": "log",
    "log_statement": "all",  # with its parameters: no secret may stand there
}


@functools.cache
def program(name: str) -> str | None:
    """Return where a program of PostgreSQL is, None when it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


MISSING = "there is no PostgreSQL: Debian package postgresql"


class Cluster:
    """One cluster: its folder, its port, and its processes while it runs."""

    def __init__(self, folder: Path, password: str) -> None:
        self.folder = folder
        self.password = password
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Make it, empty."""
        secret = self.folder.with_suffix(".password")
        secret.write_text(self.password)
        shutil.chown(secret, "postgres")
        self._run("initdb", "-D", str(self.folder), f"--username={USER}", f"--pwfile={secret}",
                  "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C")  # fmt: skip

    def follow(self, primary: "Cluster") -> None:
        """Make it a standby of a running primary, which waits for it from then on."""
        source = f"host=127.0.0.1 port={primary.port} user={USER} application_name={_STANDBY}"
        self._run("pg_basebackup", "-D", str(self.folder), "-d", f"{source} password={self.password}",
                  "--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream")  # fmt: skip
        self.start()
        primary.ask(f"ALTER SYSTEM SET synchronous_standby_names = '{_STANDBY}'", "postgres")
        primary.ask("SELECT pg_reload_conf()", "postgres")
        deadline = time.monotonic() + 20
        while primary.ask("SELECT sync_state FROM pg_stat_replication", "postgres") != ["sync"]:
            assert time.monotonic() < deadline, "the standby does not follow"
            time.sleep(0.05)

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = [word for name, value in {**_SETTINGS, "port": str(self.port)}.items()
                    for word in ("-c", f"{name}={value}")]  # fmt: skip
        with self.folder.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen(
                [program("postgres") or "", "-D", str(self.folder), *settings],
                stdout=log, stderr=log, start_new_session=True, cwd=self.folder, **_as_postgres(),
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while subprocess.run(
            [program("pg_isready") or "", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        ).returncode:
            assert time.monotonic() < deadline, self.folder.with_suffix(".log").read_text("utf-8")
            time.sleep(0.05)

    def ask(self, query: str, database: str = NAME) -> list[str]:
        """Return the rows of a query as texts, by psql, which knows nothing of ours."""
        command = [program("psql") or "", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1",
                   "-p", str(self.port), "-U", USER, "-d", database, "-c", query]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "PGPASSWORD": self.password}, check=False
        )
        if done.returncode:
            raise OSError(done.stderr)
        return done.stdout.splitlines()

    def promote(self) -> float:
        """Make the standby the primary; return after how many seconds it took writes."""
        began = time.monotonic()
        self.ask("SELECT pg_promote(true, 30)", "postgres")
        while self.ask("SELECT pg_is_in_recovery()", "postgres") != ["f"]:
            time.sleep(0.01)
        return time.monotonic() - began

    def cut_off(self) -> None:
        """Stop what sends to the standby, until the end: it hears nothing more, not even what is on its way."""
        for process in self._children():
            if b"walsender" in _command(process):
                os.kill(process, signal.SIGSTOP)

    def written(self) -> Iterator[Path]:
        """Yield what it wrote: its log, its tables, its write-ahead log."""
        yield self.folder.with_suffix(".log")
        for name in ("base", "pg_wal"):
            yield from (path for path in sorted((self.folder / name).rglob("*")) if path.is_file())

    def kill(self) -> None:
        """End all of its processes at once, without their consent."""
        if self._process is None:
            return
        children = self._children()
        for process in (self._process.pid, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def _children(self) -> list[int]:
        assert self._process is not None
        found = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text("ascii")
        return [int(each) for each in found.split()]

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run([program(name) or "", *arguments], capture_output=True, text=True, check=False,
                              cwd=self.folder.parent, **_as_postgres())  # fmt: skip
        assert done.returncode == 0, f"{name}: {done.stderr}"


@contextlib.contextmanager
def clusters(count: int = 1) -> Iterator[list[Cluster]]:
    """Run a primary with an empty database, and synchronous standbys for a higher count; all is gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="warifu-clusters-"))
    made: list[Cluster] = []
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        password = secrets.token_hex(16)
        made += [Cluster(folder / f"cluster-{place}", password) for place in range(count)]
        primary, *standbys = made
        primary.make()
        primary.start()
        primary.ask(f"CREATE DATABASE {NAME}", "postgres")
        for each in standbys:
            each.follow(primary)
        yield made
    finally:
        for each in made:
            each.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _as_postgres() -> dict[str, str]:
    return {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}  # initdb refuses root


def _command(process: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""
