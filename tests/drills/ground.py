"""What every drill stands on: an agency started as it is or with a defect planted, invitations, and two judges.

One judge is the product's own `warifu-ca reconcile`; the other is a handful of queries here, which know nothing of it.
"""

import contextlib
import re
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.drills import planted
from tests.drills.enrolling import Candidate
from tests.drills.letters import letters
from tests.drills.twins import Twins
from tests.end_to_end.agency import INSTITUTION, OFFICERS, Agency, CommandFailed, Invitation

_MOST_AN_APPLICATION = 100
_APPLICATIONS_AN_INSTITUTION = 9


@contextlib.contextmanager
def standing(
    folder: Path, defect: str | None = None, *, hurry: bool = False, orderly: bool = False, authority: str = ""
) -> Iterator[Agency]:
    """Run an agency under the witness, and with a defect if one is named; it is gone at the end.

    `authority` is one more line of that section of its configuration.
    """
    agency = Agency(folder)
    if authority:
        agency.configure("[authority]\n", f"[authority]\n{authority}\n")
    agency.serve_prefix = planted_with(folder, defect, hurry=hurry, orderly=orderly)
    agency.serve()
    try:
        yield agency
    finally:
        if agency.process is not None:
            agency.stop()


def planted_with(folder: Path, defect: str | None, *, hurry: bool = False, orderly: bool = False) -> list[str]:
    """Return what `warifu-ca serve` is started under: the witness, and what is planted."""
    options = [sys.executable, planted.__file__, "--witness", str(folder / "witness")]
    options += [] if defect is None else ["--defect", defect]
    return options + ["--hurry"] * hurry + ["--orderly"] * orderly


