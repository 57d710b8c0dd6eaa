"""The places of audit entries and the Merkle tree over them: tiles of 256 hashes (c2sp.org/tlog-tiles).

A tile of level 0 holds the hashes of 256 leaves, one of level n the roots of 256 complete tiles of the level below. The
last tile of a level grows until it is full. So a batch writes a few rows whatever the size of the tree, and a proof
reads a few. Each institution's log of certificates is kept as the complete subtrees that it consists of.
"""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Integer, bindparam, func, insert, select, update

from ca_server.domain import merkle
from ca_server.domain.audit_entry import SIGNED, Entry, Placed
from ca_server.domain.checkpoint import Head
from ca_server.domain.merkle import HASH_LENGTH, Peaks
from ca_server.language import sentence
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.errors import Conflict
from ca_server.store.statement import Statement

TILE_BITS = 8
TILE = 1 << TILE_BITS

_a, _t, _i = tables.audit.c, tables.audit_tile.c, tables.institution_log.c
_ENTRY = (_a.id, _a.at, _a.actor, _a.action, _a.subject, _a.result, _a.detail, _a.salt)
_UNPLACED = Statement(select(*_ENTRY).where(_a.place.is_(None)).order_by(_a.id).limit(bindparam("most")))
_OLDEST_UNPLACED = Statement(select(_a.at).where(_a.place.is_(None)).order_by(_a.id).limit(1))
_numbered = (
    select(_a.id, (bindparam("start", type_=Integer) + func.row_number().over(order_by=_a.id) - 1).label("place"))
    .where(_a.place.is_(None), _a.id <= bindparam("last"))
    .subquery()
)
_PLACE = Statement(update(tables.audit).where(_a.id == _numbered.c.id).values(place=_numbered.c.place))
_SALT = Statement(update(tables.audit).where(_a.id == bindparam("entry")).values(salt=bindparam("fresh")))
_BETWEEN = Statement(
    select(_a.place, *_ENTRY).where(_a.place >= bindparam("first"), _a.place < bindparam("end")).order_by(_a.place)
)
_WAITING = Statement(select(func.count()).where(_a.place.is_(None)))
_PLACED = Statement(select(func.count()).where(_a.place.is_not(None)))
_OF_ID = Statement(select(_a.place).where(_a.id == bindparam("entry")))
_OF_SUBJECT = Statement(
    select(_a.place).where(_a.subject == bindparam("about"), _a.place.is_not(None)).order_by(_a.place)
)
_ISSUED = Statement(
    select(_a.place, *_ENTRY)
    .join(tables.seat, tables.seat.c.cn == _a.subject)
    .where(
        tables.seat.c.institution == bindparam("code"),
        _a.action.in_(SIGNED),
        _a.place < bindparam("end"),
    )
    .order_by(_a.place)
)
_ERASABLE = Statement(
    select(*_ENTRY)
    .where(_a.salt.is_not(None), _a.at < bindparam("before"))
    .order_by(_a.at, _a.id)
    .limit(bindparam("most"))
)
_ERASE = Statement(
    update(tables.audit)
    .where(_a.id == bindparam("entry"))
    .values(actor=bindparam("who"), detail=bindparam("text"), salt=None)
)
_TILE = Statement(select(_t.hashes).where(_t.level == bindparam("height"), _t.number == bindparam("index")))
_LAST_TILE = Statement(select(_t.number, _t.hashes).where(_t.level == 0).order_by(_t.number.desc()).limit(1))
_BEGIN_TILE = Statement(insert(tables.audit_tile))
_GROW_TILE = Statement(
    update(tables.audit_tile)
    .where(_t.level == bindparam("height"), _t.number == bindparam("index"))
    .values(hashes=bindparam("whole"))
)
_LOG = Statement(select(_i.size, _i.peaks).where(_i.institution == bindparam("code")))
_HEADS = Statement(select(_i.institution, _i.size, _i.head).order_by(_i.institution))
_BEGIN_LOG = Statement(insert(tables.institution_log))
_GROW_LOG = Statement(
    update(tables.institution_log)
    .where(_i.institution == bindparam("code"), _i.size == bindparam("before"))
    .values(size=bindparam("after"), head=bindparam("root"), peaks=bindparam("whole"))
)


def unplaced(connection: Connection, most: int) -> list[Entry]:
    """Return entries without a place, in the order in which they were written."""
    return [Entry(*row) for row in _UNPLACED.all(connection, most=most)]


def waiting_since(connection: Connection) -> int | None:
    """Return the moment of the oldest entry without a place, None when there is none."""
    row = _OLDEST_UNPLACED.one(connection)
    return None if row is None else int(row[0])


def size(connection: Connection) -> int:
    """Return how many entries the tree has."""
    row = _LAST_TILE.one(connection)
    return 0 if row is None else int(row[0]) * TILE + len(row[1]) // HASH_LENGTH


def append(connection: Connection, placed: Sequence[Placed]) -> None:
    """Give entries their places at the end of the tree, and extend it: the oldest that have none, in their order.

    Raises Conflict when they are not those, for another wrote one meanwhile.
    """
    if _PLACE.run(connection, start=placed[0].place, last=placed[-1].entry.id) != len(placed):
        raise Conflict(sentence("Another entry came between those that were about to get their places."))
    for each in placed:
        if each.entry.salt is not None:
            _SALT.must(connection, entry=each.entry.id, fresh=each.entry.salt)
    level, start, hashes = 0, placed[0].place, [each.hash for each in placed]
    while hashes:
        hashes = _append(connection, level, start, hashes)
        level, start = level + 1, start >> TILE_BITS


