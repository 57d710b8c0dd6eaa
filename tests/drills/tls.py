"""TLS: testssl looks at the service's own listener, and at nginx with conf/nginx.conf before it.

What it holds against the certificate of a trial is left out: that CA is private, publishes no status, and `localhost`
has no DNS.
"""

import concurrent.futures
import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.drills import planted
from tests.drills.figures import Figure, none_of
from tests.end_to_end.agency import Agency, environment
from tests.end_to_end.proxy import running_behind_nginx

PROGRAM = "testssl"
EVERYTHING = ("--protocols", "--std", "--fs", "--server-preference", "--server-defaults", "--headers", "--vulnerable")
_NOT_OK = {"LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL"}
_OF_A_TRIAL = {"cert_chain_of_trust", "cert_revocation", "DNS_CAArecord"}


def drill(
    folder: Path, checks: Sequence[str] = EVERYTHING, defect: str | None = None, *, nginx: bool = True
) -> list[Figure]:
    """Have `checks` made of the service, and of nginx before it, at the same time."""
    if shutil.which(PROGRAM) is None or (nginx and shutil.which("nginx") is None):
        return [Figure(f"tls: {PROGRAM} or nginx is missing", "-", "skipped", met=True)]
    with _standing(folder, defect, nginx=nginx) as (agency, ports), concurrent.futures.ThreadPoolExecutor() as threads:
        looking = {
            name: threads.submit(_look, port, agency.scratch / f"{name}.json", checks) for name, port in ports.items()
        }
        return [figure for name, findings in looking.items() for figure in judged(name, findings.result(), len(checks))]


def judged(name: str, findings: Sequence[Mapping[str, str]], least: int) -> list[Figure]:
    """Return how many findings are well, at least one for each check, and which are not."""
    well = sum(finding["severity"] == "OK" for finding in findings)
    ill = [
        f"{finding['id']}: {finding['severity']}, {finding['finding']}"
        for finding in findings
        if finding["severity"] in _NOT_OK and finding["id"] not in _OF_A_TRIAL
    ]
    return [
        Figure(f"tls: {name}, ok", f"≥ {least}", str(well), well >= least),
        none_of(f"tls: {name}, not ok", ill),
    ]


@contextlib.contextmanager
def _standing(folder: Path, defect: str | None, *, nginx: bool) -> Iterator[tuple[Agency, dict[str, int]]]:
    """Run an agency and return it with the ports to look at."""
    if nginx:
        with running_behind_nginx(folder) as proxied:
            yield proxied.agency, {"serve": proxied.direct, "nginx": proxied.agency.public_port}
        return
    agency = Agency(folder)
    agency.serve_prefix = [sys.executable, planted.__file__, *(["--defect", defect] if defect else [])]
    agency.serve()
    try:
        yield agency, {"serve": agency.public_port}
    finally:
        agency.stop()


def _look(port: int, document: Path, checks: Sequence[str]) -> list[dict[str, str]]:
    command = [
        PROGRAM, *checks, "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "--jsonfile",
        str(document), f"https://localhost:{port}",
    ]  # fmt: skip
    subprocess.run(
        command,
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        cwd=document.parent,
        env=environment(),
        check=False,
    )
    findings = json.loads(document.read_text("utf-8"))
    assert isinstance(findings, list)
    return findings
