"""Real web servers in front of a small upstream, each from a kit of `warifu-ca relying-party`, on free ports.

    with upstream() as behind, open_folder() as folder:
        kit = write_kit(agency, "nginx", folder / "kit", upstream=behind.url)
        with nginx(folder / "run", kit) as server:
            server.get("/warifu-self-test", certificate=pc)

A kit is used as it is but for its ports, which are below 1024 in earnest. What a server writes of its own (pid, logs,
buffers) goes into the folder. A server is ended by its own pid.
"""

import contextlib
import dataclasses
import datetime
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.end_to_end.agency import Agency, environment, free_ports

_PACKAGES = {
    "nginx": "nginx",
    "apache2": "apache2",
    "haproxy": "haproxy",
    "curl": "curl",
    "openssl": "openssl",
    "systemd-analyze": "systemd",
}


def program(name: str) -> str:
    """Return the path of a program, or skip the test naming the Debian package that brings it."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{name} is missing: install the Debian package {_PACKAGES[name]}")
    return path


@dataclasses.dataclass(frozen=True)
class ClientCertificate:
    """What a PC shows: its certificate with the chain, and the key, in PEM files."""

    chain: Path
    key: Path

    @property
    def leaf(self) -> x509.Certificate:
        """Return the certificate itself."""
        return x509.load_pem_x509_certificate(self.chain.read_bytes())

    @property
    def serial(self) -> str:
        """Return its serial number as the CA's commands write it."""
        return f"{self.leaf.serial_number:x}"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What curl brought; `status` is 0 when there was no answer, and `trouble` tells why."""

    status: int
    body: str
    headers: Mapping[str, str]
    trouble: str

    def json(self) -> Any:
        """Return the body as a document."""
        return json.loads(self.body)


@dataclasses.dataclass(frozen=True)
class WebServer:
    """A running server."""

    port: int
    pid: int
    log: Path
    trust: Path
    """What vouches for the server's own certificate."""
    reload_signal: signal.Signals
    ports: tuple[int, ...]

    @property
    def url(self) -> str:
        """Return its address."""
        return f"https://localhost:{self.port}"

    @property
    def reload_command(self) -> str:
        """Return what makes it read its files again."""
        return f"kill -{self.reload_signal.name.removeprefix('SIG')} {self.pid}"

    def reload(self) -> None:
        """Make it read its files again; workers of before may answer for a moment."""
        os.kill(self.pid, self.reload_signal)

    def get(
        self, path: str, certificate: ClientCertificate | None = None, *options: str, port: int | None = None
    ) -> Answer:
        """Ask for a path by curl, on a connection of its own."""
        command = [
            program("curl"), "--silent", "--show-error", "--include", "--max-time", "20", "--noproxy", "*",
            "--cacert", str(self.trust), *options, f"https://localhost:{port or self.port}{path}",
        ]  # fmt: skip
        if certificate is not None:
            command += ["--cert", str(certificate.chain), "--key", str(certificate.key)]
        done = subprocess.run(command, capture_output=True, env=environment(), timeout=30, check=False)
        head, _, body = done.stdout.decode().partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        status = int(first.split()[1]) if first else 0
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Answer(status, body, headers, done.stderr.decode())


@dataclasses.dataclass(frozen=True)
class Upstream:
    """A system behind a server: it answers with the headers it got, as a CGI program would see them."""

    url: str
    seen: list[dict[str, str]]


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder for a kit and its server that workers without privileges can read; those of pytest they cannot."""
    with tempfile.TemporaryDirectory(prefix="warifu-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@contextlib.contextmanager
def upstream() -> Iterator[Upstream]:
    """Run an upstream."""
    seen: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            variables = [(re.sub("[^A-Z0-9]", "_", name.upper()), value) for name, value in self.headers.items()]
            together = {name: ",".join(value for each, value in variables if each == name) for name, _ in variables}
            seen.append(together)
            content = json.dumps(together).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Pass over connections that a web server drops."""

    with Server(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Upstream(f"http://127.0.0.1:{server.server_address[1]}", seen)
        finally:
            server.shutdown()
            thread.join()


def write_kit(agency: Agency, server: str, folder: Path, *options: str, upstream: str = "http://127.0.0.1:9") -> Path:
    """Have the CA write a kit with its first CRL, give it a certificate for `localhost`, and return its folder."""
    deadline = time.monotonic() + 60
    while not any((agency.folder / "public").glob("issuing-*.crl")):
        assert time.monotonic() < deadline, "there is no CRL"
        time.sleep(0.05)
    agency.ca("relying-party", server, "--output", str(folder), "--upstream", upstream, *options)
    if server != "python":
        certify(folder / "tls")
    return folder


def certify(folder: Path) -> None:
    """Make a self-signed certificate for `localhost`, which is what the operator brings."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .serial_number(x509.random_serial_number())
        .public_key(key.public_key())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "server.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    for name in ("server.key", "server.pem.key"):  # HAProxy's is called by the certificate's
        (folder / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@contextlib.contextmanager
def nginx(folder: Path, kit: Path) -> Iterator[WebServer]:
    """Run nginx with a kit's configuration."""
    folder.mkdir(exist_ok=True)
    (port,) = free_ports(1)
    configuration = _with_ports(kit / "nginx.conf", folder, {"    listen 443 ssl": f"    listen 127.0.0.1:{port} ssl"})
    main = folder / "main.conf"
    buffers = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/log notice; worker_processes 1;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{buffers}include {configuration};\n}}\n"
    )
    command = [program("nginx"), "-c", str(main), "-p", str(folder), "-e", str(folder / "log")]
    with _running(command, folder, kit, (port,), signal.SIGHUP) as server:
        yield server


