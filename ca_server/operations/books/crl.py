"""CRLs: the published file is the newest on record, our key signed it, and it shows what the records revoke."""

import dataclasses
import hashlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

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
_ON_ITS_WAY = 5  # seconds in which every server places what one has published


class Files:
    """The CRL files of an issuer as they were read before and after the snapshot: a running server may replace them."""

    def __init__(self, folder: Path, issuer: str) -> None:
        self._folder = folder
        self._name = re.compile(rf"{re.escape(issuer)}(?:-([1-9][0-9]*))?\.crl")
        self._found: dict[int, list[bytes]] = {}

    def read(self) -> None:
        """Read what is there now, the list of all and those of partitions."""
        for path in self._folder.iterdir():
            match = self._name.fullmatch(path.name)
            if match is not None:
                self._found.setdefault(int(match[1] or 0), []).append(path.read_bytes())

    def of(self, partition: int) -> tuple[bytes, ...]:
        """Return what was found of a partition, of the list of all for 0, each content once."""
        return tuple(dict.fromkeys(self._found.get(partition, ())))


def crl(ledger: Ledger, issuer: str, issuing: x509.Certificate, files: Files, now: int) -> Book:
    """Balance the published CRL with the records, and those of partitions.

    - numbers rise with time, among CRLs that can still be believed, and what is published has its hash
    - the file is the newest on record, number and bytes, or one whose number was taken and not yet recorded as out; the
      one before, for some seconds, where another server has published
    - it verifies, and now is between thisUpdate and nextUpdate
    - every revoked or aborted certificate that has not ended is on it, with its moment and reason, a lost one too, and
      nothing else is
    - each partition has a file of the same number, whose critical scope is the URL that its certificates name
    """
    rows = [row for row in ledger.crls if row.issuer == issuer]
    revoked = [row for row in ledger.certificates if row.issuer == issuer and row.crl_entry is not None]
    lost = [row for row in ledger.lost if row.issuer == issuer]
    checked = len(revoked) + len(lost)
    return book("CRL", checked, _crl(dataclasses.replace(ledger, lost=lost), rows, issuing, files, now))


def _crl(ledger: Ledger, rows: list[CrlRow], issuing: x509.Certificate, files: Files, now: int) -> Iterator[str]:
    yield from _rising(rows, now)
    yield from _entries(ledger)
    published = [row for row in rows if row.published_at is not None]
    partitions = max(
        [*(row.partition for row in ledger.certificates), *(row.partitions for row in published[-1:])], default=0
    )
    for part in range(partitions + 1):
        own = ledger.certificates if part == 0 else [row for row in ledger.certificates if row.partition == part]
        lost = [row for row in ledger.lost if part in (0, row.partition)]
        listed = dataclasses.replace(ledger, certificates=own, lost=lost)
        yield from _List(listed, rows, part, issuing, now).findings(files.of(part))


