"""Two servers on one database behind one balancer, each a folder of its own as on a machine of its own."""

import contextlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ca_server.whereabouts import Cluster
from tests.ca_server.databases import raw
from tests.drills import clusters as postgresql
from tests.drills import planted
from tests.drills.balancer import balancing
from tests.drills.clusters import NAME, USER
from tests.end_to_end.agency import OFFICERS, Agency, free_ports


class Twin(Agency):
    """The second server: another's folder copied, its own ports; what clients know is the balancer."""

    def __init__(self, first: Agency) -> None:
        self.folder = first.scratch / "second"
        shutil.copytree(first.folder, self.folder, ignore=shutil.ignore_patterns("ready", "mailbox"))
        for name in ("scratch", "public_port", "http_port", "public_url", "http_url", "serve_environment"):
            setattr(self, name, getattr(first, name))
        self.log = first.scratch / "second.log"
        self.process = None
        self.post_office = first.post_office
        self.serve_prefix = []
        self.officers_port = first.officers_port


class Twins(Agency):
    """An agency that two servers serve; what it is asked for, it asks the first one's folder, or the database."""

    def __init__(self, folder: Path, clusters: list[postgresql.Cluster]) -> None:
        super().__init__(folder)
        self.clusters = clusters
        self.primary = clusters[0]
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in clusters)
        secret = self.folder / "secrets" / "database.password"
        secret.write_text(self.primary.password)
        secret.chmod(0o600)
        text = self.config.read_text("utf-8")
        where = f'database = "postgresql://{USER}@{hosts}/{NAME}"\ndatabase_password_file = "{secret}"'
        text, count = re.subn(r"(?m)^database = .*$", lambda _: where, text)
        assert count == 1
        text = re.sub(r"(?m)^maildir = .*\n", "", text)
        text = text.replace("[mail]\n", f'[mail]\nmaildir = "{self.folder / "mailbox"}"\n')
        self.config.write_text(text, "utf-8")
        self.ca("database", "migrate")
        for name in OFFICERS:
            self.ca("officer", "add", name, "--role", "ra")
        self.second = Twin(self)
        self.behind = [_own_ports(each) for each in self.both]

    @property
    def both(self) -> tuple[Agency, Agency]:
        """Return the two servers."""
        return (self, self.second)

    def witnesses(self) -> list[Path]:
        """Return what the keys of both signed."""
        return [self.scratch / f"witness-{place}" for place in range(2)]

    def rows(self, query: str) -> list[str]:
        """Return what the database itself says."""
        return self.primary.ask(query)

    @contextlib.contextmanager
    def records(self) -> Iterator[Any]:
        """Open the database to read, past the program."""
        primary = self.primary
        yield raw(Cluster(f"postgresql://{USER}:{primary.password}@127.0.0.1:{primary.port}/{NAME}"))

    def balance(self) -> None:
        """Demand that the books balance, with what each of the servers published."""
        for each in self.both:
            each.ca("reconcile")

    def leader(self) -> Agency | None:
        """Return the server that holds the lease, by what each logged of its name at its start."""
        held = self.rows("SELECT holder FROM lease WHERE name = 'schedule'")
        for each in self.both:
            names = re.findall(r"This is server (\w+) on", each.log.read_text("utf-8")) if each.log.exists() else []
            if held and names[-1:] == held:
                return each
        return None


def _own_ports(server: Agency) -> dict[str, int]:
    """Give a server listening ports of its own behind those in its URLs."""
    ports = dict(zip(("public", "http", "officers"), free_ports(3), strict=True))
    text = server.config.read_text("utf-8")
    for name, port in ports.items():
        text, count = re.subn(rf'(?m)^{name}_listen = "127.0.0.1:\d+"', f'{name}_listen = "127.0.0.1:{port}"', text)
        assert count == 1, name
    server.config.write_text(text, "utf-8")
    return ports


@contextlib.contextmanager
def standing(
    folder: Path, clusters: list[postgresql.Cluster], defect: str | None = None, *, hurry: bool = True
) -> Iterator[Twins]:
    """Run both under their witnesses, and with a defect if one is named; they are gone at the end."""
    twins = Twins(folder, clusters)
    for server, witness in zip(twins.both, twins.witnesses(), strict=True):
        options = ["--witness", str(witness), *(["--defect", defect] if defect else []), *["--hurry"] * hurry]
        server.serve_prefix = [sys.executable, planted.__file__, *options]
    behind = [((each["public"], each["http"]), each["officers"]) for each in twins.behind]
    with balancing((twins.public_port, twins.http_port), behind):
        try:
            for server in twins.both:
                server.serve(wait=False)
            for server, ports in zip(twins.both, twins.behind, strict=True):
                ready(server, ports)
            yield twins
        finally:
            for server in twins.both:
                if server.process is not None:
                    server.stop()


def ready(server: Any, ports: dict[str, int]) -> None:
    """Wait until one server answers at its own ports."""
    kept = server.public_port, server.http_url
    server.public_port, server.http_url = ports["public"], f"http://127.0.0.1:{ports['http']}"
    try:
        server.wait_until_ready(60)
    finally:
        server.public_port, server.http_url = kept
