"""The OCSP responders that are measured: ours, and what Debian brings.

- nginx hands the same answers out as static files, with the same headers: the limit of what a server can do
- cfssl's `ocspserve` (1.2.0, ten years old) answers POSTs from the same answers; its GET is broken
- `openssl ocsp` signs each answer when it is asked, one connection for each
"""

import base64
import contextlib
import os
import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPMessage
from pathlib import Path
from urllib.parse import unquote

from bench import openssl_index
from bench.asking import RESPONSE, Question
from bench.population import Population
from bench.processes import SERVER_CORE, pinned, program, running, wait_until_listening
from ca_server import keyring
from ca_server.config import Config, load
from keys.keystore import save_key
from tests.end_to_end.agency import Agency, free_ports

_AS_NGINX = "Cache-Control", "Expires"


@dataclass(frozen=True)
class Server:
    """A responder that runs."""

    name: str
    port: int
    pid: int


@contextlib.contextmanager
def ours(agency: Agency, cores: tuple[int, ...] = (SERVER_CORE,)) -> Iterator[Server]:
    """Run `warifu-ca serve` with one worker a core; ACME and the schedule count among its CPU time."""
    agency.serve_prefix = pinned(*cores)
    set_workers(agency, len(cores))
    agency.serve()
    assert agency.process is not None
    try:
        yield Server("warifu", agency.http_port, agency.process.pid)
    finally:
        agency.stop()


def set_workers(agency: Agency, workers: int) -> None:
    """Say in the configuration how many workers answer OCSP, and that answers live a day: none ages while we look."""
    before, mark, _ = agency.config.read_text("utf-8").partition("\n# the benchmark's\n")
    agency.config.write_text(f"{before}\n# the benchmark's\n[responder]\nworkers = {workers}\n", "utf-8")
    if not mark:
        agency.configure("[authority]\n", "[authority]\nocsp_answer_minutes = 1440\n")


@contextlib.contextmanager
def nginx(
    folder: Path,
    answers: Sequence[tuple[Question, bytes]],
    headers: HTTPMessage,
    cores: tuple[int, ...],
) -> Iterator[Server]:
    """Run nginx over the answers as files, in its fast settings: no log, open files kept."""
    path = program("nginx", "nginx")
    for question, answer in answers:
        file = folder / "files" / unquote(question.path).lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(answer)
    (port,) = free_ports(1)
    added = "".join(f"add_header {name} '{headers[name]}';" for name in _AS_NGINX if headers[name])
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 21_000)
    if files < len(answers) + 1_000:
        raise RuntimeError(f"nginx cannot keep {len(answers):,} files open, which would slow it down: see ulimit -Hn")
    settings = folder / "nginx.conf"
    settings.write_text(
        f"""daemon off; worker_processes {len(cores)}; worker_rlimit_nofile {files}; error_log stderr crit;
{"user root;" if os.geteuid() == 0 else ""} pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile off; open_file_cache max={files - 1_000} inactive=1h; open_file_cache_valid 1h;
    keepalive_requests 1000000000; keepalive_timeout 300; etag on; {places}
    server {{
        listen 127.0.0.1:{port} reuseport; root {folder}/files; merge_slashes off;
        location /ocsp/ {{ default_type {RESPONSE}; {added} }}
    }}
}}
"""
    )
    log = folder / "nginx.log"
    with running([*pinned(*cores), path, "-c", str(settings), "-e", "stderr"], log) as process:
        wait_until_listening(port, process, log)
        yield Server("nginx", port, process.pid)


@contextlib.contextmanager
def cfssl(folder: Path, answers: Sequence[tuple[Question, bytes]], cores: tuple[int, ...]) -> Iterator[Server]:
    """Run Debian's `cfssl ocspserve` over the answers."""
    path = program("cfssl", "golang-cfssl")
    (folder / "responses").write_text("\n".join(base64.b64encode(answer).decode() for _, answer in answers))
    (port,) = free_ports(1)
    log = folder / "cfssl.log"
    command = [*pinned(*cores), path, "ocspserve", "-loglevel=5", "-address=127.0.0.1", f"-port={port}"]
    with running([*command, f"-responses={folder / 'responses'}"], log) as process:
        wait_until_listening(port, process, log)
        yield Server("cfssl", port, process.pid)


@contextlib.contextmanager
def openssl(folder: Path, agency: Agency, population: Population) -> Iterator[Server]:
    """Run `openssl ocsp` with the agency's own OCSP signer and the same certificates."""
    path = program("openssl", "openssl")
    config = load(agency.config)
    key = folder / "ocsp.key.pem"
    certificate = _signer(config, key)
    openssl_index.write(folder / "index.txt", population, range(population.count))
    (port,) = free_ports(1)
    log = folder / "openssl.log"
    command = [
        *pinned(SERVER_CORE), path, "ocsp", "-port", str(port), "-index", str(folder / "index.txt"),
        "-CA", str(config.authority.issuing_certificate), "-rsigner", str(certificate), "-rkey", str(key),
        "-resp_key_id", "-rmd", "sha256", "-nmin", "60",
    ]  # fmt: skip
    with running(command, log) as process:
        wait_until_listening(port, process, log)
        yield Server("openssl", port, process.pid)


def _signer(config: Config, key: Path) -> Path:
    """Write the OCSP signer's key in the clear, into a folder that is ours alone, and return its certificate's path."""
    authority = config.authority
    signer = keyring.load_signer(authority.ocsp_certificate, authority.ocsp_key, authority.ocsp_passphrase_file)
    save_key(key, signer.private_key, None)
    return authority.ocsp_certificate
