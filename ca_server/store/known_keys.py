"""What is known of a public key: one look answers all that a new account, a changed key and a new certificate ask."""

from typing import NamedTuple

from sqlalchemy import String, bindparam, func, select

from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_PRINT = bindparam("print", type_=String)
_SPKI = bindparam("spki", type_=String)
_KNOWN = Statement(
    select(
        select(tables.account.c.id).where(tables.account.c.thumbprint == _PRINT).scalar_subquery(),
        select(tables.former_key.c.account_id).where(tables.former_key.c.thumbprint == _PRINT).scalar_subquery(),
        select(func.count()).where(tables.blocked_key.c.spki_sha256 == _SPKI).scalar_subquery(),
        select(func.count())
        .where(tables.certificate.c.spki_sha256 == _SPKI, tables.certificate.c.cn != bindparam("seat"))
        .scalar_subquery(),
    )
)


class KnownKey(NamedTuple):
    """What is known of a public key."""

    account: str | None
    """The id of the account that has or had it, dead ones included."""
    is_blocked: bool
    """Whether it was compromised once."""
    is_certified: bool
    """Whether a certificate with it was planned, for another seat than the one named."""


def look(connection: Connection, thumbprint: str, spki_sha256: str, cn: str = "") -> KnownKey:
    """Return what is known of a public key by both its hashes; the certificates of seat `cn` do not count."""
    row = _KNOWN.one(connection, print=thumbprint, spki=spki_sha256, seat=cn)
    assert row is not None  # noqa: S101 - a row of four answers, whatever they are
    account, former, blocked, certified = row
    return KnownKey(account or former, bool(blocked), bool(certified))
