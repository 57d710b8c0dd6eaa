"""Restore: the CA's folder is lost under load; a backup made before, and the CRL that relying systems have, remain.

Between backup and loss people enrol with URLs that the backup holds open, and officers revoke. Afterwards no CRL number
and no serial number comes again, what was revoked stays revoked, no URL yields a second certificate, and the books
balance. The mails of fresh pairs leave after hours; the drill turns those ahead, as if they were over.
"""

import asyncio
import contextlib
import dataclasses
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509

from tests.drills import acts, forgetful, ground
from tests.drills.enrolling import Caller, Candidate, Refused, bind, enrol
from tests.drills.figures import Figure, counted, none_of
from tests.drills.growing import grown
from tests.end_to_end.agency import BIN, Agency, environment
from tests.end_to_end.questions import judge

_WORDS = {"records": "the records' passphrase", "one": "one person's passphrase", "other": "another's passphrase"}
_AT_ONCE = 4
_MOST_SECONDS = 60
_SECONDS_TO_SETTLE = 60
_SECONDS_OF_A_CHECKPOINT = 75


@dataclasses.dataclass
class Life:
    """What happened before the loss, as the people and relying systems outside know it."""

    early: list[Candidate]
    """Enrolled before the backup; the first three were revoked after it."""
    during: list[Candidate]
    late: list[Candidate]
    """Enrolled after the backup, with URLs that it holds open; the first was revoked."""
    spare: list[Candidate]
    """Never enrolled."""
    backup_seconds: float = 0
    while_it_was_made: int = 0
    crl: bytes = b""
    export: Path | None = None
    planned: set[str] = dataclasses.field(default_factory=set)
    """The serials whose plans stood when the backup was made."""

    @property
    def revoked(self) -> dict[int, tuple[Any, ...]]:
        """Return what relying systems know to be revoked, with moments and reasons."""
        return marks(self.crl)


def drill(
    folder: Path, certificates: int = 40, grow: int = 0, log: bool = False, defect: str | None = None
) -> list[Figure]:
    """Lose a CA of so many certificates, and of `grow` more made beforehand; with `log` an audit log was exported."""
    with ground.standing(folder, hurry=True) as agency:
        for name, words in _WORDS.items():
            (folder / name).write_text(words + "\n", "utf-8")
        if grow:
            agency.stop()
            grown(agency, grow)
            agency.serve()
        candidates = [Candidate(invitation) for invitation in ground.invited(agency, certificates)]
        quarter = certificates // 4
        life = Life(*(candidates[place * quarter : (place + 1) * quarter] for place in range(4)))
        asyncio.run(_live(agency, life))
        _end(agency, life, log)
        found = _blind(agency, defect)
        agency.stop(signal.SIGKILL)
        shutil.rmtree(agency.folder)
        before = ground.signatures(agency)
        started = time.monotonic()
        told = _restored(agency, agency.folder, _outlived(life), defect)
        seconds = time.monotonic() - started
        life.planned = _four_hours_later(agency)
        agency.serve()
        ready = time.monotonic() - started
        figures = _judged(agency, life, told, before)
        return [
            Figure("restore: a backup under load", "any", f"{life.backup_seconds:.1f} s", met=True),
            Figure("restore: enrolled meanwhile", "1 or more", str(life.while_it_was_made), life.while_it_was_made > 0),
            Figure(
                f"restore: {certificates // 2 + grow} certificates, served again",
                f"≤ {_MOST_SECONDS} s",
                f"{seconds:.1f}, {ready:.1f} s",
                ready <= _MOST_SECONDS,
            ),
            Figure(
                "restore: the next CRL number without a list at hand",
                f"> {number(life.crl)}",
                str(found),
                found > number(life.crl),
            ),
            *figures,
        ]


async def _live(agency: Agency, life: Life) -> None:
    async with Caller(agency.public_url, agency.trust(), longest_wait=1) as caller:
        await _enrolled(caller, life.early)
        making = asyncio.create_task(asyncio.to_thread(_back_up, agency))
        fetched = 0
        for candidate in life.during:
            await enrol(caller, candidate)
            fetched += not making.done()
        life.backup_seconds, life.while_it_was_made = await making, fetched
        await _enrolled(caller, life.late)


async def _enrolled(caller: Caller, candidates: Sequence[Candidate]) -> None:
    for start in range(0, len(candidates), _AT_ONCE):
        await asyncio.gather(*(enrol(caller, each) for each in candidates[start : start + _AT_ONCE]))


def _back_up(agency: Agency) -> float:
    scratch, started = agency.scratch, time.monotonic()
    passphrases = ("--passphrase-file", str(scratch / "records"), *_people(scratch))
    agency.ca("backup", str(scratch / "records.backup"), "--keys", str(scratch / "keys.backup"), *passphrases)
    return time.monotonic() - started


def _people(scratch: Path) -> tuple[str, ...]:
    return tuple(word for name in ("one", "other") for word in ("--keys-passphrase-file", str(scratch / name)))


