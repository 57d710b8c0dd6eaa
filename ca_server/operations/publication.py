"""Publishing what was revoked: CRLs (RFC 5280 §5), by intent, commit, act, record, and the status that OCSP tells.

A round makes the lists of all issuers, for a decision may concern certificates of several:

1. one short write takes the lease, so that one server alone publishes, and the number, which all lists of the round
   bear: above every one taken before and above the published files', so that no number is ever used for two lists, not
   even after a restore; it also notes which decisions the lists will show
2. the entries are read in a snapshot after that commit; what was revoked meanwhile is on the lists too
3. a thread joins and signs the lists and writes each beside its place, synced
4. the lease is renewed, and the files are renamed into place, the list of all before those of its partitions: who was
   stopped for so long that the lease is another's places nothing
5. the publication is recorded, then the completion mails of the revocations that it shows, some at a time: OCSP reads
   the records themselves and showed them with their commit

Where several servers publish, each in a folder of its own, the lists themselves are put on record with the publication,
and the other servers place the same bytes (`place_published`). What was recorded never goes back to a lower number. A
file's time is made of what is on it, so that the same list has the same ETag wherever it is fetched.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
import mmap
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path

from ca_server import store
from ca_server.authority import crl, ocsp
from ca_server.authority.extensions import crl_url_of
from ca_server.authority.signer import Signer
from ca_server.clock import HOUR, Clock
from ca_server.domain.certificates import CertificateStatus
from ca_server.store import audit, calls, certificates, institutions, leases, outbox, revocations
from ca_server.store.calls import Hold
from ca_server.store.certificates import Entries
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason

log = logging.getLogger(__name__)

_EVERY = HOUR
_LEASE = "CRLs"
_LEASE_SECONDS = 15
_RENEWED_EACH = 4
_TOLD_AT_ONCE = 100
_NANOSECONDS = 10**9


@dataclasses.dataclass(frozen=True)
class Press:
    """What an issuer's CRLs are made with: its name and key, where they are published, and how long they are valid.

    `partitions` is how many new certificates are spread over; those that older ones are in have their lists as well.
    `shared`: other servers place them as well.
    """

    issuer: str
    signer: Signer
    path: Path
    url: str
    valid_seconds: int
    partitions: int = 0
    shared: bool = False


@dataclasses.dataclass(frozen=True)
class Edition:
    """The lists of one issuer in a round: of all, and of so many partitions, without what ended before a moment."""

    press: Press
    partitions: int
    ended_after: int


@dataclasses.dataclass(frozen=True)
class Round:
    """CRLs about to be signed, their number taken, and the decisions and holds that they will show."""

    number: int
    this_update: int
    editions: tuple[Edition, ...]
    decisions: tuple[str, ...]
    holds: tuple[Hold, ...]


@dataclasses.dataclass(frozen=True)
class Printed:
    """The lists of one issuer as they lie beside their places, and what is recorded of the list of all."""

    issuer: str
    partitions: int
    sheets: tuple[tuple[Path, Path], ...]
    """Where each lies, and its place, the list of all first and the others by partition."""
    entries: int
    sha256: str
    shared: bool


def told(connection: store.Connection, issuer: str, serial: str) -> ocsp.OcspStatus:
    """Return what OCSP tells of a serial: planned or never issued is unknown, never good."""
    row = certificates.state(connection, issuer, serial)
    if row is None or row[0] == CertificateStatus.PLANNED:
        return ocsp.UNKNOWN
    if row[0] == CertificateStatus.ISSUED:
        return ocsp.GOOD
    return ocsp.revoked(row[1] or 0, RevocationReason(row[2] or 0))


def is_due(connection: store.Connection, presses: Sequence[Press], now: int) -> bool:
    """Tell whether CRLs have to be made: a revocation or a hold waits, or an issuer has none that is good enough.

    That is one unfinished, an hour old, of a time to come, without the list of a partition, or not kept for the other
    servers. Asked at every write.
    """
    if revocations.one_waits(connection) or calls.one_waits(connection):
        return True
    return any(_lacks(connection, press, now) for press in presses)


def _lacks(connection: store.Connection, press: Press, now: int) -> bool:
    newest = revocations.newest_crl(connection, press.issuer)
    if newest is None or newest.published_at is None or not newest.this_update <= now < newest.this_update + _EVERY:
        return True
    if press.shared and revocations.kept_crls(connection, press.issuer)[:1] != [(0, newest.number, newest.this_update)]:
        return True
    return newest.partitions < _partitions(connection, press)


def _partitions(connection: store.Connection, press: Press) -> int:
    return max(press.partitions, certificates.last_partition(connection, press.issuer))


async def publish(database: store.Database, presses: Sequence[Press], holder: str, clock: Clock) -> int | None:
    """Make, sign and publish the next CRLs of all issuers, and return their number; None while another server does.

    `holder` is who this server is. Raises Conflict when its lease went to another meanwhile.
    """
    floor = await asyncio.to_thread(lambda: max(published_number(press.path) for press in presses))
    begun = await database.write(_begin, presses, floor, holder, clock.now())
    if begun is None:
        return None
    async with _kept(database, holder, clock):
        printed = [await _printed(database, begun, edition) for edition in begun.editions]
        await database.write(leases.renew, _LEASE, holder, _LEASE_SECONDS, clock.now())
        await asyncio.to_thread(_lay_out, [sheet for each in printed for sheet in each.sheets])
        contents = await asyncio.to_thread(_contents, printed)
        await database.write(_record, begun, printed, contents, clock.now())
    for start in range(0, len(begun.decisions), _TOLD_AT_ONCE):
        part = begun.decisions[start : start + _TOLD_AT_ONCE]
        await database.write(_complete, part, begun.number, clock.now())
    await database.write(leases.give_back, _LEASE, holder)
    return begun.number


@contextlib.asynccontextmanager
async def _kept(database: store.Database, holder: str, clock: Clock) -> AsyncIterator[None]:
    """Renew the lease while a block runs, however long its lists are; who lost it is told by the renewal before 4."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(_RENEWED_EACH)
            await database.write(leases.renew, _LEASE, holder, _LEASE_SECONDS, clock.now())

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


