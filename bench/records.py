"""Fills the records of a stopped agency with certificates that were never issued, as many as are asked for.

What one real enrolment left in each table is the pattern: its rows are written again with names, serials and ids of
their own, so every column is of the size and kind that the product writes. What is not copied is said in `NOTE`.
Indexes are dropped first and built at the end, and nothing is synced meanwhile: who loses power begins again.
"""

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex

from bench.population import Population
from ca_server.authority import crl
from ca_server.domain.certificates import CertificateStatus
from ca_server.store import tables

NOTE = "records are a generator's: copies of one real enrolment's rows, without the certificates' own bytes"
_EACH = (
    tables.seat, tables.credential, tables.account, tables.acme_order, tables.certificate, tables.outbox, tables.audit,
)  # fmt: skip

FIRST_PLACE = 2
"""The real enrolment took the first place in the order of changes; the population's follow."""

Value = str | int | bytes | None
Cells = dict[str, Value]


def fill(database: Path, population: Population, *, certificates_alone: bool = False) -> None:
    """Write the population's rows, of the certificates alone or of all that an enrolment leaves.

    The records must hold one enrolment and its certificate.
    """
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-524288", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        patterns = _patterns(connection)
        wanted = (tables.certificate,) if certificates_alone else _EACH
        for table in wanted:
            _rewrite(connection, table, patterns, population)
        if not certificates_alone:
            _found_institutions(connection, population)
        connection.execute("PRAGMA journal_mode=WAL")


def _rewrite(connection: sqlite3.Connection, table: Table, patterns: "_Patterns", population: Population) -> None:
    for index in table.indexes:
        connection.execute(f"DROP INDEX {index.name}")
    connection.execute("BEGIN")
    connection.executemany(_insertion(table), patterns.rows(table, population))
    connection.execute("COMMIT")
    for index in table.indexes:
        connection.execute(str(CreateIndex(index).compile(dialect=sqlite.dialect())))


def _found_institutions(connection: sqlite3.Connection, population: Population) -> None:
    (pattern,) = _all(connection, tables.institution)[:1]
    rows = (pattern | {"code": population.institution(number)} for number in range(population.institutions))
    connection.execute("BEGIN")
    connection.executemany(_insertion(tables.institution), (list(row.values()) for row in rows))
    connection.execute("COMMIT")


def _insertion(table: Table) -> str:
    names = [column.name for column in table.columns]
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


def _all(connection: sqlite3.Connection, table: Table) -> list[Cells]:
    names = [column.name for column in table.columns]
    rows = connection.execute(f"SELECT {', '.join(names)} FROM {table.name}")
    return [dict(zip(names, row, strict=True)) for row in rows]


class _Patterns:
    """The rows of one enrolment, by table, and the names in them that are another's in each copy."""

    def __init__(self, names: dict[str, str], kept: dict[str, list[Cells]]) -> None:
        self._names = names
        self._kept = kept

    def rows(self, table: Table, population: Population) -> Iterator[list[Value]]:
        """Yield the rows of a table for every place, in the order of their places."""
        patterns = [(row, self._changing(table, row)) for row in self._kept[table.name]]
        own = self._own(table)
        for place in range(population.count):
            names = self._of(population, place)
            for number, (row, changing) in enumerate(patterns):
                cells = dict(row)
                for column, name in changing:
                    cells[column] = str(cells[column]).replace(self._names[name], names[name])
                for column in own:
                    text = str(row[column])
                    cells[column] = f"{place * len(patterns) + number:x}".rjust(len(text), "g")
                if table is tables.certificate:
                    _turn(cells, population, place)
                elif table is tables.seat:
                    cells["number"] = int(names["cn"][8:])
                elif table is tables.audit:  # before all places in the tree, which does not know them
                    cells["place"] = -1 - (place * len(patterns) + number)
                yield list(cells.values())

    def _changing(self, table: Table, row: Cells) -> list[tuple[str, str]]:
        """Return which columns of a row name what of the enrolment."""
        return [
            (column, name)
            for (column, value), (name, old) in itertools.product(row.items(), self._names.items())
            if isinstance(value, str) and (value == old if name == "institution" else old in value)
        ]

    def _own(self, table: Table) -> list[str]:
        """Return the columns that no two rows share and that name nothing of the enrolment: ids of the row's own."""
        named = {column for row in self._kept[table.name] for column, _ in self._changing(table, row)}
        alone = {column.name for column in table.columns if (column.primary_key or column.unique)}
        return sorted(alone - named - {"place"})

    def _of(self, population: Population, place: int) -> dict[str, str]:
        cn = population.cn(place)
        return {
            "institution": cn[:7],
            "cn": cn,
            "serial": f"{population.serial(place):x}",
            "account": f"g{place:025x}",
            "order": f"h{place:025x}",
            "credential": f"j{place:025x}",
        }


def _turn(cells: Cells, population: Population, place: int) -> None:
    """Make a copied certificate row the population's own: times, status, hashes; its bytes are left out."""
    digest, mark = population.digest(place), population.revoked(place)
    cells |= {
        "not_before": population.not_before,
        "not_after": population.not_after,
        "planned_at": population.not_before,
        "issued_at": population.not_before,
        "spki_sha256": digest[:64],
        "tbs_sha256": digest[64:],
        "tbs": None,
        "der": None,
        "place": FIRST_PLACE + place,
    }
    if mark is not None:
        entry = crl.entry_of_records(str(cells["serial"]), *mark)
        cells |= {
            "status": CertificateStatus.REVOKED,
            "revoked_at": mark[0],
            "reason": int(mark[1]),
            "crl_entry": entry,
        }


def _patterns(connection: sqlite3.Connection) -> _Patterns:
    """Find the one enrolment in the records, and every row that names it."""
    (certificate,) = _all(connection, tables.certificate)
    columns = ("cn", "serial", "account_id", "order_id", "credential_id")
    texts = {column.removesuffix("_id"): str(certificate[column]) for column in columns}

    def names_it(row: Cells) -> bool:
        return any(isinstance(value, str) and old in value for value in row.values() for old in texts.values())

    kept = {table.name: [row for row in _all(connection, table) if names_it(row)] for table in _EACH}
    return _Patterns(texts | {"institution": texts["cn"][:7]}, kept)
