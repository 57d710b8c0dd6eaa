"""CRLs: the published file is the newest on record, our key signed it, and it shows what the records revoke."""

import hashlib
import itertools
from collections.abc import Iterator

from cryptography import x509

from ca_server.authority import crl as authority
from ca_server.authority import der
from ca_server.authority.signer import issuer_public_key
from ca_server.clock import DAY, rfc3339
from ca_server.domain.certificates import CertificateStatus
from ca_server.language import sentence
from ca_server.operations.books.book import Book, book
from ca_server.operations.books.revocations import PUBLISHED_WITHIN
from ca_server.store.ledger import CertificateRow, CrlRow, Ledger
from keys.algorithms import verify
from keys.errors import KeysError
from protocol.vocabulary import RevocationReason

ALARM_BEFORE_ROOT_CRL_ENDS = 60 * DAY


def crl(ledger: Ledger, issuer: str, issuing: x509.Certificate, files: tuple[bytes | None, ...], now: int) -> Book:
    """Balance the published CRL with the records.

    - numbers rise with time, among CRLs that can still be believed, and what is published has its hash
    - the file is the newest on record, number and bytes, or one whose number was taken and not yet recorded as out
    - it verifies, and now is between thisUpdate and nextUpdate
    - every revoked or aborted certificate that has not ended is on it, with its moment and reason, and nothing else is

    `files` is the file as read before and after the snapshot was taken: a running server may replace it meanwhile.
    """
    rows = [row for row in ledger.crls if row.issuer == issuer]
    published = [row for row in rows if row.published_at is not None]
    revoked = [row for row in ledger.certificates if row.issuer == issuer and row.crl_entry is not None]
    return book("CRL", len(revoked), _crl(ledger, rows, published, _Files(issuing, files, now)))


class _Files:
    """The file as it was found, perhaps twice, with what is needed to judge it."""

    def __init__(self, issuing: x509.Certificate, contents: tuple[bytes | None, ...], now: int) -> None:
        self.issuing = issuing
        self.contents = tuple(dict.fromkeys(content for content in contents if content is not None))
        self.now = now

    def newest(self, rows: list[CrlRow]) -> bytes | None:
        """Return the file that the records know as the newest, else the one read last."""
        known = {row.sha256 for row in rows[-1:]}
        agreed = [content for content in self.contents if hashlib.sha256(content).hexdigest() in known]
        candidates = agreed or list(self.contents)
        return candidates[-1] if candidates else None


def _crl(ledger: Ledger, rows: list[CrlRow], published: list[CrlRow], files: _Files) -> Iterator[str]:
    yield from _rising(rows, files.now)
    yield from _entries(ledger)
    content = files.newest(published)
    if content is None:
        if published or any(row.der is not None for row in ledger.certificates):
            yield "There is no CRL file; `serve` makes one."
        return
    try:
        found = x509.load_der_x509_crl(content)
        number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        verify(issuer_public_key(files.issuing), found.signature, found.tbs_certlist_bytes)
    except (ValueError, KeysError, x509.ExtensionNotFound) as error:
        yield f"The CRL file cannot be believed: {error}"
        return
    yield from _recorded(content, number, rows, published)
    this_update, next_update = der.seconds(found.last_update_utc), _next_update(found)
    if not this_update <= files.now < next_update:
        yield f"CRL {number} is good from {rfc3339(this_update)} to {rfc3339(next_update)}, and not now."
    yield from _shown(ledger, found, this_update, files.now)


def _rising(rows: list[CrlRow], now: int) -> Iterator[str]:
    """Yield CRLs older than the one before, while that can be believed: nothing undoes a clock that was ahead."""
    for before, after in itertools.pairwise(rows):
        if after.this_update < before.this_update and now < before.next_update:
            yield f"CRL {after.number} is older than CRL {before.number}: numbers must rise with time."
    for row in rows:
        if (row.published_at is None) != (row.sha256 == ""):
            yield f"CRL {row.number} has a hash without being published, or the other way round."


