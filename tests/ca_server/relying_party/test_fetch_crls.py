"""The job that keeps a relying system's CRLs fresh takes newer ones of the right CA and has the server read them."""

import contextlib
import functools
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server.relying_party.kit import Authority, Kit, write
from tests.ca_server.relying_party.forge import ca, pem_crl
from tests.end_to_end.agency import environment
from tests.end_to_end.web_servers import program

OURS, THEIRS = ca(), ca(number=1)
LEAF = OURS.certificate()


@dataclass
class Job:
    """A kit's job, what it fetches from, and how often it had the server read."""

    kit: Path
    published: Path
    reloads: Path

    def publish(self, name: str, content: bytes) -> None:
        """Put a CRL where the job fetches it."""
        (self.published / "crl" / f"{name}.crl").write_bytes(content)

    def run(self, code: int = 0) -> str:
        """Run it as its timer does, and return what it said."""
        done = subprocess.run(
            [sys.executable, str(self.kit / "fetch-crls")],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
        return done.stderr

    @property
    def crls(self) -> bytes:
        """Return what the server reads."""
        return (self.kit / "crl.pem").read_bytes()

    @property
    def read(self) -> int:
        """Return how often the server was to read."""
        return self.reloads.read_text().count("read") if self.reloads.exists() else 0


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def _serving(folder: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """A job beside a kit that was made when both CRLs had the number 2."""
    program("openssl")
    (tmp_path / "public" / "crl").mkdir(parents=True)
    with _serving(tmp_path / "public") as url:
        crls = {"root": OURS.crl(of=OURS.root), "issuing-1": OURS.crl()}
        authority = Authority(
            OURS.organization, url, OURS.root.certificate, {"issuing-1": OURS.issuing.certificate}, crls, 60, "-"
        )
        kit = tmp_path / "kit"
        write(Kit("apache", kit, "www.example.jp", (), "http://127.0.0.1:9"), authority)
        script = tmp_path / "reload"
        script.write_text(f"#!/bin/sh\necho read >> {tmp_path}/reloads\ntest ! -e {tmp_path}/broken\n")
        script.chmod(0o755)
        ini = kit / "fetch-crls.ini"
        ini.write_text(ini.read_text("utf-8").replace("systemctl reload apache2", str(script)), "utf-8")
        running = Job(kit, tmp_path / "public", tmp_path / "reloads")
        for name, content in crls.items():
            running.publish(name, content)
        yield running


def test_a_newer_crl_is_taken_and_read_once(job: Job) -> None:
    job.run()
    newer = OURS.crl(LEAF, number=3)
    job.publish("issuing-1", newer)
    assert job.run() == ""
    assert pem_crl(newer) in job.crls
    assert x509.load_der_x509_crl((job.kit / "crls" / "issuing-1.crl").read_bytes()).public_bytes(Encoding.DER) == newer
    read = job.read
    assert job.run() == ""
    assert job.read == read
    serial = f"{LEAF.serial_number:X}"
    assert (job.kit / "revoked.txt").read_text() == f"{serial.zfill(len(serial) + len(serial) % 2)} revoked\n"


REFUSED = {
    "an older one": (lambda: OURS.crl(number=1), "CRL number 1 after number 2"),
    "another of the same number": (lambda: OURS.crl(LEAF), "CRL number 2 after number 2"),
    "another CA's of the same name": (lambda: THEIRS.crl(number=9), "not a CRL that the CA has signed"),
    "the root's": (lambda: OURS.crl(of=OURS.root, number=9), "not a CRL that the CA has signed"),
    "one past its time": (lambda: OURS.crl(number=9, hours=(-48, -24)), "whose time is over"),
    "one before its time": (lambda: OURS.crl(number=9, hours=(1, 24)), "whose time has not begun"),
    "a page": (lambda: b"<html>", "not a CRL that the CA has signed"),
    "nothing": (lambda: b"", "not a CRL that the CA has signed"),
    "one in PEM": (lambda: pem_crl(OURS.crl(number=9)), "not a CRL that the CA has signed"),
    "one with its signature damaged": (lambda: OURS.crl(number=9)[:-1] + b"\0", "not a CRL that the CA has signed"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_crl_is_not_taken_and_the_old_one_stays(job: Job, what: str) -> None:
    make, why = REFUSED[what]
    job.run()
    before, read = job.crls, job.read
    job.publish("issuing-1", make())
    said = job.run(code=1)
    assert why in said
    assert said.count("\n") == 1
    assert "/crl/issuing-1.crl" in said
    assert (job.crls, job.read) == (before, read)


def test_one_crl_that_fails_does_not_keep_the_other_back(job: Job) -> None:
    job.publish("root", b"")
    newer = OURS.crl(LEAF, number=3)
    job.publish("issuing-1", newer)
    assert "root.crl" in job.run(code=1)
    assert pem_crl(newer) in job.crls
    assert job.read == 1


def test_a_server_that_could_not_read_is_asked_again(job: Job, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    assert "the server does not know the new CRLs yet" in job.run(code=1)
    assert "the server does not know the new CRLs yet" in job.run(code=1)
    (tmp_path / "broken").unlink()
    assert job.run() == ""
    assert job.run() == ""
    assert job.read == 3


def test_a_ca_that_is_away_leaves_everything_as_it_is(job: Job) -> None:
    job.run()
    before = job.crls
    ini = job.kit / "fetch-crls.ini"
    ini.write_text(ini.read_text("utf-8").replace("http://127.0.0.1:", "http://127.0.0.1:9/"), "utf-8")
    assert job.run(code=1).count("the CRL that is there stays") == 2
    assert job.crls == before


def test_the_units_are_what_systemd_takes(job: Job) -> None:
    units = [str(job.kit / f"warifu-crls.{kind}") for kind in ("service", "timer")]
    checked = subprocess.run(
        [program("systemd-analyze"), "verify", *units], capture_output=True, text=True, timeout=60, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"ExecStart={job.kit}/fetch-crls" in (job.kit / "warifu-crls.service").read_text()
