"""Secrets: no half of a live credential stands in clear anywhere that it should not.

Looked through are every column of text or bytes, the files beside the database, and the mails of a trial's maildir,
where a URL mail may hold a kid and a password mail a password, and no mail both. Found is whatever a person or a
program could read back: capitals or not, in groups or whole, and the MAC key that both halves make.
"""

import base64
import dataclasses
import email
import re
from collections.abc import Iterator
from pathlib import Path

from ca_server import store
from ca_server.notices.messages import KIND_HEADER, NoticeKind
from ca_server.operations.books.book import Book, book
from ca_server.operations.books.credentials import LIVE
from ca_server.store import ledger as records
from ca_server.store.credentials import Halves
from ca_server.store.ledger import Ledger
from keys.errors import SealBroken
from keys.sealing import Sealer
from protocol.credential import KID_LENGTH, PASSWORD_LENGTH, BadCredential, mac_key

_MOST_BYTES = 16 << 20
_LENGTH = min(KID_LENGTH, PASSWORD_LENGTH)
"""Characters by which a half is known; what a longer one has more changes nothing."""
_RUN = re.compile(rb"[0-9A-Z]{%d,}" % _LENGTH)
_MAC_LENGTH = 43
_BASE64URL = re.compile(rb"[0-9A-Za-z_-]{%d,}" % _MAC_LENGTH)
_Secret = tuple[str, str]
"""kid, password or MAC key; and the id of its credential."""
_ALLOWED = {
    NoticeKind.ENROLMENT_URL: "kid",
    NoticeKind.RENEWAL_URL: "kid",
    NoticeKind.ENROLMENT_PASSWORD: "password",
    NoticeKind.RENEWAL_PASSWORD: "password",
}


@dataclasses.dataclass(frozen=True)
class Places:
    """Where secrets are looked for besides the records: the installation's folder, and a trial's maildir.

    `database` is the file in it whose columns are looked through, None where the records are elsewhere.
    """

    folder: Path
    database: Path | None
    maildir: Path | None


def clear_text(connection: store.Connection, ledger: Ledger, sealer: Sealer, places: Places) -> Book:
    """Balance what was sealed with what can be read."""
    hunt = _Hunt(ledger, sealer)
    return book("secrets", hunt.count, _clear_text(connection, ledger, sealer, places, hunt))


class _Hunt:
    """The halves of live credentials, and a look through bytes for any of them."""

    def __init__(self, ledger: Ledger, sealer: Sealer) -> None:
        self._halves: dict[bytes, _Secret] = {}
        self._mac_keys: dict[bytes, _Secret] = {}
        self.count = 0
        for row in ledger.credentials:
            if row.status not in LIVE:
                continue
            self.count += 1
            try:
                kid, password = Halves(row.kid_sealed, row.password_sealed).opened(sealer, row.id)
                mac = base64.urlsafe_b64encode(mac_key(kid, password)).rstrip(b"=")
            except (SealBroken, BadCredential, UnicodeDecodeError):
                continue  # the book of credentials says so
            self._halves[kid.encode()[:_LENGTH]] = ("kid", row.id)
            self._halves[password.encode()[:_LENGTH]] = ("password", row.id)
            self._mac_keys[mac] = ("MAC key", row.id)

    def found(self, content: bytes) -> set[_Secret]:
        """Return what stands in `content`."""
        if not self._halves:
            return set()
        found = set()
        for run in _RUN.findall(content.upper().replace(b"-", b"")):
            found |= _windows(run, _LENGTH) & self._halves.keys()
        for run in _BASE64URL.findall(content):
            found |= _windows(run, _MAC_LENGTH) & self._mac_keys.keys()
        return {self._halves.get(each) or self._mac_keys[each] for each in found}


def _windows(run: bytes, length: int) -> set[bytes]:
    return {run[start : start + length] for start in range(len(run) - length + 1)}


def _clear_text(
    connection: store.Connection, ledger: Ledger, sealer: Sealer, places: Places, hunt: _Hunt
) -> Iterator[str]:
    for table, columns, row in records.texts(connection):
        whole = b"\0".join(row)
        if b"PRIVATE KEY-----" in whole or hunt.found(whole):
            yield from _column(table, columns, row, hunt)
    for path in _files(places):
        for what, credential in hunt.found(_read(path)):
            yield f"The {what} of the credential {credential} stands in clear in the file {path}."
    for path in _mails(places.maildir):
        yield from _mail(path, hunt)
    for account in ledger.accounts:
        try:
            sealer.open(account.binding_sealed, account.id.encode())
        except SealBroken:
            yield f"The binding of the account {account.id} of {account.cn} is not sealed, or does not open."


def _column(table: str, columns: tuple[str, ...], row: list[bytes], hunt: _Hunt) -> Iterator[str]:
    for column, content in zip(columns, row, strict=True):
        for what, credential in hunt.found(content):
            yield f"The {what} of the credential {credential} stands in clear in {table}.{column}."
        if b"PRIVATE KEY-----" in content:
            yield f"A private key stands in {table}.{column}."


def _files(places: Places) -> Iterator[Path]:
    """Yield the files of the folder but the database's own, whose columns were looked through, and the mails."""
    database = places.database
    for path in sorted(places.folder.rglob("*")):
        own = database is not None and path.parent == database.parent and path.name.startswith(database.name)
        mail = places.maildir is not None and path.is_relative_to(places.maildir)
        if not own and not mail and path.is_file() and not path.is_symlink():
            yield path


def _read(path: Path) -> bytes:
    """Return the beginning of a file, nothing of one that this login may not read or that is gone."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError:
        return b""


def _mails(maildir: Path | None) -> list[Path]:
    return [] if maildir is None else sorted(path for path in maildir.rglob("*") if path.is_file())


def _mail(path: Path, hunt: _Hunt) -> Iterator[str]:
    mail = email.message_from_bytes(_read(path))
    kind = str(mail[KIND_HEADER] or "")
    text = b"\n".join(f"{name}: {value}".encode() for name, value in mail.items())
    for part in mail.walk():
        payload = part.get_payload(decode=True)
        text += b"\n" + payload if isinstance(payload, bytes) else b""
    for what, credential in hunt.found(text):
        if _ALLOWED.get(kind) != what:  # type: ignore[call-overload]
            yield f"The {what} of the credential {credential} stands in the {kind or 'strange'} mail {path.name}."
