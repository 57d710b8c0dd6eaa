"""Seats: their numbers, the halves of applications that made and ended them, and what a state promises."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from ca_server.domain.administrators import Half
from ca_server.domain.certificates import CertificateStatus
from ca_server.domain.seats import SeatStatus
from ca_server.operations.books.book import Book, book
from ca_server.operations.books.credentials import LIVE
from ca_server.operations.books.revocations import ENDED
from ca_server.store.ledger import ItemRow, Ledger, SeatRow
from protocol.vocabulary import AccountStatus


def seats(ledger: Ledger, now: int) -> Book:
    """Balance every seat with its institution, its application and what it has.

    - its CN is its institution's code and number, and the institution gave that number out
    - the application that it names has it as a half that is done, and the other way round
    - an active one has had a certificate; a revoked one has no certificate, credential or account left, and a decision;
      a lapsed one has had a certificate, and has no credential left
    - one live credential at most
    - a suspended one has its call, which was not released, and no certificate that is good
    """
    return book("seats", len(ledger.seats), _seats(ledger, now))


def _seats(ledger: Ledger, now: int) -> Iterator[str]:
    last = {institution.code: institution.last_number for institution in ledger.institutions}
    assigned = {item.new_cn: item.application for item in ledger.items if item.new_cn is not None}
    left = _Left(ledger, now)
    decided = {revocation.cn for revocation in ledger.revocations}
    for seat in ledger.seats:
        if seat.cn != f"{seat.institution}-{seat.number:03d}":
            yield f"The seat {seat.cn} is recorded as number {seat.number} of {seat.institution}."
        if seat.number > last.get(seat.institution, 0):
            yield f"The seat {seat.cn} has a number that {seat.institution} has not given out."
        if assigned.get(seat.cn) != seat.application:
            yield f"The seat {seat.cn} names application {seat.application}, which did not assign it."
        if seat.status not in list(SeatStatus):
            yield f"The seat {seat.cn} has the status {seat.status!r}, which there is none of."
        yield from left.findings(seat)
        if seat.status == SeatStatus.REVOKED and seat.cn not in decided:
            yield f"The seat {seat.cn} is revoked, but nobody decided so."
    yield from _suspended(ledger, now)
    yield from _halves(ledger.items, {seat.cn: seat for seat in ledger.seats})


def _suspended(ledger: Ledger, now: int) -> Iterator[str]:
    held = {call.cn: call.at for call in ledger.calls if call.act == "suspended" and call.released_at is None}
    suspended = {seat.cn for seat in ledger.seats if seat.status == SeatStatus.SUSPENDED}
    for cn in sorted(suspended - held.keys()):
        yield f"The seat {cn} is suspended, but no call says so."
    revoked = {seat.cn for seat in ledger.seats if seat.status == SeatStatus.REVOKED}
    for cn in sorted(held.keys() - suspended - revoked):
        yield f"The seat {cn} is not suspended, but a call says so."
    for row in ledger.certificates:
        # what had ended when the seat was suspended stays issued, also where the clock was turned back since
        good = row.status == CertificateStatus.ISSUED and row.not_after > max(now, held.get(row.cn, 0))
        if (row.cn in suspended and good) or (row.cn not in suspended and row.status == CertificateStatus.SUSPENDED):
            yield f"The certificate {row.serial} of {row.cn} is {row.status}, unlike its seat."


class _Left:
    """What each seat has, counted once for all of them."""

    def __init__(self, ledger: Ledger, now: int) -> None:
        self._stored = {row.cn for row in ledger.certificates if row.der is not None}
        self._credentials = Counter(row.cn for row in ledger.credentials if row.status in LIVE)
        self._things: dict[str, list[str]] = defaultdict(list)
        for certificate in ledger.certificates:
            if certificate.status not in ENDED and certificate.not_after > now:
                self._things[certificate.cn].append(f"the certificate {certificate.serial}")
        for credential in ledger.credentials:
            if credential.status in LIVE:
                self._things[credential.cn].append(f"the credential {credential.id}")
        for account in ledger.accounts:
            if account.status == AccountStatus.VALID:
                self._things[account.cn].append(f"the account {account.id}")

    def findings(self, seat: SeatRow) -> Iterator[str]:
        """Yield what the seat has and should not have, or should have and has not."""
        if self._credentials[seat.cn] > 1:
            yield f"The seat {seat.cn} has {self._credentials[seat.cn]} live credentials."
        if seat.status in (SeatStatus.ACTIVE, SeatStatus.LAPSED) and seat.cn not in self._stored:
            yield f"The seat {seat.cn} is {seat.status}, but no certificate of it is stored."
        if seat.status == SeatStatus.LAPSED and self._credentials[seat.cn]:
            yield f"The seat {seat.cn} lapsed and still has a live credential."
        if seat.status == SeatStatus.APPROVED and seat.cn in self._stored:
            yield f"The seat {seat.cn} is only approved, but a certificate of it is stored."
        if seat.status == SeatStatus.REVOKED and self._things[seat.cn]:
            yield f"The seat {seat.cn} is revoked and still has {', '.join(self._things[seat.cn])}."


def _halves(items: list[ItemRow], seats_by_cn: dict[str, SeatRow]) -> Iterator[str]:
    for item in items:
        name = f"Item {item.position} of application {item.application}"
        if (item.issuance == Half.DONE) != (item.new_cn is not None):
            yield f"{name} has an issuance that is {item.issuance} and the CN {item.new_cn}."
        if item.new_cn is not None and item.new_cn not in seats_by_cn:
            yield f"{name} assigned {item.new_cn}, which is no seat."
        if item.revocation == Half.DONE and (item.cn is None or not _is_revoked(seats_by_cn.get(item.cn))):
            yield f"{name} has a revocation that is done, but {item.cn} is not revoked."


def _is_revoked(seat: SeatRow | None) -> bool:
    return seat is not None and seat.status == SeatStatus.REVOKED
