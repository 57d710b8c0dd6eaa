"""Canaries: no secret of a run in anything that the run wrote, in none of the forms in which one leaks.

Every kid, password, MAC key, private key and passphrase of a trial is looked for in every file under its folder (logs,
the database with its write-ahead log, published files, traces as a collector gets them) and in every column of every
table: in clear, in lower case, in hexadecimal, in base64 at each of its three alignments, across line breaks. Two
places are meant for secrets: the folder of the secrets itself, and the one kind of mail that brings each half.
"""

import asyncio
import base64
import collections
import contextlib
import dataclasses
import importlib.util
import os
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast
from unittest import mock

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from keys.algorithms import PrivateKey
from protocol.credential import mac_key, normalise_password
from tests.drills import ground, raw_http
from tests.drills.enrolling import Caller, Candidate, Refused, bind, enrol
from tests.drills.figures import Figure, none_of
from tests.drills.letters import letters
from tests.end_to_end.agency import Agency, Invitation

_GRAM = 8
_SHORTEST = 2 * _GRAM - 1
_CLEAR_KEYS = (b"BEGIN PRIVATE KEY", b"BEGIN EC PRIVATE KEY", b"BEGIN RSA PRIVATE KEY")


@dataclasses.dataclass(frozen=True)
class Secret:
    """Something that must stand nowhere, but for the mails of one kind; each form of it is looked for."""

    name: str
    forms: tuple[bytes, ...]
    allowed_in: str | None = None


def pem(key: PrivateKey) -> bytes:
    """Return a trial's key in clear, to hand it to a client process."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_of(text: bytes) -> PrivateKey:
    """Return the key that `pem` wrote."""
    return cast(PrivateKey, load_pem_private_key(text, None))


def secrets_of(
    agency: Agency, invitations: Iterable[Invitation], keys: Iterable[tuple[str, PrivateKey]]
) -> list[Secret]:
    """Return every secret there is: the halves, what they make, the keys of PCs and of the CA, the passphrases."""
    found = []
    for invitation in invitations:
        cn, kid, password = invitation.cn, invitation.kid, normalise_password(invitation.password)
        grouped = invitation.password.encode()
        found.append(Secret(f"kid of {cn}", text_forms(kid.encode()), "enrolment-url"))
        found.append(Secret(f"password of {cn}", text_forms(password.encode(), grouped), "enrolment-password"))
        found.append(Secret(f"MAC key of {cn}", octet_forms(mac_key(kid, password))))
    found += [Secret(name, octet_forms(_scalar(key))) for name, key in (*keys, *_authority_keys(agency))]
    for path in sorted((agency.folder / "secrets").iterdir()):
        found.append(Secret(path.name, text_forms(path.read_bytes().strip())))
    return found


def _authority_keys(agency: Agency) -> Iterator[tuple[str, PrivateKey]]:
    secrets = agency.folder / "secrets"
    for path in sorted(agency.folder.rglob("*.key.pem")):
        name = "tls-ca" if path.name == "ca.key.pem" else path.name.removesuffix(".key.pem")
        phrase = (secrets / f"{name}.passphrase").read_bytes().strip()
        yield f"key {path.name}", cast(PrivateKey, load_pem_private_key(path.read_bytes(), phrase))


def _scalar(key: PrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):  # of the audit log's checkpoints
        return key.private_bytes_raw()
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8)


def text_forms(*texts: bytes) -> tuple[bytes, ...]:
    """Return the forms in which a text leaks."""
    clear = (*texts, *(text.lower() for text in texts))
    return (*clear, *(form for text in texts for form in (*_base64(text), text.hex().encode())))


def octet_forms(octets: bytes) -> tuple[bytes, ...]:
    """Return the forms in which octets leak."""
    return octets, octets.hex().encode(), octets.hex().upper().encode(), *_base64(octets)


def _base64(octets: bytes) -> Iterator[bytes]:
    """Yield what stays the same of `octets` in base64 at each alignment, whatever stands before and after."""
    for before, skipped in ((0, 0), (1, 2), (2, 3)):
        whole = base64.b64encode(bytes(before) + octets)
        kept = (before + len(octets)) * 8 // 6
        yield from {whole[skipped:kept], whole.translate(bytes.maketrans(b"+/", b"-_"))[skipped:kept]}


class Search:
    """Finds any of thousands of secrets in one pass: a secret covers at least one whole block of eight octets."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._grams: dict[bytes, list[tuple[Secret, bytes]]] = collections.defaultdict(list)
        for secret in secrets:
            for form in secret.forms:
                assert len(form) >= _SHORTEST, secret.name
                for start in range(len(form) - _GRAM + 1):
                    self._grams[form[start : start + _GRAM]].append((secret, form))

    def found_in(self, text: bytes, letter_kind: str | None = None) -> set[str]:
        """Return the names of the secrets that stand in `text`, also across line breaks."""
        names = {marker.decode() for marker in _CLEAR_KEYS if marker in text}
        for haystack in (text, text.translate(None, b"\r\n\t ")):
            for start in range(0, len(haystack), _GRAM):
                for secret, form in self._grams.get(haystack[start : start + _GRAM], ()):
                    near = haystack[max(0, start - len(form)) : start + _GRAM + len(form)]
                    if form in near and (letter_kind is None or secret.allowed_in != letter_kind):
                        names.add(secret.name)
        return names


