"""A sequencer and a notary for tests: what a running server does for the audit log, done at once."""

import asyncio
import functools
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ca_server.domain.checkpoint import Checkpoint
from ca_server.operations import audit_export, audit_log
from ca_server.operations.audit_log import Notary
from ca_server.operations.audit_verification import Examination, Verified
from ca_server.store import SynchronousDatabase
from keys.algorithms import PrivateKey
from keys.generate import generate
from keys.signed_note import NoteKey

ORIGIN = "ca.example/audit"
HOLDER = "a test"


class Awaited:
    """The records as the procedures of a running server ask for them."""

    def __init__(self, records: SynchronousDatabase) -> None:
        self._records = records

    async def write(self, operation: Any, *arguments: Any) -> Any:
        return self._records.write(operation, *arguments)

    async def lookup(self, operation: Any, *arguments: Any) -> Any:
        return self._records.read(operation, *arguments)


class At:
    """A clock that stands."""

    def __init__(self, moment: int) -> None:
        self._moment = moment

    def now(self) -> int:
        return self._moment


@functools.cache
def key() -> PrivateKey:
    return generate("Ed25519")


def note_key(private: PrivateKey | None = None) -> NoteKey:
    return NoteKey.of(ORIGIN, private or key())


def notary(folder: Path) -> Notary:
    return Notary(ORIGIN, key(), folder / "public" / "audit")


def place(records: SynchronousDatabase, now: int, holder: str = HOLDER) -> int:
    """Give every entry its place, and return how many had none."""
    return asyncio.run(audit_log.sequence(Awaited(records), holder, now))  # type: ignore[arg-type]


def sign(records: SynchronousDatabase, who: Notary, now: int) -> Checkpoint | None:
    """Place what has no place, then make and publish a checkpoint."""
    place(records, now)
    return asyncio.run(audit_log.publish(Awaited(records), who, HOLDER, At(now)))  # type: ignore[arg-type]


def exported(records: SynchronousDatabase) -> list[str]:
    """Return the lines of an export."""
    file = io.StringIO()
    records.read(audit_export.write, lambda line: file.write(f"{line}\n"), lambda done, total: None)
    return file.getvalue().splitlines(keepends=True)


def verified(lines: Iterable[str], *kept: Checkpoint, keys: tuple[NoteKey, ...] | None = None) -> Verified:
    """Verify an export with the public key alone. Raises Altered."""
    return Examination(keys or (note_key(),), kept).take(audit_export.read(lines))