class _List:
    """One list, of all or of a partition: the records that it is compared with, its issuer and the moment."""

    def __init__(self, ledger: Ledger, rows: list[CrlRow], partition: int, issuing: x509.Certificate, now: int) -> None:
        self._ledger = ledger
        self._rows = rows
        self._published = [row for row in rows if row.published_at is not None]
        self._partition = partition
        self._issuing = issuing
        self._now = now
        self._name = f"CRL of partition {partition}" if partition else "CRL"

    def findings(self, contents: tuple[bytes, ...]) -> Iterator[str]:
        """Yield what does not agree."""
        content = self._newest(contents)
        if content is None:
            if self._published or any(row.der is not None for row in self._ledger.certificates):
                yield f"There is no {self._name} file; `serve` makes one."
            return
        try:
            found = x509.load_der_x509_crl(content)
            number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
            scope = _scope(found)
            verify(issuer_public_key(self._issuing), found.signature, found.tbs_certlist_bytes)
        except (ValueError, KeysError, x509.ExtensionNotFound) as error:
            yield f"The {self._name} file cannot be believed: {error}"
            return
        yield from self._recorded(content, number)
        this_update, next_update = der.seconds(found.last_update_utc), _next_update(found)
        if not this_update <= self._now < next_update:
            until = rfc3339(next_update)
            yield f"{self._name} {number} is good from {rfc3339(this_update)} to {until}, and not now."
        yield from self._scoped(scope)
        yield from _shown(self._ledger, found, self._name, this_update, self._now)

    def _newest(self, contents: tuple[bytes, ...]) -> bytes | None:
        """Return the file that the records know as the newest, else the one read last."""
        known = {row.sha256 for row in self._published[-1:]}
        agreed = [content for content in contents if hashlib.sha256(content).hexdigest() in known]
        candidates = agreed or contents
        return candidates[-1] if candidates else None

    def _recorded(self, content: bytes, number: int) -> Iterator[str]:
        newest = self._published[-1] if self._published else None
        if newest is None or number > newest.number:
            if not any(row.number == number and row.published_at is None for row in self._rows):
                yield f"The {self._name} file has the number {number}, which the records have not taken."
        elif number < newest.number:
            if self._now - (newest.published_at or 0) <= _ON_ITS_WAY:
                return
            yield f"The {self._name} file has the number {number}, but CRL {newest.number} was published."
        elif self._partition == 0 and hashlib.sha256(content).hexdigest() != newest.sha256:
            yield f"The CRL file is not the CRL {number} that was published: its SHA-256 is another."

    def _scoped(self, scope: str | None) -> Iterator[str]:
        """Yield certificates of the partition that name another URL than its list: it does not speak for them."""
        if (scope is not None) != (self._partition > 0):
            yield f"The {self._name} file is for {scope or 'all certificates'}."
        for row in self._ledger.certificates if scope else ():
            if row.der is not None and (named := _named(row.der)) != scope:
                yield f"The certificate {row.serial} of {row.cn} names {named}, but its CRL is for {scope}."


def _scope(found: x509.CertificateRevocationList) -> str | None:
    """Return the URL for whose certificates alone a list is, None for all. Raises ValueError for any other scope."""
    try:
        extension = found.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    except x509.ExtensionNotFound:
        return None
    names = extension.value.full_name or []
    (url,) = [str(name.value) for name in names]
    if not extension.critical or extension.value != x509.IssuingDistributionPoint(
        [x509.UniformResourceIdentifier(url)], None, False, False, None, False, False
    ):
        raise ValueError("its scope is not critical, or is more than a URL")
    return url


def _named(certificate: bytes) -> str:
    """Return the URL of the CRL that a certificate names."""
    pointer = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(x509.CRLDistributionPoints)
    return ", ".join(str(name.value) for point in pointer.value for name in point.full_name or ())


def _rising(rows: list[CrlRow], now: int) -> Iterator[str]:
    """Yield CRLs older than the one before, while that can be believed: nothing undoes a clock that was ahead."""
    for before, after in itertools.pairwise(rows):
        if after.this_update < before.this_update and now < before.next_update:
            yield f"CRL {after.number} is older than CRL {before.number}: numbers must rise with time."
    for row in rows:
        if (row.published_at is None) != (row.sha256 == ""):
            yield f"CRL {row.number} has a hash without being published, or the other way round."


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


def _shown(
    ledger: Ledger, found: x509.CertificateRevocationList, name: str, this_update: int, now: int
) -> Iterator[str]:
    shown = {f"{entry.serial_number:x}" for entry in found}
    known = {row.serial for row in ledger.certificates if row.crl_entry is not None}
    for row in ledger.certificates:
        if row.crl_entry is None or row.not_after <= now or row.serial in shown:
            continue
        if not _is_fresh(row, this_update, now):
            yield f"The certificate {row.serial} of {row.cn} is {row.status}, but the {name} does not show it."
    for gone in ledger.lost:
        if gone.not_after > now and gone.serial not in shown:
            yield f"The certificate {gone.serial}, which the records have lost, is not on the {name}."
    known |= {gone.serial for gone in ledger.lost}
    released = {call.cn for call in ledger.calls if _is_recent(call.released_at, this_update, now)}
    known |= {row.serial for row in ledger.certificates if row.cn in released}
    for serial in sorted(shown - known):
        yield f"The {name} shows {serial}, which the records do not revoke."


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