def _recorded(content: bytes, number: int, rows: list[CrlRow], published: list[CrlRow]) -> Iterator[str]:
    newest = published[-1] if published else None
    if newest is None or number > newest.number:
        if not any(row.number == number and row.published_at is None for row in rows):
            yield f"The CRL file has the number {number}, which the records have not taken."
    elif number < newest.number:
        yield f"The CRL file has the number {number}, but CRL {newest.number} was published."
    elif hashlib.sha256(content).hexdigest() != newest.sha256:
        yield f"The CRL file is not the CRL {number} that was published: its SHA-256 is another."


def _entries(ledger: Ledger) -> Iterator[str]:
    """Yield revoked certificates whose stored entry is missing or says something else."""
    for row in ledger.certificates:
        name = f"The certificate {row.serial} of {row.cn}"
        ended = row.status in (CertificateStatus.REVOKED, CertificateStatus.ABORTED)
        if not ended:
            if row.crl_entry is not None and row.status != CertificateStatus.SUSPENDED:
                yield f"{name} is {row.status}, but has an entry for the CRL."
        elif row.crl_entry is None or row.revoked_at is None or row.reason not in list(RevocationReason):
            yield f"{name} is {row.status} without moment, reason or entry for the CRL."
        elif row.crl_entry != authority.entry(int(row.serial, 16), row.revoked_at, RevocationReason(row.reason)):
            yield f"{name} has an entry for the CRL that says something else than the records."


def _shown(ledger: Ledger, found: x509.CertificateRevocationList, this_update: int, now: int) -> Iterator[str]:
    shown = {f"{entry.serial_number:x}" for entry in found}
    known = {row.serial for row in ledger.certificates if row.crl_entry is not None}
    for row in ledger.certificates:
        if row.crl_entry is None or row.not_after <= now or row.serial in shown:
            continue
        if not _is_fresh(row, this_update, now):
            yield f"The certificate {row.serial} of {row.cn} is {row.status}, but the CRL does not show it."
    released = {call.cn for call in ledger.calls if _is_recent(call.released_at, this_update, now)}
    known |= {row.serial for row in ledger.certificates if row.cn in released}
    for serial in sorted(shown - known):
        yield f"The CRL shows {serial}, which the records do not revoke."


def _is_fresh(row: CertificateRow, this_update: int, now: int) -> bool:
    """Tell whether the CRL need not show it yet: it was made before the revocation, less than a minute ago."""
    return _is_recent(row.revoked_at, this_update, now)


def _is_recent(at: int | None, this_update: int, now: int) -> bool:
    """Tell whether a thing happened since the CRL was made, less than a minute ago."""
    return at is not None and at >= this_update and now - at <= PUBLISHED_WITHIN


def _next_update(found: x509.CertificateRevocationList) -> int:
    return 0 if found.next_update_utc is None else der.seconds(found.next_update_utc)


def root_crl(root: x509.Certificate, content: bytes | None, now: int) -> Book:
    """Balance the root's CRL, which relying systems need as well: it is there, verifies, and has not ended."""
    return book("root CRL", 1, _root_crl(root, content, now))


def _root_crl(root: x509.Certificate, content: bytes | None, now: int) -> Iterator[str]:
    if content is None:
        yield "There is no CRL of the root; `warifu-ca root crl` makes one."
        return
    try:
        found = x509.load_der_x509_crl(content)
        verify(issuer_public_key(root), found.signature, found.tbs_certlist_bytes)
    except (ValueError, KeysError) as error:
        yield f"The root's CRL cannot be believed: {error}"
        return
    if not der.seconds(found.last_update_utc) <= now < _next_update(found):
        yield f"The root's CRL ended at {rfc3339(_next_update(found))}; `warifu-ca root crl` makes another."


def root_crl_ends_soon(content: bytes | None, now: int) -> list[str]:
    """Return the sentence that warns 60 days before the root's CRL ends, in time to fetch the root from its safe."""
    try:
        ends = _next_update(x509.load_der_x509_crl(content or b""))
    except ValueError:
        return []
    if now >= ends or ends - now >= ALARM_BEFORE_ROOT_CRL_ENDS:
        return []
    return [sentence("The root's CRL ends at {end}; sign the next with `warifu-ca root crl`.", end=rfc3339(ends))]
