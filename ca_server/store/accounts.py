"""The records of ACME accounts. The thumbprint of every key an account ever had stays taken, dead accounts included."""

import dataclasses
import json
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from ca_server.errors import AccountUnknown, AccountUnusable
from ca_server.language import sentence
from ca_server.store import audit, tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement
from protocol.vocabulary import AccountStatus

_c = tables.account.c
_COLUMNS = (
    _c.id,
    _c.status,
    _c.jwk,
    _c.cn,
    _c.credential_id,
    _c.contact,
    _c.binding_sealed,
    _c.created_at,
    tables.institution.c.name,
    tables.credential.c.kind,
    tables.seat.c.status,
)
_JOINED = (
    select(*_COLUMNS)
    .join_from(tables.account, tables.seat, _c.cn == tables.seat.c.cn)
    .join(tables.institution, tables.seat.c.institution == tables.institution.c.code)
    .join(tables.credential, _c.credential_id == tables.credential.c.id)
)
_ENDED = {
    AccountStatus.REVOKED: sentence(
        "This account was revoked. The CN was revoked, or a newer one-time URL of it was used on another PC: ask your "
        "administrator or the help desk."
    ),
    AccountStatus.DEACTIVATED: sentence(
        "This account was deactivated. Its key is of no use any more; a new one needs a new one-time URL."
    ),
}
_INSERT = Statement(insert(tables.account))
_BY_ID = Statement(_JOINED.where(_c.id == bindparam("account")))
_BY_THUMBPRINT = Statement(_JOINED.where(_c.thumbprint == bindparam("print")))
_BY_FORMER = Statement(
    select(tables.former_key.c.account_id).where(tables.former_key.c.thumbprint == bindparam("print"))
)
_INSERT_FORMER = Statement(insert(tables.former_key))
_KEY_CHANGES = Statement(select(func.count()).select_from(tables.former_key))
_STATUS = Statement(select(_c.status).where(_c.id == bindparam("account")))
_KEY = Statement(select(_c.jwk).where(_c.id == bindparam("account")))
_CREDENTIAL = Statement(select(_c.credential_id).where(_c.id == bindparam("account")))
_DEVICE = Statement(select(_c.device, _c.address).where(_c.id == bindparam("account")))
_DEVICE_OF_SEAT = Statement(
    select(_c.device, _c.address)
    .where(_c.cn == bindparam("seat"), _c.status == AccountStatus.VALID)
    .order_by(_c.created_at.desc(), _c.id)
    .limit(1)
)
_DESCRIBE = Statement(
    update(tables.account)
    .where(_c.id == bindparam("account"), _c.device != bindparam("text"))
    .values(device=bindparam("text"))
)
_END = Statement(
    update(tables.account)
    .where(_c.id == bindparam("account"), _c.status == AccountStatus.VALID)
    .values(status=bindparam("after"))
)
_REVOKE_OTHERS = Statement(
    update(tables.account)
    .where(_c.cn == bindparam("seat"), _c.id != bindparam("kept"), _c.status == AccountStatus.VALID)
    .values(status=AccountStatus.REVOKED)
)
_UNUSED = (
    select(_c.id)
    .where(
        _c.status == AccountStatus.VALID,
        ~select(tables.certificate.c.serial)
        .where(tables.certificate.c.account_id == _c.id, tables.certificate.c.der.is_not(None))
        .correlate(tables.account)
        .exists(),
    )
    .order_by(_c.id)
)
_ALL_UNUSED = Statement(_UNUSED)
_UNUSED_OF_SEAT = Statement(_UNUSED.where(_c.cn == bindparam("seat")))
_UNUSED_OF_INSTITUTION = Statement(
    _UNUSED.join_from(tables.account, tables.seat, _c.cn == tables.seat.c.cn).where(
        tables.seat.c.institution == bindparam("code")
    )
)
_CHANGE_KEY = Statement(
    update(tables.account)
    .where(_c.id == bindparam("account"), _c.thumbprint == bindparam("before"), _c.status == AccountStatus.VALID)
    .values(thumbprint=bindparam("after"), jwk=bindparam("new_jwk"))
)
_CHANGE_CONTACT = Statement(
    update(tables.account)
    .where(_c.id == bindparam("account"), _c.status == AccountStatus.VALID)
    .values(contact=bindparam("new_contact"))
)


@dataclasses.dataclass(frozen=True)
class AccountRow:
    """An account as recorded, with what it shows of its seat. `jwk` and `contact` are JSON texts."""

    id: str
    status: AccountStatus
    jwk: str
    cn: str
    credential_id: str
    contact: str
    binding_sealed: bytes
    created_at: int
    institution_name: str
    credential_kind: str
    seat_status: str


@dataclasses.dataclass(frozen=True)
class NewAccountRow:
    """What a new account is recorded with; the external account binding it came with is sealed."""

    id: str
    thumbprint: str
    jwk: str
    cn: str
    credential_id: str
    contact: str
    binding_sealed: bytes
    device: str
    address: str


def add(connection: Connection, account: NewAccountRow, now: int) -> None:
    """Put a valid account on record. Raises Duplicate when its key is another account's."""
    _INSERT.run(connection, status=AccountStatus.VALID, created_at=now, **vars(account))
    audit.record(
        connection,
        now,
        f"account:{account.id}",
        "account bound",
        account.cn,
        credential=account.credential_id,
        thumbprint=account.thumbprint,
    )