async def place_published(database: store.Database, presses: Iterable[Press]) -> None:
    """Place here what another server published, where this one's lists are older."""
    for press in presses:
        for part, number, this_update in await database.lookup(revocations.kept_crls, press.issuer):
            path = press.path.with_name(crl_url_of(press.path.name, part))
            if await asyncio.to_thread(published_number, path) < number:
                content = await database.read(revocations.crl_content, press.issuer, part)
                if content is not None and content[0] == number:
                    await asyncio.to_thread(_place_list, path, content[1], (this_update, number))


def _place_list(path: Path, der: bytes, time_of: tuple[int, int]) -> None:
    _lay_out([(_set_down(path, [der], "new", time_of), path)])


def _contents(printed: Iterable[Printed]) -> dict[str, list[bytes]]:
    """Return the placed lists by issuer, of those that other servers place as well."""
    return {each.issuer: [path.read_bytes() for _, path in each.sheets] for each in printed if each.shared}


def published_number(path: Path) -> int:
    """Return the number of the CRL in the file, 0 when there is none: the floor of the next one."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as encoded:
            return crl.number_of(encoded)
    except FileNotFoundError:
        return 0
    except ValueError:
        log.error("ALARM: %s is damaged; the records alone say which number comes next", path)
        return 0


def place(path: Path, content: bytes) -> None:
    """Put a public file in place, whole or not at all: written beside, synced, renamed."""
    _lay_out([(_set_down(path, [content], "new"), path)])


def _set_down(path: Path, pieces: Iterable[bytes], mark: str, time_of: tuple[int, int] | None = None) -> Path:
    """Write a file beside its place; that of a list gets the time of its second and number, everywhere the same."""
    beside = path.with_name(f".{path.name}.{mark}")
    with beside.open("wb") as file:
        os.fchmod(file.fileno(), 0o644)  # for everybody to read and nobody to write, whatever the operator's umask
        file.writelines(pieces)
        file.flush()
        if time_of is not None:
            this_update, number = time_of
            os.utime(file.fileno(), ns=(at := this_update * _NANOSECONDS + number % _NANOSECONDS, at))
        os.fsync(file.fileno())
    return beside


def _lay_out(sheets: Sequence[tuple[Path, Path]]) -> None:
    for beside, path in sheets:
        beside.replace(path)
    for parent in dict.fromkeys(path.parent for _, path in sheets):
        folder = os.open(parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _begin(connection: store.Connection, presses: Sequence[Press], floor: int, holder: str, now: int) -> Round | None:
    if not leases.take(connection, _LEASE, holder, _LEASE_SECONDS, now):
        return None
    waiting = revocations.unpublished(connection)
    since = max((now, *(decision.decided_at for decision in waiting)))
    number = 1 + max(floor, *(revocations.last_number(connection, press.issuer) for press in presses))
    editions = []
    for press in presses:
        newest = revocations.published_crl(connection, press.issuer)
        ended_after = min(now, 0 if newest is None else newest.this_update)
        edition = Edition(press, _partitions(connection, press), ended_after)
        until = since + press.valid_seconds
        revocations.draft_crl(connection, press.issuer, number, (since, until), edition.partitions)
        editions.append(edition)
    decisions = tuple(decision.id for decision in waiting)
    return Round(number, since, tuple(editions), decisions, tuple(calls.unpublished(connection)))


async def _printed(database: store.Database, begun: Round, edition: Edition) -> Printed:
    issuer = edition.press.issuer
    stock = await database.read(certificates.crl_entries, issuer, edition.partitions, edition.ended_after)
    return await asyncio.to_thread(_print, begun, edition, stock)


def _print(begun: Round, edition: Edition, stock: list[Entries]) -> Printed:
    press, sheets, digest = edition.press, [], hashlib.sha256()
    until = begun.this_update + press.valid_seconds
    for part in range(edition.partitions + 1):
        entries = [each.der for each in (stock[part : part + 1] if part else stock)]
        scope = crl_url_of(press.url, part) if part else None
        pieces = crl.pieces(press.signer, entries, begun.number, begun.this_update, until, scope)
        path = press.path.with_name(crl_url_of(press.path.name, part))
        _clear_away(path)
        sheets.append((_set_down(path, pieces, str(begun.number), (begun.this_update, begun.number)), path))
        for piece in () if part else pieces:
            digest.update(piece)
    count = sum(each.count for each in stock)
    return Printed(press.issuer, edition.partitions, tuple(sheets), count, digest.hexdigest(), press.shared)


def _clear_away(path: Path) -> None:
    """Remove what a server that died, or whose lease is over, left beside a place; the latter then places nothing."""
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)


def _record(
    connection: store.Connection,
    begun: Round,
    printed: Iterable[Printed],
    contents: Mapping[str, Sequence[bytes]],
    now: int,
) -> None:
    for each in printed:
        for part, der in enumerate(contents.get(each.issuer, ())):
            revocations.keep_crl(connection, each.issuer, part, begun.number, der)
        revocations.crl_published(connection, each.issuer, (begun.number, each.entries, each.sha256), now)
        audit.record(
            connection,
            now,
            "schedule",
            "CRL published",
            each.issuer,
            number=begun.number,
            entries=each.entries,
            partitions=each.partitions,
            sha256=each.sha256,
        )
    for hold in begun.holds:
        calls.published(connection, hold, now)


def _complete(connection: store.Connection, decisions: Iterable[str], number: int, now: int) -> None:
    for decision_id in decisions:
        revocations.published(connection, decision_id, number, now)
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
