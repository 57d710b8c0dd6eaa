"""nginx by conf/nginx.conf before a service.

The file is used as it stands but for what it marks for change, ports, and places in a temporary folder.
"""

import contextlib
import dataclasses
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.end_to_end.agency import Agency, environment, free_ports
from tests.end_to_end.web_servers import program

CONFIGURATION = Path(__file__).parents[2] / "conf" / "nginx.conf"
ELSEWHERE = "127.0.0.7"
NGINX = "127.0.0.9"


@dataclasses.dataclass(frozen=True)
class Proxied:
    """An agency behind nginx: its URLs are nginx's, and `direct` is where the service itself listens."""

    agency: Agency
    direct: int
    logs: Path

    def ask(self, *words: str, url: str = "") -> tuple[int, dict[str, list[str]], bytes]:
        """Ask by curl from another address of this machine; return status, headers and body."""
        curl = [
            program("curl"), "--silent", "--include", "--noproxy", "*", "--interface", ELSEWHERE, "--max-time", "10",
            "--path-as-is", "--cacert", str(self.agency.root), *words, url or f"{self.agency.public_url}/directory",
        ]  # fmt: skip
        done = subprocess.run(curl, capture_output=True, env=environment(), timeout=20, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers: dict[str, list[str]] = {}
        for name, value in (line.split(": ", 1) for line in lines):
            headers.setdefault(name.lower(), []).append(value)
        return int(status.split()[1]), headers, body

    def wait(self) -> None:
        """Wait until the service answers behind nginx."""
        deadline = time.monotonic() + 60
        while self.ask()[0] != 200:
            assert time.monotonic() < deadline, self.agency.log.read_text("utf-8")
            time.sleep(0.1)


@contextlib.contextmanager
def running_behind_nginx(folder: Path) -> Iterator[Proxied]:
    """Run an agency with nginx before both of its addresses; nginx asks the service from an address of its own."""
    agency = Agency(folder)
    behind = dict(zip(("public", "http"), free_ports(2), strict=True))
    for name, port in behind.items():
        front = getattr(agency, f"{name}_port")
        agency.configure(f'{name}_listen = "127.0.0.1:{front}"', f'{name}_listen = "127.0.0.1:{port}"')
    agency.configure("[server]\n", f'[server]\ntrusted_proxies = ["{NGINX}"]\n')
    with _nginx(agency, behind, folder / "nginx"):
        agency.serve()
        try:
            proxied = Proxied(agency, behind["public"], folder / "nginx" / "logs")
            proxied.wait()
            yield proxied
        finally:
            agency.stop()


@contextlib.contextmanager
def _nginx(agency: Agency, behind: dict[str, int], folder: Path) -> Iterator[None]:
    (folder / "logs").mkdir(parents=True)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    changes = {
        r"^ *listen \[::\].*\n": "",
        r"listen 443 ": f"listen 127.0.0.1:{agency.public_port} ",
        r"listen 80;": f"listen 127.0.0.1:{agency.http_port};",
        r"server 127\.0\.0\.1:8443;": f"server 127.0.0.1:{behind['public']};",
        r"server 127\.0\.0\.1:8080;": f"server 127.0.0.1:{behind['http']};",
        r"https://ca\.example\.jp": agency.public_url,
        r"/etc/ssl/ca\.example\.jp/fullchain\.pem": str(agency.folder / "tls" / "server.pem"),
        r"/etc/ssl/ca\.example\.jp/privkey\.pem;": (
            f"{agency.folder}/tls/server.key.pem; ssl_password_file {agency.folder}/secrets/server.passphrase;"
        ),
        r"ca\.example\.jp": "localhost",
        r"/srv/warifu": str(agency.folder),
        r"/var/log/nginx": str(folder / "logs"),
        r"/run/nginx\.pid": str(folder / "pid"),
        r"^http \{": f"http {{\n{temporary}proxy_bind {NGINX};\n",
    }
    text = CONFIGURATION.read_text("utf-8")
    for before, after in changes.items():
        text, count = re.subn(before, after.replace("\\", "\\\\"), text, flags=re.MULTILINE)
        assert count, before
    (folder / "nginx.conf").write_text(text, "utf-8")
    command = [program("nginx"), "-c", f"{folder}/nginx.conf", "-p", str(folder), "-e", f"{folder}/logs/error.log"]
    process = subprocess.Popen([*command, "-g", "daemon off;"], env=environment())
    try:
        yield
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(10)
