"""Applications: two registered officers behind every approval, of exactly what was filed."""

import operator
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence, Set

from ca_server import store
from ca_server.domain.administrators import Administrator, Half, is_same
from ca_server.domain.applications import Filed, Status, status_of_halves
from ca_server.domain.approvals import Trust
from ca_server.domain.officers import Role
from ca_server.domain.seats import SeatStatus
from ca_server.errors import NotEntitled, Refusal
from ca_server.language import sentence
from ca_server.operations.books.book import Book, book
from ca_server.store import applications as records
from ca_server.store import approvals, institutions
from ca_server.store.ledger import ApplicationRow, Ledger, OfficerRow

_DECIDED = (Status.APPROVED, Status.WAITING, Status.DONE)
_Rank = tuple[int, int, int]


def applications(connection: store.Connection, ledger: Ledger, trust: Trust | None, *, four_eyes: bool) -> Book:
    """Balance every application with its officers, its content and its halves.

    - whoever filed, examined or approved it was registered as a registration officer then
    - an approved one was examined and approved, by two people when two are configured, and the filer did not approve
    - it says what was filed, to the byte: an approval is bound to that
    - its officers signed that, where `trust` says whose signatures count; but for one that was carried out before any
      officer had a key, and of which no first certificate is still to be had
    - it stands where its halves say, or is approved and the schedule has not come to it yet
    - an administrator change that was carried out has its moment, and a call-back is a registration officer's
    - an institution's administrator is whom the last change that was carried out names, or the first application
    """
    return book("applications", len(ledger.applications), _applications(connection, ledger, trust, four_eyes))


def _applications(connection: store.Connection, ledger: Ledger, trust: Trust | None, four_eyes: bool) -> Iterator[str]:
    officers = {officer.id: officer for officer in ledger.officers}
    waiting = {seat.application for seat in ledger.seats if seat.status == SeatStatus.APPROVED}
    halves: dict[int, list[str]] = defaultdict(list)
    for item in ledger.items:
        halves[item.application] += [half for half in (item.revocation, item.issuance) if half is not None]
    for change in ledger.changes:
        halves[change.application].append(change.half)
    changed = {change.application: change.changed_at for change in ledger.changes if change.half == Half.DONE}
    named: dict[str, tuple[_Rank, Administrator]] = {}
    for row in ledger.applications:
        name = f"Application {row.number}"
        yield from _acts(row, name, officers)
        yield from _eyes(row, name, four_eyes)
        filed = yield from _content(connection, row, name)
        if filed is not None and (row.approved_by is not None or row.status in _DECIDED):
            if trust is not None:
                yield from _signatures(connection, filed, trust, waiting)
            latest = _names(filed, changed.get(filed.number))
            named[row.institution] = max(named.get(row.institution, latest), latest, key=operator.itemgetter(0))
        said = _status_of(halves[row.number])
        is_new = (row.status, said) == (Status.APPROVED, Status.WAITING)
        if row.status in _DECIDED and row.status != said and not is_new:
            yield f"{name} is {row.status}, but its halves say {said}."
    yield from _calls_back(ledger, officers)
    yield from _administrators(connection, {code: administrator for code, (_, administrator) in named.items()})


def _names(filed: Filed, changed_at: int | None) -> tuple[_Rank, Administrator]:
    """Return whom an approved application makes administrator, and how much that counts beside others."""
    form = filed.application
    if form.change is not None and changed_at is not None:
        return (1, changed_at, filed.number), form.change.successor
    return (0, -(filed.approved_at or 0), -filed.number), form.administrator


def _administrators(connection: store.Connection, named: dict[str, Administrator]) -> Iterator[str]:
    for institution in institutions.all_institutions(connection):
        administrator = named.get(str(institution.code))
        if administrator is None or not is_same(administrator, institution.administrator):
            yield f"{institution.code} is registered with an administrator whom no approved application names."


