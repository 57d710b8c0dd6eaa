"""`warifu-ca demo`: the main job from nothing, in a temporary folder, by the commands that people type.

A CA over TLS, two officers, an application of two certificates, the mails, one PC enrolled with `warifu` and one with
certbot, openssl as the judge, a renewal, a revocation, the books. Certificates of 395 days could not be renewed yet, so
the demo's live 32 days, and both mails leave at once.
"""

import contextlib
import dataclasses
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click

from ca_server.cli.front import Command
from ca_server.cli.options import common
from ca_server.cli.output import FAILURE, Stop, spoken
from ca_server.language import Sentence, sentence
from keys.keystore import write_private

_OFFICERS = ("佐藤 花子", "鈴木 一郎")
_INSTITUTION = "F123456"
_SECONDS_TO_WAIT = 20


class _Failed(Exception):
    """A step did not end as it must."""


@click.command(cls=Command)
@click.option(
    "--serve", "keep_serving", is_flag=True, help="Leave the service running, with a URL and password to try."
)
@common
def demo(keep_serving: bool) -> None:
    """Show the main job from nothing, in a temporary folder."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # through every `finally`
    folder = Path(tempfile.mkdtemp(prefix="warifu-demo-"))
    stage = _Stage(folder)
    try:
        with stage.serving():
            invitations = _approve(stage)
            if keep_serving:
                _invite(stage, invitations[0])
            else:
                _live(stage, invitations)
    except _Failed as failure:
        click.echo(spoken(sentence("The demo stopped: {failure}", failure=failure)), err=True)
        raise Stop(FAILURE) from failure
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclasses.dataclass(frozen=True)
class _Invitation:
    cn: str
    url: str
    password: str


class _Stage:
    """Runs the commands of a step, shows what a person would see, and how long it took."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca"
        self.config = self.ca / "warifu.toml"
        self.public, self.http, self.officers = _free_ports(3)
        self.started = time.monotonic()
        self._steps = 0
        strangers = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "WARIFU_CONFIG")
        kept = {name: value for name, value in os.environ.items() if name not in strangers}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
        self._environment = kept | {
            "PATH": path,
            "WARIFU_CONFIG": str(self.config),
            "WARIFU_HOME": str(folder / "pc-1"),
            "REQUESTS_CA_BUNDLE": str(self.ca / "public" / "root.pem"),
        }

    def step(self, title: Sentence) -> None:
        """Begin a step."""
        self._steps += 1
        click.secho(f"\n{self._steps}. {spoken(title)}  [{time.monotonic() - self.started:.1f} s]", bold=True)

    def run(self, *command: str, stdin: str | None = None, code: int = 0, show: int = 12) -> str:
        """Run a command, show it with at most `show` lines of its answer, and return its stdout."""
        shown = " ".join(_quoted(word) for word in command).replace(str(self.folder), "…")
        click.secho(f"  $ {shown}", fg="cyan")
        done = subprocess.run(
            command, capture_output=True, text=True, env=self._environment, input=stdin, timeout=60, check=False
        )
        said = (done.stdout + done.stderr).replace(str(self.folder), "…").splitlines()
        lines = [line.rstrip() for line in said if line.strip()]
        for line in [*lines[:show], *(["…"] if 0 < show < len(lines) else [])]:
            click.echo(f"    {line}")
        if done.returncode != code:
            raise _Failed(f"`{shown}` ended with {done.returncode}.\n{done.stdout}{done.stderr}")
        return done.stdout

    def ask(self, *command: str) -> object:
        """Return the JSON document that a command answers, without showing it."""
        done = subprocess.run(
            [*command, "--json"], capture_output=True, text=True, env=self._environment, timeout=60, check=False
        )
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Make the CA and serve it for as long as the block runs."""
        self.step(sentence("A certificate authority in an empty folder, served over TLS"))
        urls = ("--public-url", f"https://localhost:{self.public}", "--http-url", f"http://localhost:{self.http}")
        listen = ("--officers-listen", f"127.0.0.1:{self.officers}", "--non-interactive")
        self.run("warifu-ca", "init", "--directory", str(self.ca), *urls, *listen, show=2)
        text = self.config.read_text("utf-8").replace("validity_days = 395", "validity_days = 32")
        text = text.replace("password_delay_seconds = 120", "password_delay_seconds = 0")
        self.config.write_text(text, "utf-8")
        _note(sentence("    (for this demo: certificates of 32 days, so that one can be renewed; both mails at once)"))
        with (self.folder / "serve.log").open("wb") as log:
            process = subprocess.Popen(("warifu-ca", "serve"), env=self._environment, stdout=log, stderr=log)
        try:
            self._wait_for(process)
            _note(
                sentence(
                    "    serving https://localhost:{public} and http://localhost:{http}",
                    public=self.public,
                    http=self.http,
                )
            )
            yield
        finally:
            process.terminate()
            process.wait(_SECONDS_TO_WAIT)

    def _wait_for(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _SECONDS_TO_WAIT
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError):
                for port in (self.public, self.http):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                return
            time.sleep(0.05)
        raise _Failed((self.folder / "serve.log").read_text("utf-8"))


def _approve(stage: _Stage) -> list[_Invitation]:
    stage.step(sentence("Two officers, and an application for two certificates"))
    for name in _OFFICERS:
        stage.run("warifu-ca", "officer", "add", name, "--role", "ra")
    stage.run(
        "warifu-ca", "application", "issue", _INSTITUTION, "--institution-name", "みどり銀行",
        "--administrator-family-name", "山田", "--administrator-given-name", "太郎", "--furigana", "やまだ たろう",
        "--email", "yamada@midori.example", "--count", "2", "--officer", _OFFICERS[0],
    )  # fmt: skip
    stage.run("warifu-ca", "application", "examine", "1", "--officer", _OFFICERS[0])
    stage.run("warifu-ca", "application", "approve", "1", "--officer", _OFFICERS[1])
    stage.step(sentence("What the administrator receives: the two halves, each in a mail of its own"))
    invitations = _wait_for_invitations(stage)
    stage.run("warifu-ca", "mailbox", show=45)
    return invitations


def _wait_for_invitations(stage: _Stage) -> list[_Invitation]:
    deadline = time.monotonic() + _SECONDS_TO_WAIT
    while time.monotonic() < deadline:
        urls: dict[str, str] = {}
        passwords: dict[str, str] = {}
        mails = stage.ask("warifu-ca", "mailbox")
        for mail in mails if isinstance(mails, list) else []:
            found = re.search(r"^(https://\S+/e/\S+|(?:[0-9A-Z]{5}-){4}[0-9A-Z]{5})$", mail["text"], re.MULTILINE)
            if found and mail["kind"] in ("enrolment-url", "enrolment-password"):
                (urls if mail["kind"] == "enrolment-url" else passwords)[mail["cn"]] = found[1]
        if len(urls.keys() & passwords.keys()) == 2:
            return [_Invitation(cn, urls[cn], passwords[cn]) for cn in sorted(urls)]
        time.sleep(0.2)
    raise _Failed("the mails did not come")


def _live(stage: _Stage, invitations: list[_Invitation]) -> None:
    first, second = invitations
    root = str(stage.ca / "public" / "root.pem")
    stage.step(sentence("PC 1 enrols with `warifu`"))
    stage.run(
        "warifu", "enroll", first.url, "--ca-file", root, "--password-stdin", "--yes", stdin=first.password + "\n"
    )
    stage.run("warifu", "status")
    stage.step(sentence("PC 2 enrols with certbot, unmodified: `warifu eab` gives its flags"))
    live = _certbot(stage, second, root)
    stage.step(sentence("openssl verifies the chain with both CRLs, and asks OCSP"))
    _judge(stage, live / "cert.pem", revoked=False)
    stage.step(sentence("PC 1 renews; the old certificate stays valid beside the new one"))
    stage.run("warifu", "renew", "--force")
    stage.run("warifu-ca", "certificate", "list")
    stage.step(sentence("PC 2 is lost: an officer revokes its certificate at once"))
    stage.run("warifu-ca", "certificate", "revoke", second.cn, "--reason", "keyCompromise", "--officer", _OFFICERS[0])
    _judge(stage, live / "cert.pem", revoked=True)
    stage.step(sentence("The books balance"))
    stage.run("warifu-ca", "reconcile", show=30)
    _note(sentence("\nDone in {seconds:.1f} s.", seconds=time.monotonic() - stage.started), bold=True)


def _certbot(stage: _Stage, invitation: _Invitation, root: str) -> Path:
    answer = stage.run(
        "warifu", "eab", invitation.url, "--ca-file", root, "--password-stdin", "--json",
        stdin=invitation.password + "\n", show=0,
    )  # fmt: skip
    halves = json.loads(answer)
    folder = stage.folder / "pc-2"
    folder.mkdir()
    flags = folder / "certbot.ini"  # a file, for what stands on a command line can be read by everybody
    write_private(flags, f"eab-kid = {halves['kid']}\neab-hmac-key = {halves['hmac_key']}\n".encode())
    stage.run(
        "certbot", "certonly", "--non-interactive", "--agree-tos", "--register-unsafely-without-email",
        "--config", str(flags), "--server", f"https://localhost:{stage.public}/directory",
        "--config-dir", str(folder / "c"), "--work-dir", str(folder / "w"), "--logs-dir", str(folder / "l"),
        "--standalone", "--domain", invitation.cn.lower(), show=4,
    )  # fmt: skip
    return folder / "c" / "live" / invitation.cn.lower()


def _judge(stage: _Stage, certificate: Path, *, revoked: bool) -> None:
    """Have openssl say what it thinks of the certificate, by CRL and by OCSP."""
    public, lists = stage.ca / "public", stage.folder / "crls.pem"
    pem = b""
    for name in ("root", "issuing-1"):
        pem += subprocess.run(
            ("openssl", "crl", "-inform", "DER", "-in", str(public / f"{name}.crl")), capture_output=True, check=True
        ).stdout
    lists.write_bytes(pem)
    chain, root = str(public / "chain.pem"), str(public / "root.pem")
    stage.run(
        "openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-crl_check_all", "-CAfile", root,
        "-untrusted", chain, "-CRLfile", str(lists), str(certificate), code=2 if revoked else 0,
    )  # fmt: skip
    said = stage.run(
        "openssl", "ocsp", "-issuer", chain, "-cert", str(certificate), "-CAfile", root,
        "-url", f"http://localhost:{stage.http}/ocsp",
    )  # fmt: skip
    if f": {'revoked' if revoked else 'good'}" not in said:
        raise _Failed("OCSP says otherwise")


def _invite(stage: _Stage, invitation: _Invitation) -> None:
    root = stage.ca / "public" / "root.pem"
    _note(sentence("\nThe service runs until you press Ctrl-C. To try it, in another terminal:"), bold=True)
    click.echo(f"  .venv/bin/warifu enroll {invitation.url} --ca-file {root}")
    _note(sentence("  password: {password}", password=invitation.password))
    click.echo(f"  WARIFU_CONFIG={stage.config} .venv/bin/warifu-ca certificate list")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)


def _note(text: Sentence, *, bold: bool = False) -> None:
    click.secho(spoken(text), bold=bold)


def _quoted(word: str) -> str:
    return f"'{word}'" if " " in word else word


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
