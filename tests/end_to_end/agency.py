"""An agency for end-to-end tests: a real CA in a temporary folder, served by the real commands on free ports.

Nothing here reaches into the service: commands, URLs, mails and files are all that a user has, too. (Commands that end
are forked, `serve` is started.)
"""

import base64
import contextlib
import dataclasses
import hmac
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509

from tests.end_to_end import commands
from tests.end_to_end.post_office import PostOffice

BIN = Path(sys.executable).parent
INSTITUTION = "F123456"
OFFICERS = ("佐藤 花子", "鈴木 一郎")
EMAIL = "yamada@midori.example"
PERSON = (
    "--institution-name", "みどり銀行", "--administrator-family-name", "山田", "--administrator-given-name", "太郎",
    "--furigana", "やまだ たろう",
)  # fmt: skip
FORM = (*PERSON, "--email", EMAIL)


@dataclasses.dataclass(frozen=True)
class Invitation:
    """The two halves as their mails brought them."""

    cn: str
    url: str
    password: str

    @property
    def kid(self) -> str:
        """Return the half in the URL."""
        return self.url.rpartition("/")[2]

    @property
    def mac_key(self) -> str:
        """Return the MAC key as other ACME clients take it, derived here anew from protocol.md's one line."""
        key = hmac.digest(self.kid.encode(), self.password.replace("-", "").encode(), "sha256")
        return base64.urlsafe_b64encode(key).decode().rstrip("=")


class CommandFailed(AssertionError):
    """A command ended with a code that was not foreseen."""


