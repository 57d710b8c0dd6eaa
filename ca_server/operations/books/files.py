"""Files of applications: each that is kept opens and is what came, and none is kept past its time."""

import hashlib
from collections.abc import Iterator

from ca_server import store
from ca_server.clock import DAY, rfc3339
from ca_server.operations.books.book import Book, book
from ca_server.store import applications as records
from ca_server.store.ledger import Ledger
from keys.errors import SealBroken
from keys.sealing import Sealer


def files(connection: store.Connection, ledger: Ledger, sealer: Sealer, now: int) -> Book:
    """Balance every file with its SHA-256, one at a time."""
    return book("files", len(ledger.files), _files(connection, ledger, sealer, now))


def _files(connection: store.Connection, ledger: Ledger, sealer: Sealer, now: int) -> Iterator[str]:
    numbers = {row.number for row in ledger.applications}
    for row in ledger.files:
        name = f"The file of application {row.application}"
        if row.application not in numbers:
            yield f"{name} belongs to no application."
        kept = records.kept_file(connection, row.application)
        sealed = None if kept is None else kept[1]
        if sealed is None:
            continue
        if row.keep_until + DAY < now:
            yield f"{name} should have been erased at {rfc3339(row.keep_until)}; is `serve` running?"
        try:
            content = sealer.open(sealed, row.sha256.encode())
        except SealBroken:
            yield f"{name} does not open."
            continue
        if hashlib.sha256(content).hexdigest() != row.sha256:
            yield f"{name} is not what came: its SHA-256 is another."
