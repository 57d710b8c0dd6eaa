"""The records of applications and of the certificates each names."""

import dataclasses
import datetime

from sqlalchemy import and_, bindparam, case, func, insert, or_, select, update

from ca_server.clock import rfc3339
from ca_server.domain.administrators import Administrator, Half
from ca_server.domain.applications import OPEN, Application, Filed, Item, Kind, Receipt, Status
from ca_server.domain.reasons import Reason
from ca_server.errors import NotFound
from ca_server.language import sentence
from ca_server.store import audit, changes, tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement
from protocol.names import CommonName, InstitutionCode

_a = tables.application.c
_i = tables.application_item.c
_f = tables.application_file.c

_INSERT = Statement(insert(tables.application).returning(_a.number))
_INSERT_ITEM = Statement(insert(tables.application_item))
_COLUMNS = (
    _a.number,
    _a.status,
    _a.kind,
    _a.institution,
    _a.institution_name,
    _a.family_name,
    _a.given_name,
    _a.furigana,
    _a.email,
    _a.language,
    _a.applied_on,
    _a.content_sha256,
    _a.filed_by,
    _a.examined_by,
    _a.approved_by,
    _a.approved_at,
)
_BY_NUMBER = Statement(select(*_COLUMNS).where(_a.number == bindparam("number")))
_RETURN_REASON = Statement(select(_a.return_reason).where(_a.number == bindparam("number")))
_NUMBERS = Statement(select(_a.number).order_by(_a.urgent.desc(), _a.number))
_UNDONE = (Half.WAITING, Half.FAILED)
_URGENT = tuple(reason for reason in Reason if reason.urgent)
_HAS_A_DAY_THAT_CAME = (
    select(_i.position)
    .where(
        _i.application == _a.number,
        or_(
            and_(
                _i.revocation.in_(_UNDONE),
                or_(_i.revocation_on.is_(None), _i.revocation_on <= bindparam("today"), _i.reason.in_(_URGENT)),
            ),
            and_(_i.issuance.in_(_UNDONE), or_(_i.issuance_on.is_(None), _i.issuance_on <= bindparam("today"))),
        ),
    )
    .correlate(tables.application)
    .exists()
)
_PERHAPS_DUE = Statement(
    select(_a.number)
    .where(
        or_(
            _a.status == Status.APPROVED,
            and_(_a.status == Status.WAITING, or_(_a.kind == Kind.ADMINISTRATOR_CHANGE, _HAS_A_DAY_THAT_CAME)),
        )
    )
    .order_by(_a.urgent.desc(), _a.number)
)
_ITEMS = Statement(
    select(_i.cn, _i.reason, _i.revocation, _i.revocation_on, _i.issuance, _i.issuance_on, _i.new_cn, _i.failure)
    .where(_i.application == bindparam("number"))
    .order_by(_i.position)
)
_MOVE = Statement(
    update(tables.application)
    .where(_a.number == bindparam("filed"), _a.status == bindparam("before"))
    .values(
        status=bindparam("after"),
        examined_by=bindparam("examiner"),
        examined_at=func.coalesce(_a.examined_at, bindparam("examination")),
        approved_by=bindparam("approver"),
        approved_at=func.coalesce(_a.approved_at, bindparam("approval")),
        return_reason=bindparam("why"),
    )
)
_UPDATE_ITEM = Statement(
    update(tables.application_item)
    .where(_i.application == bindparam("number"), _i.position == bindparam("place"))
    .values(
        revocation=bindparam("revocation_half"),
        issuance=bindparam("issuance_half"),
        new_cn=bindparam("assigned"),
        failure=bindparam("trouble"),
    )
)
_OPEN_FOR_CN = Statement(
    select(_a.number, _i.reason)
    .join_from(tables.application_item, tables.application, _i.application == _a.number)
    .where(_i.cn == bindparam("cn"), _a.status.in_(OPEN))
    .order_by(case((_i.reason.in_(_URGENT), 0), else_=1), _a.number)
    .limit(1)
)
_OPEN_CHANGE = Statement(
    select(_a.number)
    .where(
        _a.institution == bindparam("code"),
        _a.kind == Kind.ADMINISTRATOR_CHANGE,
        _a.status.in_(OPEN),
    )
    .limit(1)
)
_OPEN_OF = Statement(
    select(_a.number).where(_a.institution == bindparam("code"), _a.status.in_(OPEN)).order_by(_a.number)
)
_NAMING = Statement(
    select(_i.application)
    .where(or_(_i.cn == bindparam("cn"), _i.new_cn == bindparam("cn")))
    .order_by(_i.application)
    .distinct()
)
_KEEP_FILE = Statement(insert(tables.application_file))
_FILE = Statement(select(_f.sha256, _f.sealed, _f.keep_until).where(_f.application == bindparam("number")))
_ERASE_FILES = Statement(
    update(tables.application_file).where(_f.keep_until <= bindparam("now"), _f.sealed.is_not(None)).values(sealed=None)
)
_OF_FILE = Statement(
    select(_f.application)
    .join_from(tables.application_file, tables.application, _f.application == _a.number)
    .where(_f.sha256 == bindparam("digest"), _a.status.not_in((Status.RETURNED, Status.WITHDRAWN)))
    .limit(1)
)
_RECEIPT = Statement(select(_a.channel, _a.reference, _a.filed_at).where(_a.number == bindparam("number")))
_ASKED_FOR = Statement(
    select(func.count())
    .select_from(tables.application_item)
    .join(tables.application, _i.application == _a.number)
    .where(
        _a.institution == bindparam("code"),
        _a.status.in_(OPEN),
        _i.issuance.is_not(None),
        _i.issuance != Half.DONE,
    )
)