def invited(agency: Agency, count: int) -> list[Invitation]:
    """Have `count` certificates approved and return what was mailed."""
    before = {invitation.cn for invitation in delivered(agency)}
    for place, size in enumerate(_sizes(count)):
        approved(agency, size, _institution(place // _APPLICATIONS_AN_INSTITUTION))
    deadline = time.monotonic() + 60 + count / 5
    while time.monotonic() < deadline:
        fresh = [invitation for invitation in delivered(agency) if invitation.cn not in before]
        if len(fresh) == count:
            return fresh
        time.sleep(0.2)
    raise CommandFailed(f"{count} invitations did not come: {agency.log.read_text('utf-8')[-3000:]}")


def delivered(agency: Agency) -> list[Invitation]:
    """Return the invitations of which both mails have come, read from the maildir itself: thousands, often."""
    urls, passwords = {}, {}
    for letter in letters(agency.folder / "mailbox"):
        if letter.kind == "enrolment-url":
            urls[letter.cn] = re.findall(r"^https://\S+/e/\S+$", letter.text, re.MULTILINE)[0]
        if letter.kind == "enrolment-password":
            passwords[letter.cn] = re.findall(r"^(?:[0-9A-Z]{5}-){4}[0-9A-Z]{5}$", letter.text, re.MULTILINE)[0]
    return [Invitation(cn, urls[cn], passwords[cn]) for cn in sorted(urls.keys() & passwords.keys())]


def approved(agency: Agency, count: int, institution: str = INSTITUTION) -> None:
    """Have an application filed, examined and approved, and do not wait for what follows."""
    number = agency.file(count, institution)
    agency.ca("application", "examine", str(number), "--officer", OFFICERS[0])
    agency.ca("application", "approve", str(number), "--officer", OFFICERS[1])


def _institution(place: int) -> str:
    """Return the code of the institution that applies, or of one that follows it: a code has 999 numbers."""
    return f"F{int(INSTITUTION[1:]) + place}"


def _sizes(count: int) -> list[int]:
    whole, rest = divmod(count, _MOST_AN_APPLICATION)
    return [_MOST_AN_APPLICATION] * whole + ([rest] if rest else [])


@contextlib.contextmanager
def records(agency: Agency) -> Iterator[Any]:
    """Open the database to read, beside the running service."""
    if isinstance(agency, Twins):
        with agency.records() as opened:
            yield opened
        return
    path = next(iter(agency.folder.rglob("warifu.db")))
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        yield connection
    finally:
        connection.close()


def settled(agency: Agency, seconds: float) -> None:
    """Wait until no plan stands and no mail is pending. Raises CommandFailed."""
    open_ends = (
        "SELECT (SELECT count(*) FROM certificate WHERE status = 'planned') "
        "+ (SELECT count(*) FROM outbox WHERE status = 'pending') "
        "+ (SELECT count(*) FROM application WHERE status = 'approved')"
    )
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with records(agency) as connection:
            if connection.execute(open_ends).fetchone()[0] == 0:
                return
        time.sleep(0.2)
    raise CommandFailed(f"plans or mails are still open after {seconds} s")


_FAULTS = {
    "a certificate issued without its bytes": "SELECT serial FROM certificate WHERE status = 'issued' AND der IS NULL",
    "a plan that nobody finished": "SELECT serial FROM certificate WHERE status = 'planned'",
    "two certificates of one seat": (
        "SELECT cn FROM certificate WHERE status <> 'aborted' AND predecessor IS NULL GROUP BY cn HAVING count(*) > 1"
    ),
    "a URL used without a certificate, or the reverse": (
        "SELECT k.cn FROM credential k LEFT JOIN certificate c ON c.credential_id = k.id AND c.der IS NOT NULL "
        "WHERE k.kind = 'enrol' AND (k.status = 'used') <> (c.serial IS NOT NULL)"
    ),
    "a certificate without its audit entry": (
        "SELECT c.serial FROM certificate c WHERE c.status = 'issued' AND NOT EXISTS (SELECT 1 FROM audit a WHERE "
        "a.subject = c.cn AND a.action = 'certificate issued' AND a.detail LIKE '%' || c.serial || '%')"
    ),
    "a certificate without its mail": (
        "SELECT c.serial FROM certificate c WHERE c.status = 'issued' AND NOT EXISTS "
        "(SELECT 1 FROM outbox o WHERE o.serial = c.serial AND o.kind = 'fetched')"
    ),
    "a credential without its two mails": (
        "SELECT k.id FROM credential k WHERE (SELECT count(*) FROM outbox o WHERE o.credential_id = k.id "
        "AND (o.kind LIKE '%-url' OR o.kind LIKE '%-password')) <> 2"
    ),
    "a mail that was given up": "SELECT id FROM outbox WHERE status IN ('dead', 'pending')",
}


def faults(agency: Agency) -> list[str]:
    """Return what is wrong in the books: our own queries, the database's own check, and `warifu-ca reconcile`."""
    found = []
    with records(agency) as connection:
        for sentence, query in _FAULTS.items():
            found += [f"{sentence}: {row[0]}" for row in connection.execute(query)]
        if not isinstance(agency, Twins) and connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            found.append("the database is damaged")
    try:
        agency.balance()
    except CommandFailed:
        books = agency.ca("reconcile", code=5)["books"]
        found += [f"reconcile, {book['name']}: {finding}" for book in books for finding in book["findings"]]
    return found


def finished_by_another(agency: Agency) -> int:
    """Return how many plans outlived the server that made them, and were finished by the next one."""
    with records(agency) as connection:
        return int(connection.execute("SELECT count(*) FROM certificate WHERE attempts > 0").fetchone()[0])


def signed_unseen(agency: Agency) -> list[str]:
    """Return the serials that the key signed, by the witness, and that the records do not know."""
    with records(agency) as connection:
        known = {row[0] for row in connection.execute("SELECT serial FROM certificate")}
    return sorted(set(signatures(agency)) - known)


def signatures(agency: Agency) -> list[str]:
    """Return the serials that the key signed so far, by the witness."""
    return [serial for each in agency.scratch.glob("witness*") for serial in each.read_text("ascii").split()]


def without_their_one(agency: Agency, candidates: list[Candidate]) -> list[str]:
    """Return the CNs whose PC does not hold exactly the one certificate that the records have for it."""
    recorded: dict[str, list[str]] = {}
    for one in agency.certificates():
        recorded.setdefault(one["cn"], []).append(one["serial"])
    found = []
    for candidate in candidates:
        cn = candidate.invitation.cn
        if candidate.chain is None:
            found.append(f"{cn} has none")
            continue
        leaf = x509.load_pem_x509_certificate(candidate.chain)
        spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        own = leaf.public_key().public_bytes(*spki) == candidate.certificate_key.public_key().public_bytes(*spki)
        if recorded.get(cn) != [f"{leaf.serial_number:x}"] or not own:
            found.append(f"{cn} has {leaf.serial_number:x}, the records {recorded.get(cn)}")
    return found


def errors_of_its_own(tally: Mapping[tuple[int, str], int]) -> list[str]:
    """Return the 5xx answers that are not the documented 503."""
    return [f"{count} × {status} {word}" for (status, word), count in tally.items() if status >= 500 and status != 503]


def fresh(folder: Path) -> Path:
    """Return an empty folder, made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