def _append(connection: Connection, level: int, start: int, hashes: list[bytes]) -> list[bytes]:
    """Write hashes at the end of a level, and return the roots of the tiles that became full."""
    full = []
    while hashes:
        number, filled = divmod(start, TILE)
        here, hashes = hashes[: TILE - filled], hashes[TILE - filled :]
        before = _tile(connection, level, number) if filled else b""
        if len(before) != filled * HASH_LENGTH:
            raise ValueError(f"The tile {number} of level {level} has not {filled} hashes: the tree is damaged.")
        whole = before + b"".join(here)
        if filled:
            _GROW_TILE.must(connection, height=level, index=number, whole=whole)
        else:
            _BEGIN_TILE.run(connection, level=level, number=number, hashes=whole)
        start += len(here)
        if start % TILE == 0:
            full.append(merkle.root_of(merkle.unpacked(whole)))
    return full


def _tile(connection: Connection, level: int, number: int) -> bytes:
    row = _TILE.one(connection, height=level, index=number)
    return b"" if row is None else bytes(row[0])


class Tiles:
    """The tree as it is kept, for proofs; each tile is read once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._read: dict[tuple[int, int], list[bytes]] = {}

    def subtree(self, height: int, place: int) -> bytes:
        """Return the root of a complete subtree. Raises ValueError when the tree lacks it."""
        level, inner = divmod(height, TILE_BITS)
        number, first = divmod(place << inner, TILE)
        hashes = self.tile(level, number)[first : first + (1 << inner)]
        if len(hashes) != 1 << inner:
            raise ValueError(f"The tree has no subtree of height {height} at place {place}.")
        return merkle.root_of(hashes)

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` entries. Raises ValueError when there are not so many."""
        return merkle.root(0, size, self.subtree)

    def tile(self, level: int, number: int) -> list[bytes]:
        """Return the hashes of a tile."""
        if (level, number) not in self._read:
            self._read[level, number] = merkle.unpacked(_tile(self._connection, level, number))
        return self._read[level, number]


def between(connection: Connection, first: int, end: int) -> Iterator[Placed]:
    """Yield the entries placed from `first` to before `end`, with the hashes kept for them: a tile's at a time."""
    for number in range(first >> TILE_BITS, -(-end // TILE)):
        start = number * TILE
        hashes = merkle.unpacked(_tile(connection, 0, number))
        for row in _BETWEEN.all(connection, first=max(first, start), end=min(end, start + TILE)):
            inside = row[0] - start
            yield Placed(row[0], hashes[inside] if inside < len(hashes) else b"", Entry(*row[1:]))


def count_placed(connection: Connection) -> int:
    """Return how many entries have a place."""
    row = _PLACED.one(connection)
    return 0 if row is None else int(row[0])


def count_waiting(connection: Connection) -> int:
    """Return how many entries have no place yet."""
    row = _WAITING.one(connection)
    return 0 if row is None else int(row[0])


def places(connection: Connection, what: str) -> list[int]:
    """Return the places of the entry with this id, or of all entries about a subject, in order."""
    row = _OF_ID.one(connection, entry=what)
    if row is not None:
        return [] if row[0] is None else [int(row[0])]
    return [int(row[0]) for row in _OF_SUBJECT.all(connection, about=what)]


def issued_to(connection: Connection, institution: str, end: int) -> list[Placed]:
    """Return the entries of all certificates issued to an institution, of the first `end` entries, in order."""
    return [Placed(row[0], b"", Entry(*row[1:])) for row in _ISSUED.all(connection, code=institution, end=end)]


def erasable(connection: Connection, before: int, most: int) -> list[Entry]:
    """Return placed entries from before a moment that still hold personal fields, oldest first."""
    return [Entry(*row) for row in _ERASABLE.all(connection, before=before, most=most)]


def erase(connection: Connection, entry: Entry) -> None:
    """Write an entry without its personal fields and its salt."""
    _ERASE.must(connection, entry=entry.id, who=entry.actor, text=entry.detail)


def log_of(connection: Connection, institution: str) -> Peaks:
    """Return the log of an institution's certificates."""
    row = _LOG.one(connection, code=institution)
    return Peaks() if row is None else Peaks(row[0], merkle.unpacked(row[1]))


def write_logs(connection: Connection, logs: Mapping[str, tuple[int, Peaks]]) -> None:
    """Write logs of institutions that grew, each with its size before. Raises Conflict when it grew meanwhile."""
    for code, (before, peaks) in logs.items():
        head, whole = peaks.root().hex(), peaks.packed()
        if before:
            _GROW_LOG.must(connection, code=code, before=before, after=peaks.size, root=head, whole=whole)
        else:
            _BEGIN_LOG.run(connection, institution=code, size=peaks.size, head=head, peaks=whole)


def heads(connection: Connection) -> list[Head]:
    """Return the heads of all institutions' logs, by code."""
    return [Head(code, count, bytes.fromhex(head)) for code, count, head in _HEADS.all(connection)]
