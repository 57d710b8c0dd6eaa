"""Publishing what was revoked: CRLs (RFC 5280 §5), by intent, commit, act, record, and the status that OCSP tells.

The number is taken before the list is signed, above every one recorded and above the published file's, so that no
number is ever used for two lists, not even after a restore. The file is written beside, synced and renamed. Only then
is the publication recorded, and in the same transaction the completion mails of the revocations that it shows: OCSP
reads the records themselves and showed them with their commit.
"""

import asyncio
import dataclasses
import hashlib
import logging
import os
from pathlib import Path

from cryptography import x509

from ca_server import store
from ca_server.authority import crl, ocsp
from ca_server.authority.signer import Signer
from ca_server.clock import HOUR, Clock
from ca_server.domain.certificates import CertificateStatus
from ca_server.store import audit, calls, certificates, institutions, outbox, revocations
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason

log = logging.getLogger(__name__)

_EVERY = HOUR


@dataclasses.dataclass(frozen=True)
class Press:
    """What a CRL is made with: the issuer's name and key, where it is published, and how long it is valid."""

    issuer: str
    signer: Signer
    path: Path
    valid_seconds: int


@dataclasses.dataclass(frozen=True)
class Draft:
    """A CRL about to be signed, its number taken, and the decisions it will show."""

    number: int
    entries: list[bytes]
    this_update: int
    next_update: int
    decisions: tuple[str, ...]


def told(connection: store.Connection, issuer: str, serial: str) -> ocsp.OcspStatus:
    """Return what OCSP tells of a serial: planned or never issued is unknown, never good."""
    row = certificates.state(connection, issuer, serial)
    if row is None or row[0] == CertificateStatus.PLANNED:
        return ocsp.UNKNOWN
    if row[0] == CertificateStatus.ISSUED:
        return ocsp.GOOD
    return ocsp.revoked(row[1] or 0, RevocationReason(row[2] or 0))


def is_due(connection: store.Connection, issuer: str, now: int) -> bool:
    """Tell whether a CRL has to be made: none yet, the last unfinished or an hour old, a revocation or a hold waits."""
    newest = revocations.newest_crl(connection, issuer)
    if newest is None or newest.published_at is None or not newest.this_update <= now < newest.this_update + _EVERY:
        return True
    return bool(revocations.unpublished(connection)) or calls.changed_since(connection, newest.this_update)


async def publish(database: store.Database, press: Press, clock: Clock) -> int:
    """Make, sign and publish the next CRL, and return its number."""
    floor = await asyncio.to_thread(published_number, press.path)
    draft = await database.write(_draft, press.issuer, floor, press.valid_seconds, clock.now())
    der = await asyncio.to_thread(
        crl.build, press.signer, draft.entries, draft.number, draft.this_update, draft.next_update
    )
    await asyncio.to_thread(place, press.path, der)
    await database.write(_record, press.issuer, draft, hashlib.sha256(der).hexdigest(), clock.now())
    return draft.number


def published_number(path: Path) -> int:
    """Return the number of the CRL in the file, 0 when there is none: the floor of the next one."""
    try:
        published = x509.load_der_x509_crl(path.read_bytes())
        return published.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except FileNotFoundError:
        return 0
    except ValueError:
        log.error("ALARM: %s is damaged; the records alone say which number comes next", path)
        return 0


def place(path: Path, content: bytes) -> None:
    """Put a public file in place, whole or not at all: written beside, synced, renamed."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _draft(connection: store.Connection, issuer: str, floor: int, valid_seconds: int, now: int) -> Draft:
    newest = revocations.published_crl(connection, issuer)
    before = newest.this_update if newest is not None else 0
    entries = certificates.crl_entries(connection, issuer, ended_after=min(before, now))
    waiting = revocations.unpublished(connection)
    since = max(now, *(decision.decided_at for decision in waiting)) if waiting else now
    times = (since, since + valid_seconds)
    decisions = tuple(decision.id for decision in waiting)
    number = revocations.number_crl(connection, issuer, floor, times, len(entries))
    return Draft(number, entries, *times, decisions)


def _record(connection: store.Connection, issuer: str, draft: Draft, digest: str, now: int) -> None:
    revocations.crl_published(connection, issuer, draft.number, digest, now)
    audit.record(
        connection,
        now,
        "schedule",
        "CRL published",
        issuer,
        number=draft.number,
        entries=len(draft.entries),
        sha256=digest,
    )
    for decision_id in draft.decisions:
        revocations.published(connection, decision_id, draft.number, now)
        _tell(connection, decision_id, now)


def _is_abort(connection: store.Connection, decision: revocations.Revocation) -> bool:
    """Tell whether it ended nothing but plans that came to nothing, of which nobody has to be told."""
    ended = [certificates.find(connection, serial) for serial in decision.serials.split()]
    return any(each is not None and each.status is CertificateStatus.ABORTED for each in ended)


def _tell(connection: store.Connection, decision_id: str, now: int) -> None:
    decision = revocations.get(connection, decision_id)
    institution = None
    if decision is not None:
        institution = institutions.find(connection, CommonName.parse(decision.cn).institution)
    if decision is None or institution is None or _is_abort(connection, decision):
        return
    mail = outbox.Mail(
        "",
        "revoked",
        institution.administrator.email,
        institution.language,
        str(institution.code),
        cn=decision.cn,
        application=decision.application,
        revocation_id=decision_id,
    )
    outbox.put(connection, mail, now)
