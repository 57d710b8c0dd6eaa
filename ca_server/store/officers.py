"""The records of officers."""

from typing import Any

from sqlalchemy import bindparam, insert, select, update

from ca_server.domain.officers import Officer, Role, folded
from ca_server.errors import NotFound
from ca_server.language import sentence
from ca_server.store import audit, tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_c = tables.officer.c
_COLUMNS = (_c.id, _c.name, _c.role, _c.os_user, _c.disabled_at)
_INSERT = Statement(insert(tables.officer))
_BY_NAME = Statement(select(*_COLUMNS).where(_c.folded_name == bindparam("folded_name")))
_ALL = Statement(select(*_COLUMNS).order_by(_c.folded_name))
_DISABLE = Statement(
    update(tables.officer)
    .where(_c.id == bindparam("officer"), _c.disabled_at.is_(None))
    .values(disabled_at=bindparam("now"))
)


def add(connection: Connection, officer: Officer, now: int, actor: str) -> None:
    """Register `officer`. Raises Duplicate when the folded name is taken."""
    _INSERT.run(
        connection,
        id=officer.id,
        name=officer.name,
        folded_name=folded(officer.name),
        role=officer.role,
        os_user=officer.os_user,
        added_at=now,
        disabled_at=None,
    )
    audit.record(
        connection,
        now,
        actor,
        "officer added",
        f"officer:{officer.id}",
        name=officer.name,
        role=officer.role,
        os_user=officer.os_user,
    )


def by_name(connection: Connection, name: str) -> Officer:
    """Return the officer of that name. Raises NotFound when there is none."""
    row = _BY_NAME.one(connection, folded_name=folded(name))
    if row is None:
        raise NotFound(sentence("No officer is registered as {name!r}; see `warifu-ca officer list`.", name=name))
    return _officer(row)


def all_officers(connection: Connection) -> list[Officer]:
    """Return every officer by name, disabled ones too."""
    return [_officer(row) for row in _ALL.all(connection)]


def disable(connection: Connection, officer: Officer, now: int, actor: str) -> None:
    """Take the officer's rights for good. Raises Conflict when that was done before."""
    _DISABLE.must(connection, officer=officer.id, now=now)
    audit.record(connection, now, actor, "officer disabled", f"officer:{officer.id}", name=officer.name)


def register_key(connection: Connection, officer: Officer, key_sha256: str, now: int, actor: str) -> None:
    """Log that what a key signs counts as the officer's; the key itself stands outside the records (`officer_keys`)."""
    audit.record(
        connection, now, actor, "officer key registered", f"officer:{officer.id}", name=officer.name, key=key_sha256
    )


def withdraw_key(connection: Connection, officer: Officer, key_sha256: str, now: int, actor: str) -> None:
    """Log that what a key signs counts no longer."""
    audit.record(
        connection, now, actor, "officer key withdrawn", f"officer:{officer.id}", name=officer.name, key=key_sha256
    )


def _officer(row: tuple[Any, ...]) -> Officer:
    identity, name, role, os_user, disabled_at = row
    return Officer(identity, name, Role(role), os_user, disabled_at)