@contextlib.contextmanager
def apache(folder: Path, kit: Path) -> Iterator[WebServer]:
    """Run Apache with a kit's configuration and the modules that its README names."""
    folder.mkdir(exist_ok=True)
    ports = free_ports(2)
    places = {"443": f"127.0.0.1:{ports[0]}", "8443": f"127.0.0.1:{ports[1]}"}
    changes = {f"<VirtualHost *:{old}>": f"<VirtualHost {new}>" for old, new in places.items()}
    changes |= {"Listen 8443\n": f"Listen {places['443']}\nListen {places['8443']}\n"}
    configuration = _with_ports(kit / "apache.conf", folder, changes)
    main = folder / "main.conf"
    enabled = ("mpm_event", "authz_core", *_MODULES)
    modules = "".join(f"LoadModule {each}_module /usr/lib/apache2/modules/mod_{each}.so\n" for each in enabled)
    main.write_text(
        f"ServerRoot {folder}\nServerName localhost\nPidFile {folder}/pid\nDefaultRuntimeDir {folder}\n"
        f"ErrorLog {folder}/log\nLogLevel notice ssl:info\n{modules}Include {configuration}\n"
    )
    command = [program("apache2"), "-f", str(main), "-DFOREGROUND"]
    with _running(command, folder, kit, tuple(ports), signal.SIGUSR1) as server:
        yield server


_MODULES = ("headers", "include", "proxy", "proxy_http", "rewrite", "setenvif", "ssl")


@contextlib.contextmanager
def haproxy(folder: Path, kit: Path) -> Iterator[WebServer]:
    """Run HAProxy with a kit's configuration, a master and its worker as systemd runs them."""
    folder.mkdir(exist_ok=True)
    (port,) = free_ports(1)
    changes = {"bind :443 ": f"bind 127.0.0.1:{port} ", "    user haproxy\n    group haproxy\n": ""}
    configuration = _with_ports(kit / "haproxy.cfg", folder, changes)
    command = [program("haproxy"), "-W", "-db", "-f", str(configuration)]
    with _running(command, folder, kit, (port,), signal.SIGUSR2) as server:
        yield server


SERVERS: dict[str, Callable[[Path, Path], contextlib.AbstractContextManager[WebServer]]] = {
    "nginx": nginx,
    "apache": apache,
    "haproxy": haproxy,
}


def _with_ports(configuration: Path, folder: Path, changes: Mapping[str, str]) -> Path:
    """Return a copy of a configuration with other ports."""
    text = configuration.read_text("utf-8")
    for before, after in changes.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    copy = folder / configuration.name
    copy.write_text(text, "utf-8")
    return copy


@contextlib.contextmanager
def _running(
    command: Sequence[str], folder: Path, kit: Path, ports: tuple[int, ...], reload_signal: signal.Signals
) -> Iterator[WebServer]:
    """Run a server until it is done with, and end it by its pid."""
    log = folder / "log"
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment(), start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not all(_listening(port) for port in ports):
            said = log.read_text("utf-8", "replace")[-3000:]
            assert process.poll() is None, f"{command[0]} ended: {said}"
            assert time.monotonic() < deadline, f"{command[0]} does not answer: {said}"
            time.sleep(0.02)
        yield WebServer(ports[0], process.pid, log, kit / "tls" / "server.pem", reload_signal, ports)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _listening(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False