class Agency:
    """A CA with two officers; `approve` brings invitations, `serve` runs the service."""

    def __init__(
        self, folder: Path, *, validity_days: int = 32, limits: bool = False, alias_suffix: str | None = None
    ) -> None:
        self.folder = folder / "ca"
        self.scratch = folder
        self.public_port, self.http_port, self.officers_port = free_ports(3)
        self.public_url = f"https://localhost:{self.public_port}"
        self.http_url = f"http://localhost:{self.http_port}"
        self.log = folder / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.serve_prefix: list[str] = []
        self.serve_environment: dict[str, str] = {}
        self.post_office: PostOffice | None = None
        init = ["init", "--directory", str(self.folder), "--public-url", self.public_url, "--http-url", self.http_url]
        watched = ["--officers-listen", f"127.0.0.1:{self.officers_port}"]
        self.ca(*init, *watched, "--non-interactive", configured=False)
        self.configure("password_delay_seconds = 120", "password_delay_seconds = 0")
        suffix = f'\nalias_suffix = "{alias_suffix}"' if alias_suffix else ""
        self.configure("validity_days = 395", f"validity_days = {validity_days}{suffix}")
        if not limits:
            self.append("[limits]\nenabled = false\n")
        for name in OFFICERS:
            self.ca("officer", "add", name, "--role", "ra")

    @property
    def config(self) -> Path:
        """Return the configuration's path."""
        return self.folder / "warifu.toml"

    @property
    def root(self) -> Path:
        """Return what a client needs to trust the TLS address."""
        return self.folder / "public" / "root.pem"

    @property
    def chain(self) -> Path:
        """Return the issuing CAs' certificates, the one in use first, then the root's."""
        return self.folder / "public" / "chain.pem"

    def configure(self, before: str, after: str) -> None:
        """Replace a text of the configuration that must be there."""
        text = self.config.read_text("utf-8")
        assert before in text, before
        self.config.write_text(text.replace(before, after), "utf-8")

    def append(self, text: str) -> None:
        """Add to the configuration."""
        self.config.write_text(self.config.read_text("utf-8") + "\n" + text, "utf-8")

    def mail_through(self, post_office: PostOffice) -> None:
        """Let mails leave by SMTP instead of going into the maildir."""
        self.post_office = post_office
        self.configure(
            'transport = "maildir"',
            f'transport = "smtp"\nsmtp_host = "localhost"\nsmtp_port = {post_office.port}\nsmtp_starttls = true\n'
            f'smtp_ca_file = "{self.root}"',
        )

    def ca(self, *arguments: str, code: int = 0, configured: bool = True) -> Any:
        """Run `warifu-ca … --json`, demand its exit code, and return the document it printed."""
        command = [str(BIN / "warifu-ca"), *arguments, "--json"]
        if configured:
            command += ["--config", str(self.config)]
        return _run(command, code, environment())

    def warifu(self, *arguments: str, home: Path, code: int | None = 0, stdin: str | None = None) -> Any:
        """Run `warifu … --json` with a home of its own, demand an exit code, and return the document it printed."""
        variables = environment() | {"WARIFU_HOME": str(home)}
        return _run([str(BIN / "warifu"), *arguments, "--json"], code, variables, stdin)

    def serve(self, *, wait: bool = True) -> None:
        """Start `warifu-ca serve` and wait until it answers."""
        command = [*self.serve_prefix, str(BIN / "warifu-ca"), "--config", str(self.config), "serve"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment() | self.serve_environment, start_new_session=True
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Wait until both addresses answer; that of OCSP takes connections before somebody answers them."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise CommandFailed(f"serve ended: {self.log.read_text('utf-8')[-3000:]}")
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.public_port), 1).close()
                with urllib.request.urlopen(f"{self.http_url}/ca/root.cer", timeout=seconds):
                    return
            time.sleep(0.05)
        raise CommandFailed(f"serve did not answer: {self.log.read_text('utf-8')[-3000:]}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop the service and return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)
        code = self.process.wait(60)
        self.process = None
        return code

    def approve(self, count: int, institution: str = INSTITUTION, email: str = EMAIL) -> list[Invitation]:
        """Have an application for `count` certificates filed, examined and approved; return what was mailed."""
        before = self.delivered()
        number = self.file(count, institution, email)
        self.decide(number)
        deadline = time.monotonic() + 30 + count / 10
        while time.monotonic() < deadline:
            # asking the mailbox takes a whole command: look first whether there can be something new
            fresh = self.invitations(number) if self.delivered() >= before + 2 * count else []
            if len(fresh) == count:
                return fresh
            time.sleep(0.1)
        raise CommandFailed(f"the mails of application {number} did not come: {self.log.read_text('utf-8')[-3000:]}")

    def decide(self, number: int) -> None:
        """Have the first officer examine an application and the second approve it."""
        self.ca("application", "examine", str(number), "--officer", OFFICERS[0])
        self.ca("application", "approve", str(number), "--officer", OFFICERS[1])

    def file(self, count: int, institution: str = INSTITUTION, email: str = EMAIL) -> int:
        """File an application for new certificates and return its number."""
        filed = self.ca(
            "application", "issue", institution, *PERSON, "--email", email,
            "--count", str(count), "--officer", OFFICERS[0],
        )  # fmt: skip
        assert isinstance(filed, dict)
        return int(filed["number"])

    def mails(self) -> list[dict[str, str]]:
        """Return every mail that was delivered."""
        if self.post_office is not None:
            return self.post_office.mails()
        listed = self.ca("mailbox")
        assert isinstance(listed, list)
        return listed

    def delivered(self) -> int:
        """Return how many mails were delivered, without reading them."""
        if self.post_office is not None:
            return self.post_office.delivered()
        return len(list((self.folder / "mailbox").glob("new/*")))

    def invitations(self, number: int | None = None) -> list[Invitation]:
        """Return the invitations of which both mails have come, of one application or of all, in order of their CNs."""
        urls, passwords = {}, {}
        for mail in self.mails():
            if number is not None and f"受付番号: {number}\n" not in mail["text"]:
                continue
            if mail["kind"] == "enrolment-url":
                urls[mail["cn"]] = re.findall(r"^https://\S+/e/\S+$", mail["text"], re.MULTILINE)[0]
            if mail["kind"] == "enrolment-password":
                passwords[mail["cn"]] = re.findall(r"^(?:[0-9A-Z]{5}-){4}[0-9A-Z]{5}$", mail["text"], re.MULTILINE)[0]
        return [Invitation(cn, urls[cn], passwords[cn]) for cn in sorted(urls.keys() & passwords.keys())]

    def certificates(self) -> list[dict[str, str]]:
        """Return `certificate list`."""
        listed = self.ca("certificate", "list")
        assert isinstance(listed, list)
        return listed

    def trust(self) -> ssl.SSLContext:
        """Return a TLS context that trusts this CA's address and nothing else."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.root)
        return context

    def root_certificate(self) -> x509.Certificate:
        """Return the certificate that relying systems trust."""
        return x509.load_pem_x509_certificates(self.chain.read_bytes())[-1]

    def revoke(self, cn: str, *options: str, reason: str = "superseded", code: int = 0) -> Any:
        """Have the first officer revoke a CN at once and return what the command answered."""
        return self.ca("certificate", "revoke", cn, "--reason", reason, "--officer", OFFICERS[0], *options, code=code)

    def balance(self) -> None:
        """Demand that the books balance."""
        self.ca("reconcile")


@contextlib.contextmanager
def agency(
    folder: Path, *, validity_days: int = 32, limits: bool = False, alias_suffix: str | None = None
) -> Iterator[Agency]:
    """Run an agency; its books must balance at the end."""
    running = Agency(folder, validity_days=validity_days, limits=limits, alias_suffix=alias_suffix)
    running.serve()
    try:
        yield running
        running.balance()
    finally:
        if running.process is not None:
            running.stop()


def free_ports(count: int) -> list[int]:
    """Return ports on loopback that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def environment() -> dict[str, str]:
    """Return an environment without this machine's own trust, so that every test sets its own."""
    strangers = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "WARIFU_CONFIG")
    kept = {name: value for name, value in os.environ.items() if name not in strangers}
    return kept | {"PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}


def _run(command: Sequence[str], code: int | None, variables: dict[str, str], stdin: str | None = None) -> Any:
    done = commands.run(command, variables, stdin, seconds=120)
    if code is not None and done.returncode != code:
        raise CommandFailed(f"{' '.join(command)}: exit {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout) if done.stdout.strip() else None