def _end(agency: Agency, life: Life, log: bool) -> None:
    """Have officers revoke, and take what relying systems and auditors have in hand."""
    for candidate, reason in zip(life.early, ("superseded", "keyCompromise", "cessationOfOperation"), strict=False):
        agency.revoke(candidate.invitation.cn, reason=reason)
    agency.revoke(life.late[0].invitation.cn)
    acts.settled(agency, _SECONDS_TO_SETTLE)
    life.crl = _fetched_crl(agency)
    (agency.scratch / "newest.crl").write_bytes(life.crl)
    if log:
        time.sleep(_SECONDS_OF_A_CHECKPOINT)
        life.export = agency.scratch / "audit.jsonl"
        agency.ca("audit", "export", str(life.export))


def _outlived(life: Life) -> list[str]:
    given = ["--newest-crl", "newest.crl"]
    return given if life.export is None else [*given, "--audit-export", str(life.export)]


def _blind(agency: Agency, defect: str | None) -> int:
    """Restore beside, with nothing but the backup at hand, and return above which number the next CRL is."""
    beside = agency.scratch / "beside"
    document = _restored(agency, beside, [], defect)
    shutil.rmtree(beside)
    return int(document["crl_number"]) + 1


def _restored(agency: Agency, into: Path, outlived: Sequence[str], defect: str | None) -> Any:
    program = [str(BIN / "warifu-ca")] if defect is None else [sys.executable, forgetful.__file__, defect]
    passphrases = ("--passphrase-file", "records", *_people(Path()))
    command = [*program, "restore", "records.backup", "--keys", "keys.backup", "--directory", str(into), "--json"]
    words = [*command, *passphrases, *outlived]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), cwd=agency.scratch, check=False)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def _four_hours_later(agency: Agency) -> set[str]:
    """Let the mails of the fresh pairs leave now, and return the serials whose plans stood when the backup was made.

    Those are signed again, as after a crash: the same bytes, and so the same certificate.
    """
    with contextlib.closing(sqlite3.connect(agency.folder / "warifu.db")) as records:
        records.execute("UPDATE outbox SET next_try = created_at WHERE status = 'pending'")
        records.commit()
        return {str(row[0]) for row in records.execute("SELECT serial FROM certificate WHERE status = 'planned'")}


def _judged(agency: Agency, life: Life, told: Any, before: Sequence[str]) -> list[Figure]:
    accepted, fresh = asyncio.run(_tried(agency, life, told["invited"]))
    _settled(agency)
    crl = _fetched_crl(agency)
    now_revoked, again = marks(crl), set(before) & set(ground.signatures(agency)[len(before) :])
    forgotten = [f"{serial:x}" for serial, mark in life.revoked.items() if now_revoked.get(serial) != mark]
    asks = judge(agency.chain)
    heard = [f"{each:x}" for each in life.revoked if asks.ask(agency.http_port, each, nonced=True).word != "revoked"]
    last, following = number(life.crl), number(crl)
    return [
        Figure("restore: the next CRL number", f"> {last}", str(following), following > last),
        none_of(f"restore: of {len(life.revoked)} revoked, not so on the next CRL", forgotten),
        none_of("restore: and by OCSP", heard),
        none_of("restore: old URLs that still bind an account", accepted),
        counted("restore: fresh URLs that yield their one", len(told["invited"]), fresh),
        none_of("restore: serial numbers that came again", sorted(again - life.planned)),
        none_of("restore: faults in the books", ground.faults(agency)),
    ]


async def _tried(agency: Agency, life: Life, invited: Sequence[str]) -> tuple[list[str], int]:
    """Return the CNs whose URLs of before still work, and for how many the fresh ones brought a certificate."""
    async with Caller(agency.public_url, agency.trust(), longest_wait=1) as caller:
        held_open = [*life.during, *life.late, *life.spare]
        accepted = [each.invitation.cn for each in held_open if await _accepts(caller, each)]
        await asyncio.to_thread(_settled, agency)
        fresh = [Candidate(each) for each in ground.delivered(agency) if each.cn in invited]
        await _enrolled(caller, fresh)
    return accepted, len(fresh)


def _settled(agency: Agency) -> None:
    with contextlib.suppress(AssertionError):  # what is still open then is a fault in the books
        acts.settled(agency, _SECONDS_TO_SETTLE)


def _fetched_crl(agency: Agency) -> bytes:
    with urllib.request.urlopen(f"{agency.http_url}/crl/issuing-1.crl", timeout=20) as answer:
        content: bytes = answer.read()
    return content


async def _accepts(caller: Caller, candidate: Candidate) -> bool:
    """Tell whether a URL of before the loss binds an account of a new PC."""
    try:
        await bind(caller, Candidate(candidate.invitation))
    except Refused:
        return False
    return True


def number(crl: bytes) -> int:
    """Return the number of a CRL."""
    found: int = x509.load_der_x509_crl(crl).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    return found


def marks(crl: bytes) -> dict[int, tuple[Any, ...]]:
    """Return moment and reason of every serial number on a CRL."""
    found = {}
    for each in x509.load_der_x509_crl(crl):
        reasons = [one.value.reason.name for one in each.extensions if isinstance(one.value, x509.CRLReason)]
        found[each.serial_number] = (each.revocation_date_utc, *reasons)
    return found