def file(connection: Connection, application: Application, receipt: Receipt, now: int) -> Filed:
    """Put a parsed application on record as received, its file with it, and return it with its number."""
    ((number,),) = _INSERT.all(
        connection,
        kind=application.kind,
        status=Status.RECEIVED,
        institution=str(application.institution),
        institution_name=application.institution_name,
        language=application.language,
        applied_on=application.applied_on.isoformat(),
        channel=receipt.channel,
        reference=receipt.reference,
        content_sha256=application.content_sha256,
        urgent=int(application.urgent),
        filed_by=receipt.by.id,
        filed_at=now,
        examined_by=None,
        examined_at=None,
        approved_by=None,
        approved_at=None,
        return_reason=None,
        **dataclasses.asdict(application.administrator),
    )
    for position, item in enumerate(application.items, start=1):
        _INSERT_ITEM.run(connection, application=number, position=position, **_written(item))
    if application.change is not None:
        changes.add(connection, number, application.change)
    if receipt.file is not None:
        _KEEP_FILE.run(connection, application=number, **vars(receipt.file))
    audit.record(
        connection,
        now,
        receipt.by.actor,
        "application received",
        f"application:{number}",
        kind=application.kind,
        sha256=application.content_sha256,
        institution=str(application.institution),
        channel=receipt.channel,
        reference=receipt.reference,
        file=None if receipt.file is None else receipt.file.sha256,
    )
    return Filed(number, Status.RECEIVED, application, application.content_sha256, receipt.by.id, None, None)


def get(connection: Connection, number: int) -> Filed:
    """Return the application. Raises NotFound when there is none of that number."""
    row = _BY_NUMBER.one(connection, number=number)
    if row is None:
        raise NotFound(sentence("There is no application {number}; see `warifu-ca application list`.", number=number))
    items = tuple(_item(item) for item in _ITEMS.all(connection, number=number))
    application = Application(
        Kind(row[2]),
        InstitutionCode.parse(row[3]),
        row[4],
        Administrator(row[5], row[6], row[7], row[8]),
        row[9],
        datetime.date.fromisoformat(row[10]),
        items,
        changes.find(connection, number) if row[2] == Kind.ADMINISTRATOR_CHANGE else None,
    )
    return Filed(row[0], Status(row[1]), application, row[11], row[12], row[13], row[14], row[15])


def receipt(connection: Connection, number: int) -> tuple[str, str | None, int]:
    """Return (channel, the sender's reference, moment) of the receipt. Raises NotFound."""
    row = _RECEIPT.one(connection, number=number)
    if row is None:
        raise NotFound(sentence("There is no application {number}; see `warifu-ca application list`.", number=number))
    return row[0], row[1], row[2]


def kept_file(connection: Connection, number: int) -> tuple[str, bytes | None, int] | None:
    """Return (SHA-256, sealed bytes, kept until) of the file it came in; the bytes are None after their time."""
    return _FILE.one(connection, number=number)


def of_file(connection: Connection, sha256: str) -> int | None:
    """Return the application that the very file was filed as, unless it was returned or withdrawn; or None."""
    row = _OF_FILE.one(connection, digest=sha256)
    return None if row is None else row[0]