def leaks(agency: Agency, secrets: list[Secret]) -> list[str]:
    """Return where which secret stands: in files, letters and columns of the database."""
    search = Search(secrets)
    apart = (agency.folder / "secrets", agency.folder / "mailbox")
    found = []
    for path in sorted(agency.scratch.rglob("*")):
        if path.is_file() and not any(path.is_relative_to(folder) for folder in apart):
            found += [f"{name} in {path.name}" for name in search.found_in(path.read_bytes())]
    for letter in letters(agency.folder / "mailbox"):
        headers = letter.path.read_bytes().partition(b"\r\n\r\n")[0]
        words = headers + letter.text.encode()
        found += [f"{name} in a mail {letter.kind}" for name in search.found_in(words, letter.kind)]
    return found + _leaks_in_columns(agency, search)


def _leaks_in_columns(agency: Agency, search: Search) -> list[str]:
    found = []
    with ground.records(agency) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = connection.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in rows.description]
            for row in rows:
                for column, value in zip(columns, row, strict=True):
                    octets = value.encode() if isinstance(value, str) else value
                    if isinstance(octets, bytes):
                        found += [f"{name} in {table}.{column}" for name in search.found_in(octets)]
    return found


def figures(drill_name: str, agency: Agency, candidates: Iterable[Candidate]) -> list[Figure]:
    """Return the figure of a run: where its secrets stand in what it wrote."""
    candidates = list(candidates)
    keys = [(f"account key of {one.invitation.cn}", one.account_key) for one in candidates]
    keys += [(f"certificate key of {one.invitation.cn}", one.certificate_key) for one in candidates]
    secrets = secrets_of(agency, ground.delivered(agency), keys)
    return [none_of(f"{drill_name}: leaks of {len(secrets)} secrets", leaks(agency, secrets))]


def drill(folder: Path, enrolments: int = 40, seed: int = 1, defect: str | None = None) -> list[Figure]:
    """Make a run with everything that writes words down, mistakes among it, and look through all that it left."""
    del seed  # nothing here is left to chance
    traces = folder / "traces"
    with _collecting(traces), ground.standing(folder, defect, hurry=True) as agency:
        candidates = [Candidate(invitation) for invitation in ground.invited(agency, enrolments)]
        asyncio.run(_mistakes(agency, candidates))
        ground.settled(agency, 60)
        agency.stop()  # which sends the last traces
        return [_searched(traces), *figures("canaries", agency, candidates)]


@contextlib.contextmanager
def _collecting(traces: Path) -> Iterator[None]:
    """Be the collector of OpenTelemetry that services started meanwhile send their traces to."""

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with traces.open("ab") as file:
                file.write(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with mock.patch.dict(os.environ, {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}):
            yield
    finally:
        server.shutdown()
        server.server_close()


def _searched(traces: Path) -> Figure:
    """Return how many octets of traces there are to look through, where the service can make any."""
    what, size = "canaries: octets of traces searched", traces.stat().st_size if traces.exists() else 0
    if importlib.util.find_spec("opentelemetry.sdk") is None:
        return Figure(what, "-", "OpenTelemetry is not installed", met=True)
    return Figure(what, "1 or more", f"{size:,}", size > 0)


async def _mistakes(agency: Agency, candidates: list[Candidate]) -> None:
    """Open every URL, give wrong passwords and torn requests, then enrol all but the last."""
    async with Caller(agency.public_url, agency.trust()) as caller:
        for place, candidate in enumerate(candidates[:-1]):
            invitation = candidate.invitation
            for accept in ("text/html", "application/json"):
                await caller.exchange("GET", invitation.url, headers={"Accept": accept})
            await caller.exchange("POST", invitation.url, invitation.password.encode())
            await caller.exchange("GET", f"{invitation.url}?password={invitation.password}")
            for torn in (f"GET /e/{invitation.kid} HTTP/1.1\xc0", f"GET /e/{invitation.kid}\x00 HTTP/1.1"):
                await raw_http.say(agency.public_port, agency.trust(), torn.encode("latin-1") + b"\r\n\r\n")
            neighbour = candidates[place + 1].invitation
            stranger = Candidate(dataclasses.replace(invitation, password=neighbour.password))
            with contextlib.suppress(Refused):
                await bind(caller, stranger)
            await enrol(caller, candidate, 60)
