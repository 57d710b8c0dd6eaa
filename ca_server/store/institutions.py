"""The records of institutions, their administrators, and the numbers of their CNs."""

import dataclasses
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from ca_server.domain.administrators import Administrator
from ca_server.store import audit, tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement
from protocol.names import MAX_NUMBER, InstitutionCode

_c = tables.institution.c
_COLUMNS = (
    _c.code,
    _c.name,
    _c.family_name,
    _c.given_name,
    _c.furigana,
    _c.email,
    _c.language,
    _c.last_number,
    _c.registered_at,
)
_INSERT = Statement(insert(tables.institution))
_BY_CODE = Statement(select(*_COLUMNS).where(_c.code == bindparam("code")))
_ALL = Statement(select(*_COLUMNS).order_by(_c.code))
_TAKE_NUMBERS = Statement(
    update(tables.institution)
    .where(
        _c.code == bindparam("institution"),
        _c.last_number == bindparam("before"),
        _c.last_number + bindparam("count") <= MAX_NUMBER,
    )
    .values(last_number=_c.last_number + bindparam("count"))
)
_CHANGE_ADMINISTRATOR = Statement(
    update(tables.institution)
    .where(_c.code == bindparam("institution"), _c.email == bindparam("former"))
    .values(
        family_name=bindparam("family"),
        given_name=bindparam("given"),
        furigana=bindparam("reading"),
        email=bindparam("address"),
    )
)


@dataclasses.dataclass(frozen=True)
class Institution:
    """A subscriber organisation 金融機関 with its registered administrator."""

    code: InstitutionCode
    name: str
    administrator: Administrator
    language: str
    last_number: int
    registered_at: int


def find(connection: Connection, code: InstitutionCode) -> Institution | None:
    """Return the institution, or None when none is registered under that code."""
    row = _BY_CODE.one(connection, code=str(code))
    return None if row is None else _institution(row)


def all_institutions(connection: Connection) -> list[Institution]:
    """Return every institution by code."""
    return [_institution(row) for row in _ALL.all(connection)]


def register(connection: Connection, institution: Institution, now: int, actor: str) -> None:
    """Register the institution and its administrator, as its first application does when approved."""
    _INSERT.run(
        connection,
        code=str(institution.code),
        name=institution.name,
        language=institution.language,
        last_number=0,
        registered_at=now,
        **dataclasses.asdict(institution.administrator),
    )
    audit.record(connection, now, actor, "institution registered", str(institution.code))


def take_numbers(connection: Connection, institution: Institution, count: int) -> range:
    """Take the next `count` numbers of the institution, never given again; all of them or none.

    Raises Conflict when fewer than `count` are left below 999 or another took some meanwhile.
    """
    before = institution.last_number
    _TAKE_NUMBERS.must(connection, institution=str(institution.code), before=before, count=count)
    return range(before + 1, before + count + 1)


def change_administrator(
    connection: Connection, institution: Institution, successor: Administrator, now: int, actor: str, number: int
) -> None:
    """Register another administrator, on application `number`. Raises Conflict when that was done meanwhile."""
    _CHANGE_ADMINISTRATOR.must(
        connection,
        institution=str(institution.code),
        former=institution.administrator.email,
        family=successor.family_name,
        given=successor.given_name,
        reading=successor.furigana,
        address=successor.email,
    )
    audit.record(connection, now, actor, "administrator changed", str(institution.code), application=number)


def _institution(row: tuple[Any, ...]) -> Institution:
    code, name, family_name, given_name, furigana, email, language, last_number, registered_at = row
    administrator = Administrator(family_name, given_name, furigana, email)
    return Institution(
        InstitutionCode.parse(str(code)),
        str(name),
        administrator,
        str(language),
        last_number,
        registered_at,
    )