def _calls_back(ledger: Ledger, officers: dict[str, OfficerRow]) -> Iterator[str]:
    for change in ledger.changes:
        name = f"The change of application {change.application}"
        if (change.half == Half.DONE) != (change.changed_at is not None):
            yield f"{name} is {change.half}, and its moment is {change.changed_at}."
        caller = None if change.called_by is None else officers.get(change.called_by)
        if change.called_by is not None and (caller is None or caller.role != Role.REGISTRATION):
            yield f"{name} names a call-back by {change.called_by}, who is no registration officer."


def _acts(row: ApplicationRow, name: str, officers: dict[str, OfficerRow]) -> Iterator[str]:
    before = 0
    for act, who, when in (
        ("filed", row.filed_by, row.filed_at),
        ("examined", row.examined_by, row.examined_at),
        ("approved", row.approved_by, row.approved_at),
    ):
        if (who is None) != (when is None):
            yield f"{name} was {act} by {who} at {when}: one of both is missing."
        if who is None or when is None:
            continue
        officer = officers.get(who)
        if officer is None:
            yield f"{name} was {act} by {who}, who is no registered officer."
        elif officer.role != Role.REGISTRATION:
            yield f"{name} was {act} by {officer.name}, whose role is {officer.role}."
        elif not officer.added_at <= when <= (officer.disabled_at or when):
            yield f"{name} was {act} by {officer.name} outside that officer's time."
        if when < before:
            yield f"{name} was {act} before the step that comes first."
        before = when


def _eyes(row: ApplicationRow, name: str, four_eyes: bool) -> Iterator[str]:
    if row.status not in list(Status):
        yield f"{name} has the status {row.status!r}, which there is none of."
    if row.status in _DECIDED and (row.examined_by is None or row.approved_by is None):
        yield f"{name} is {row.status}, but nobody examined or nobody approved it."
    if row.status == Status.RECEIVED and (row.examined_by or row.approved_by):
        yield f"{name} is only received, but names who examined or approved it."
    if four_eyes and row.approved_by is not None and row.approved_by in (row.examined_by, row.filed_by):
        yield f"{name} was approved by the officer who filed or examined it; two officers are required."


def _content(connection: store.Connection, row: ApplicationRow, name: str) -> Generator[str, None, Filed | None]:
    try:
        filed = records.get(connection, row.number)
    except (ValueError, Refusal) as error:
        yield f"{name} cannot be read: {error}"
        return None
    if filed.application.content_sha256 != filed.content_sha256:
        yield f"{name} no longer says what was filed."
    return filed


def _signatures(connection: store.Connection, filed: Filed, trust: Trust, waiting: Set[int]) -> Iterator[str]:
    found = approvals.of(connection, filed.number)
    if not found and filed.number not in waiting and _is_from_before(filed, trust):
        return
    try:
        trust.require(filed, found)
    except NotEntitled as refused:
        yield refused.args[0]


def _is_from_before(filed: Filed, trust: Trust) -> bool:
    """Tell whether an application was over when the first officer got a key."""
    first = min((key.since for key in trust.listed()), default=0)
    return filed.status in (Status.DONE, Status.WITHDRAWN) and (filed.approved_at or 0) < first


def _status_of(halves: list[str]) -> Status | None:
    try:
        return status_of_halves({Half(half) for half in halves})
    except ValueError:
        return None


def failed_halves(ledger: Ledger) -> Sequence[str]:
    """Return a sentence for each half that could not be carried out: it is tried again, and a person should look."""
    alive = {row.number for row in ledger.applications if row.status in (Status.APPROVED, Status.WAITING)}
    return [
        sentence(
            "Item {position} of application {number} could not be carried out yet: {failure}",
            position=row.position,
            number=row.application,
            failure=row.failure,
        )
        for row in ledger.items
        if Half.FAILED in (row.revocation, row.issuance) and row.application in alive
    ] + [
        sentence(
            "The change of application {number} could not be carried out yet: {failure}",
            number=row.application,
            failure=row.failure,
        )
        for row in ledger.changes
        if row.half == Half.FAILED and row.application in alive
    ]