def erase_files(connection: Connection, now: int) -> int:
    """Erase the files whose retention time is over, but for their SHA-256, and return how many."""
    erased = _ERASE_FILES.run(connection, now=now)
    if erased:
        audit.record(connection, now, "schedule", "application files erased", "files", count=erased)
    return erased


def return_reason(connection: Connection, number: int) -> str | None:
    """Return why the application was sent back, or None."""
    row = _RETURN_REASON.one(connection, number=number)
    return None if row is None else row[0]


def numbers(connection: Connection) -> list[int]:
    """Return the numbers of all applications, urgent ones first, then oldest first."""
    return [row[0] for row in _NUMBERS.all(connection)]


def perhaps_due(connection: Connection, today: datetime.date) -> list[int]:
    """Return the numbers of approved applications but for those whose days lie ahead, urgent ones first.

    The schedule asks whenever anything was written, so those that wait cost an index probe each.
    """
    return [row[0] for row in _PERHAPS_DUE.all(connection, today=today.isoformat())]


def open_for(connection: Connection, cn: CommonName) -> tuple[int, Reason] | None:
    """Return number and reason of the application under way that names `cn`, an urgent one first, or None."""
    row = _OPEN_FOR_CN.one(connection, cn=str(cn))
    return None if row is None else (row[0], Reason(row[1]))


def open_change(connection: Connection, code: InstitutionCode) -> int | None:
    """Return the number of the administrator change under way at the institution, or None."""
    row = _OPEN_CHANGE.one(connection, code=str(code))
    return None if row is None else row[0]


def open_of(connection: Connection, code: InstitutionCode) -> list[int]:
    """Return the numbers of the institution's applications under way, oldest first."""
    return [row[0] for row in _OPEN_OF.all(connection, code=str(code))]


def naming(connection: Connection, cn: str) -> list[int]:
    """Return the numbers of all applications that name the CN or were given it, oldest first."""
    return [row[0] for row in _NAMING.all(connection, cn=cn)]


def asked_for(connection: Connection, code: InstitutionCode) -> int:
    """Return how many CNs are promised to open applications of the institution."""
    row = _ASKED_FOR.one(connection, code=str(code))
    return int(row[0]) if row else 0


def move(connection: Connection, before: Filed, after: Filed, now: int, actor: str, why: str | None = None) -> None:
    """Write the application's next state. Raises Conflict when it moved meanwhile."""
    _MOVE.must(
        connection,
        filed=before.number,
        before=before.status,
        after=after.status,
        examiner=after.examined_by,
        examination=now if after.examined_by else None,
        approver=after.approved_by,
        approval=now if after.approved_by else None,
        why=why,
    )
    audit.record(
        connection,
        now,
        actor,
        "application due again"
        if after.status is Status.APPROVED and before.approved_by
        else f"application {after.status}",
        f"application:{after.number}",
        sha256=after.content_sha256,
        at=rfc3339(now),
        why=why,
    )


def write_item(connection: Connection, number: int, position: int, item: Item) -> None:
    """Write how far the item at `position` (from 1) has come."""
    _UPDATE_ITEM.must(
        connection,
        number=number,
        place=position,
        revocation_half=item.revocation,
        issuance_half=item.issuance,
        assigned=None if item.new_cn is None else str(item.new_cn),
        trouble=item.failure,
    )


def _written(item: Item) -> dict[str, str | None]:
    texts = {
        "cn": item.cn,
        "reason": item.reason,
        "revocation": item.revocation,
        "revocation_on": item.revocation_on,
        "issuance": item.issuance,
        "issuance_on": item.issuance_on,
        "new_cn": item.new_cn,
        "failure": item.failure,
    }
    return {name: None if value is None else str(value) for name, value in texts.items()}


def _item(row: tuple[str | None, ...]) -> Item:
    cn, reason, revocation, revocation_on, issuance, issuance_on, new_cn, failure = row
    return Item(
        cn=None if cn is None else CommonName.parse(cn),
        reason=None if reason is None else Reason(reason),
        revocation=None if revocation is None else Half(revocation),
        revocation_on=None if revocation_on is None else datetime.date.fromisoformat(revocation_on),
        issuance=None if issuance is None else Half(issuance),
        issuance_on=None if issuance_on is None else datetime.date.fromisoformat(issuance_on),
        new_cn=None if new_cn is None else CommonName.parse(new_cn),
        failure=failure,
    )
