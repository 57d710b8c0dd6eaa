"""Revocations: whatever was revoked or aborted has one decision, and every decision is soon shown to the world."""

from collections import Counter
from collections.abc import Iterator

from ca_server.clock import MINUTE
from ca_server.domain.certificates import CertificateStatus
from ca_server.operations.books.book import Book, book
from ca_server.store.ledger import CertificateRow, Ledger, RevocationRow
from protocol.vocabulary import RevocationReason

PUBLISHED_WITHIN = MINUTE
"""Seconds from a decision to the CRL that shows it; longer means that nothing publishes."""

ENDED = (CertificateStatus.REVOKED, CertificateStatus.ABORTED)


def revocations(ledger: Ledger, now: int) -> Book:
    """Balance decisions with certificates.

    - a revoked or aborted certificate is named by exactly one decision, of its CN, with its moment and reason
    - a certificate that a decision names is revoked or aborted
    - the key of a compromised one is blocked for ever
    - a decision is published within a minute, by a CRL that is on record
    """
    return book("revocations", len(ledger.revocations), _revocations(ledger, now))


def _revocations(ledger: Ledger, now: int) -> Iterator[str]:
    certificates = {row.serial: row for row in ledger.certificates}
    blocked = {row.spki_sha256 for row in ledger.blocked_keys}
    published = {crl.number for crl in ledger.crls if crl.published_at is not None}
    decisions = Counter(serial for decision in ledger.revocations for serial in decision.serials.split())
    for row in ledger.certificates:
        name = f"The certificate {row.serial} of {row.cn}"
        if row.status in ENDED and decisions[row.serial] != 1:
            yield f"{name} is {row.status} by {decisions[row.serial] or 'no'} decisions."
        compromised = row.status == CertificateStatus.REVOKED and row.reason == RevocationReason.keyCompromise
        if compromised and row.spki_sha256 not in blocked:
            yield f"{name} was compromised, but its key is not blocked."
    for decision in ledger.revocations:
        yield from _decision(decision, certificates, published, now)


def _decision(
    decision: RevocationRow, certificates: dict[str, CertificateRow], published: set[int], now: int
) -> Iterator[str]:
    name = f"The revocation {decision.id} of {decision.cn}"
    for serial in decision.serials.split():
        row = certificates.get(serial)
        if row is None or row.status not in ENDED or row.cn != decision.cn:
            yield f"{name} names the certificate {serial}, which is not revoked."
        elif (row.revoked_at, row.reason) != (decision.decided_at, decision.reason):
            yield f"{name} has another moment or reason than the certificate {serial}."
    if decision.published_at is None:
        if now - decision.decided_at > PUBLISHED_WITHIN:
            yield f"{name} has been waiting for its CRL for {now - decision.decided_at} seconds; is `serve` running?"
    elif decision.crl_number not in published:
        yield f"{name} was published on CRL {decision.crl_number}, which is not on record."
