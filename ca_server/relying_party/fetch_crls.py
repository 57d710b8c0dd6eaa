#!/usr/bin/env python3
"""Fetch the CRLs that client certificates are checked against, and have the server read them when they have changed.

Stands beside `fetch-crls.ini`, the CAs' certificates in `crls/NAME.pem` and the CRLs in `crls/NAME.crl`; the server
reads `crl.pem`, in which all of them stand. Needs Python 3.9 or later and the command `openssl`, nothing else.

A CRL is taken when its own CA has signed it, its time has begun and is not over, and its number is higher than that of
the one that is there: nobody on the way can bring an old list back (RFC 5280 §5.2.3). It is written beside and renamed.
Whatever fails is told on stderr, leaves the old file as it is, and makes the exit code 1.
"""

import configparser
import fcntl
import hashlib
import os
import shlex
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
MOST_SECONDS = 60
MOST_BYTES = 256 * 1024 * 1024  # a revoked certificate takes some 40 bytes


class Refused(Exception):
    """This CRL is not taken; the text says why."""


@dataclass(frozen=True)
class Facts:
    """What openssl reads in a CRL."""

    number: int
    last_update: float
    next_update: float


def main() -> int:
    """Fetch all, then have the server read what has changed. Return the exit code."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.optionxform = str  # type: ignore[assignment,method-assign]  # names of CAs keep their case
    settings.read_string((FOLDER / "fetch-crls.ini").read_text("utf-8"))
    with (FOLDER / "crls" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        failures = [failure for name, url in settings["crls"].items() if (failure := refresh(name, url))]
        put_together(list(settings["crls"]))
        if "serials" in settings:
            list_serials(list(settings["crls"]), FOLDER / settings["serials"]["file"])
        failures += have_it_read(settings["reload"]["command"])
    for failure in failures:
        print(f"fetch-crls: {failure}", file=sys.stderr)
    return 1 if failures else 0


def refresh(name: str, url: str) -> "str | None":
    """Bring one CRL up to date; return what went wrong."""
    path = FOLDER / "crls" / f"{name}.crl"
    try:
        fetched = fetch(url)
        if not path.exists() or fetched != path.read_bytes():
            judge(name, fetched, path)
            place(path, fetched)
    except (Refused, OSError, ValueError, subprocess.SubprocessError) as error:
        return f"{url}: {error}; the CRL that is there stays"
    return None


def fetch(url: str) -> bytes:
    """Return what the URL holds, within limits of time and size."""
    deadline = time.monotonic() + MOST_SECONDS
    if not url.startswith(("http://", "https://")):
        raise Refused("not a http URL")
    parts, size = [], 0
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
        while part := answer.read1(1 << 20):
            parts.append(part)
            size += len(part)
            if size > MOST_BYTES:
                raise Refused(f"more than {MOST_BYTES} bytes")
            if time.monotonic() > deadline:
                raise Refused(f"not here after {MOST_SECONDS} seconds")
    return b"".join(parts)


def judge(name: str, fetched: bytes, path: Path) -> None:
    """Raise Refused when a fetched CRL may not take the place of the one in `path`."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(fetched)
        file.flush()
        # The one CA is all that is trusted here; `openssl crl` tells of the signature on stderr alone.
        authority = ["-CAfile", str(FOLDER / "crls" / f"{name}.pem"), "-no-CApath", "-no-CAstore"]
        told = openssl("crl", "-inform", "DER", "-in", file.name, "-noout", *authority)
        if told.returncode != 0 or "verify OK" not in told.stderr.splitlines():
            raise Refused("not a CRL that the CA has signed")
        new = facts(file.name)
    now = time.time()
    if new.last_update > now:
        raise Refused("a CRL whose time has not begun; is the clock right?")
    if new.next_update <= now:
        raise Refused("a CRL whose time is over")
    if path.exists() and new.number <= (old := facts(str(path)).number):
        raise Refused(f"CRL number {new.number} after number {old}, which is an older one (or remove {path})")


def facts(path: str) -> Facts:
    """Return number and times of a DER CRL. Raises Refused when it lacks one of them."""
    told = openssl("crl", "-inform", "DER", "-in", path, "-noout", "-crlnumber", "-lastupdate", "-nextupdate")
    values = dict(line.partition("=")[::2] for line in told.stdout.splitlines())
    try:
        times = (ssl.cert_time_to_seconds(values[name]) for name in ("lastUpdate", "nextUpdate"))
        return Facts(int(values["crlNumber"], 16), *times)
    except (KeyError, ValueError) as error:
        raise Refused("a CRL without a number or without times") from error


def openssl(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run openssl."""
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=MOST_SECONDS, check=False)


def put_together(names: "list[str]") -> None:
    """Write crl.pem, which the server reads, when it is not what the CRLs are together."""
    pem = b""
    for path in (FOLDER / "crls" / f"{name}.crl" for name in names):
        if path.exists():
            pem += openssl("crl", "-inform", "DER", "-in", str(path), "-outform", "PEM").stdout.encode()
    together = FOLDER / "crl.pem"
    if not together.exists() or together.read_bytes() != pem:
        place(together, pem)


def list_serials(names: "list[str]", path: Path) -> None:
    """Write a line for each revoked certificate, when they are not what is there."""
    lines = []
    for name in names:
        told = openssl("crl", "-inform", "DER", "-in", str(FOLDER / "crls" / f"{name}.crl"), "-noout", "-text")
        serials = (line.partition("Serial Number: ") for line in told.stdout.splitlines())
        lines += [f"{serial} revoked\n" for _, found, serial in serials if found]
    content = "".join(lines).encode()
    if not path.exists() or path.read_bytes() != content:
        place(path, content)


def have_it_read(command: str) -> "list[str]":
    """Run the command when crl.pem is not what the server read last, and return what went wrong.

    What was read is remembered only once the command has succeeded, so one that fails is run again next time.
    """
    digest = hashlib.sha256((FOLDER / "crl.pem").read_bytes()).hexdigest()
    mark = FOLDER / "crls" / ".read"
    if not command.strip() or (mark.exists() and mark.read_text() == digest):
        return []
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=120, check=False)
        if done.returncode == 0:
            place(mark, digest.encode())
            return []
        why = done.stderr.strip() or f"exit code {done.returncode}"
    except (OSError, subprocess.SubprocessError) as error:
        why = str(error)
    return [f"{command}: {why}; the server does not know the new CRLs yet"]


def place(path: Path, content: bytes) -> None:
    """Put a file in place, whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


if __name__ == "__main__":
    sys.exit(main())