def get(connection: Connection, account_id: str) -> AccountRow:
    """Return a valid account, read in the transaction that decides.

    Raises AccountUnknown, or AccountUnusable for one that was deactivated or revoked.
    """
    row = _BY_ID.one(connection, account=account_id)
    if row is None:
        raise AccountUnknown(sentence("There is no such account."))
    return _valid(_account(row))


def require_valid(connection: Connection, account_id: str) -> None:
    """Do nothing for a valid account. Raises AccountUnknown or AccountUnusable otherwise."""
    row = _STATUS.one(connection, account=account_id)
    if row is None:
        raise AccountUnknown(sentence("There is no such account."))
    require_usable(row[0])


def require_usable(status: str) -> None:
    """Do nothing for the status of a valid account, as just read. Raises AccountUnusable otherwise."""
    if status != AccountStatus.VALID:
        raise _unusable(AccountStatus(status))


def by_thumbprint(connection: Connection, thumbprint: str) -> AccountRow | None:
    """Return the valid account that has the key, or None.

    Raises AccountUnusable when the key is a dead account's or one that its account gave up: it never binds again.
    """
    row = _BY_THUMBPRINT.one(connection, print=thumbprint)
    if row is not None:
        return _valid(_account(row))
    if _BY_FORMER.one(connection, print=thumbprint) is not None:
        raise AccountUnusable(sentence("This key was replaced by another one; use that."))
    return None


def key(connection: Connection, account_id: str) -> str | None:
    """Return the account's public key as a JWK text, or None; its status is not looked at."""
    row = _KEY.one(connection, account=account_id)
    return None if row is None else row[0]


def key_changes(connection: Connection) -> int:
    """Return a number that rises whenever an account changes its key."""
    row = _KEY_CHANGES.one(connection)
    return 0 if row is None else int(row[0])


def credential_of(connection: Connection, account_id: str) -> str:
    """Return the id of the credential that bound the account, the empty text for an unknown one."""
    row = _CREDENTIAL.one(connection, account=account_id)
    return "" if row is None else row[0]


def device(connection: Connection, account_id: str) -> tuple[str, str]:
    """Return what the account's PC told of itself when it was bound, a JSON text, and the address it was bound from."""
    row = _DEVICE.one(connection, account=account_id)
    return ("{}", "") if row is None else (row[0], row[1])


def device_of_seat(connection: Connection, cn: str) -> tuple[str, str]:
    """Return what the PC of the seat told of itself, a JSON text, and the address it was bound from."""
    row = _DEVICE_OF_SEAT.one(connection, seat=cn)
    return ("{}", "") if row is None else (row[0], row[1])


def describe(connection: Connection, account_id: str, cn: str, told: str, now: int) -> None:
    """Write what the account's PC tells of itself now, a JSON text; that its host name is another one is logged."""
    former = json.loads(device(connection, account_id)[0]).get("hostName")
    _DESCRIBE.run(connection, account=account_id, text=told)
    host_name = json.loads(told).get("hostName")
    if host_name != former:
        detail = {"host_name": host_name, "former_host_name": former}
        audit.record(connection, now, f"account:{account_id}", "PC described", cn, **detail)


def end(connection: Connection, account_id: str, status: AccountStatus, now: int, actor: str) -> bool:
    """Deactivate or revoke a valid account; tell whether it was one."""
    ended = _END.run(connection, account=account_id, after=status) == 1
    if ended:
        audit.record(connection, now, actor, f"account {status}", f"account:{account_id}")
    return ended


def revoke_others(connection: Connection, cn: str, kept: str) -> int:
    """Revoke every valid account of the seat but `kept` (the empty text keeps none) and return how many."""
    return _REVOKE_OTHERS.run(connection, seat=cn, kept=kept)


def unused(connection: Connection) -> list[str]:
    """Return the valid accounts that no certificate is stored for."""
    return [row[0] for row in _ALL_UNUSED.all(connection)]


def unused_of_seat(connection: Connection, cn: str) -> list[str]:
    """Return the valid accounts of a CN that no certificate is stored for."""
    return [row[0] for row in _UNUSED_OF_SEAT.all(connection, seat=cn)]


def unused_of_institution(connection: Connection, code: str) -> list[str]:
    """Return the valid accounts of all CNs of an institution that no certificate is stored for."""
    return [row[0] for row in _UNUSED_OF_INSTITUTION.all(connection, code=code)]


def change_key(connection: Connection, account_id: str, before: str, after: str, new_jwk: str, now: int) -> None:
    """Give the account another key; the old thumbprint stays taken. Raises Conflict or Duplicate."""
    _CHANGE_KEY.must(connection, account=account_id, before=before, after=after, new_jwk=new_jwk)
    _INSERT_FORMER.run(connection, thumbprint=before, account_id=account_id, changed_at=now)
    audit.record(
        connection, now, f"account:{account_id}", "account key changed", f"account:{account_id}", thumbprint=after
    )


def change_contact(connection: Connection, account_id: str, contact: str, now: int) -> None:
    """Write the account's contacts, a JSON text. Raises Conflict when it ended."""
    _CHANGE_CONTACT.must(connection, account=account_id, new_contact=contact)
    audit.record(connection, now, f"account:{account_id}", "account contacts changed", f"account:{account_id}")


def _valid(account: AccountRow) -> AccountRow:
    if account.status is not AccountStatus.VALID:
        raise _unusable(account.status)
    return account


def _unusable(status: AccountStatus) -> AccountUnusable:
    return AccountUnusable(_ENDED[status])


def _account(row: tuple[Any, ...]) -> AccountRow:
    return AccountRow(row[0], AccountStatus(row[1]), *row[2:])
