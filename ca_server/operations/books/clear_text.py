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
_RUN = re.compile(rb"[0-9A-Z]{%d,}" % min(KID_LENGTH, PASSWORD_LENGTH))
_MAC_LENGTH = 43
_BASE64URL = re.compile(rb"[0-9A-Za-z_-]{%d,}" % _MAC_LENGTH)
_ALLOWED = {
    NoticeKind.ENROLMENT_URL: "kid",
    NoticeKind.RENEWAL_URL: "kid",
    NoticeKind.ENROLMENT_PASSWORD: "password",
    NoticeKind.RENEWAL_PASSWORD: "password",
}


@dataclasses.dataclass(frozen=True)
class Places:
    """Where secrets are looked for besides the records: the database's file and folder, and a trial's maildir."""

    database: Path
    maildir: Path | None


def clear_text(connection: store.Connection, ledger: Ledger, sealer: Sealer, places: Places) -> Book:
    """Balance what was sealed with what can be read."""
    hunt = _Hunt(ledger, sealer)
    return book("secrets", hunt.count, _clear_text(connection, ledger, sealer, places, hunt))


class _Hunt:
    """The halves of live credentials, and a look through bytes for any of them."""

    def __init__(self, ledger: Ledger, sealer: Sealer) -> None:
        self._secrets: dict[bytes, tuple[str, str]] = {}
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
            self._secrets |= {
                kid.encode(): ("kid", row.id),
                password.encode(): ("password", row.id),
                mac: ("MAC key", row.id),
            }

    def found(self, content: bytes) -> set[tuple[str, str]]:
        """Return (kid, password or MAC key; credential's id) of what stands in `content`."""
        if not self._secrets or len(content) < min(KID_LENGTH, PASSWORD_LENGTH):
            return set()
        found = set()
        for run in _RUN.findall(content.upper().replace(b"-", b"")):
            found |= self._in(run, KID_LENGTH) | self._in(run, PASSWORD_LENGTH)
        for run in _BASE64URL.findall(content):
            found |= self._in(run, _MAC_LENGTH)
        return found

    def _in(self, run: bytes, length: int) -> set[tuple[str, str]]:
        windows = (run[start : start + length] for start in range(len(run) - length + 1))
        return {self._secrets[window] for window in windows if window in self._secrets}


def _clear_text(
    connection: store.Connection, ledger: Ledger, sealer: Sealer, places: Places, hunt: _Hunt
) -> Iterator[str]:
    for table, column, content in records.texts(connection):
        for what, credential in hunt.found(content):
            yield f"The {what} of the credential {credential} stands in clear in {table}.{column}."
        if b"PRIVATE KEY-----" in content:
            yield f"A private key stands in {table}.{column}."
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


def _files(places: Places) -> Iterator[Path]:
    """Yield the files beside the database but its own, whose columns were looked through, and the mails."""
    for path in sorted(places.database.parent.rglob("*")):
        own = path.parent == places.database.parent and path.name.startswith(places.database.name)
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
