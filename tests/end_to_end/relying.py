"""What tests of the responder stand on: an agency with certificates, its processes, and waiting for something."""

import asyncio
import base64
import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.drills.enrolling import Caller, Candidate, enrol
from tests.end_to_end.agency import Agency


def enrolled(agency: Agency, count: int) -> list[Candidate]:
    """Return so many PCs with a certificate each."""
    candidates = [Candidate(each) for each in agency.approve(count)]

    async def enrolling() -> None:
        async with Caller(agency.public_url, agency.trust()) as caller:
            await asyncio.gather(*(enrol(caller, candidate) for candidate in candidates))

    asyncio.run(enrolling())
    return candidates


def serial_of(candidate: Candidate) -> int:
    """Return the serial number of a PC's certificate."""
    assert candidate.chain is not None
    return x509.load_pem_x509_certificate(candidate.chain).serial_number


async def revoke(caller: Caller, candidate: Candidate) -> None:
    """Have a PC revoke its own certificate (RFC 8555 §7.6)."""
    assert candidate.chain is not None
    der = x509.load_pem_x509_certificate(candidate.chain).public_bytes(Encoding.DER)
    asked = {"certificate": base64.urlsafe_b64encode(der).decode().rstrip("="), "reason": 4}
    answer = await caller.post(candidate.signer, caller.url("revoke-cert"), json.dumps(asked).encode())
    assert answer.status == 200, answer


def processes(pid: int, role: str) -> list[int]:
    """Return the processes of a role, keeper or worker, that a `serve` or a `responder` runs."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text("ascii").split():
            with contextlib.suppress(FileNotFoundError):  # it has just ended
                if role.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    found.append(int(child))
    return found


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and is not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(is_so: Callable[[], bool], seconds: float) -> float:
    """Wait until something is so, and return the seconds that it took. Raises AssertionError when it does not come."""
    started = time.monotonic()
    while not is_so():
        assert time.monotonic() - started < seconds, f"still not so after {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - started


def settled(counted: Callable[[], float]) -> float:
    """Return a counter once what was asked before is in it: workers tell what they answered each second."""
    while True:
        before = counted()
        time.sleep(2.5)
        if counted() == before:
            return before


def memory(pid: int) -> int:
    """Return the octets of memory that are a process's own or shared."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
