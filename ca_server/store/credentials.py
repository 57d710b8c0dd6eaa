"""The records of credentials. Kid and password are sealed, with the credential's id as associated data, and erased in
the transaction that ends the credential; it is looked up by the SHA-256 of its kid.
"""

import dataclasses
import hashlib
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from ca_server.domain.credentials import Credential, CredentialKind, CredentialStatus
from ca_server.store import audit, tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement
from keys.sealing import Sealer
from protocol.names import CommonName

_c = tables.credential.c
_LIVE = (CredentialStatus.OPEN, CredentialStatus.LOCKED)
_CLAIMABLE = (*_LIVE, CredentialStatus.EXPIRED)  # locking and expiry stop newAccount only (protocol.md, State, rule 3)
_COLUMNS = (
    _c.id,
    _c.cn,
    _c.kind,
    _c.status,
    _c.failures,
    _c.account_id,
    _c.claimed_by,
    _c.expires_at,
    _c.ended_at,
    _c.kid_sealed,
    _c.password_sealed,
)
_ERASED: dict[str, Any] = {"kid_sealed": None, "password_sealed": None, "ended_at": bindparam("now")}
_INSERT = Statement(insert(tables.credential))
_BY_KID = Statement(
    select(*_COLUMNS, tables.seat.c.status, tables.institution.c.name)
    .join_from(tables.credential, tables.seat, _c.cn == tables.seat.c.cn)
    .join(tables.institution, tables.seat.c.institution == tables.institution.c.code)
    .where(_c.kid_sha256 == bindparam("sha256"))
)
_BY_ID = Statement(select(*_COLUMNS).where(_c.id == bindparam("credential")))
_LIVE_OF_SEAT = Statement(select(*_COLUMNS).where(_c.cn == bindparam("seat"), _c.status.in_(_LIVE)))
_BIND = Statement(
    update(tables.credential)
    .where(_c.id == bindparam("credential"), _c.status == CredentialStatus.OPEN, _c.claimed_by.is_(None))
    .values(account_id=bindparam("account"))
)
_CLAIM = Statement(
    update(tables.credential)
    .where(
        _c.id == bindparam("credential"),
        _c.status.in_(_CLAIMABLE),
        _c.account_id == bindparam("account"),
        _c.claimed_by.is_(None),
    )
    .values(claimed_by=bindparam("serial"))
)
_RELEASE = Statement(
    update(tables.credential)
    .where(_c.claimed_by == bindparam("serial"), _c.status.in_(_CLAIMABLE))
    .values(claimed_by=None)
)
_USE = Statement(
    update(tables.credential)
    .where(_c.id == bindparam("credential"), _c.status.in_(_CLAIMABLE))
    .values(status=CredentialStatus.USED, **_ERASED)
)
_REPLACE = Statement(
    update(tables.credential)
    .where(_c.cn == bindparam("seat"), _c.status.in_(_LIVE))
    .values(status=CredentialStatus.REPLACED, claimed_by=None, **_ERASED)
)
_COUNT_FAILURE = Statement(
    update(tables.credential)
    .where(_c.id == bindparam("credential"), _c.failures == bindparam("before"))
    .values(failures=_c.failures + 1, status=bindparam("after"))
)
_EXPIRED = Statement(
    select(*_COLUMNS)
    .where(_c.expires_at <= bindparam("now"), _c.kid_sealed.is_not(None), _c.claimed_by.is_(None))
    .order_by(_c.expires_at)
    .limit(bindparam("most"))
)
_EXPIRE = Statement(
    update(tables.credential)
    .where(_c.id == bindparam("credential"), _c.status.in_(_LIVE), _c.claimed_by.is_(None))
    .values(status=CredentialStatus.EXPIRED, **_ERASED)
)
_UNLOCK = Statement(
    update(tables.credential)
    .where(_c.id == bindparam("credential"), _c.status == CredentialStatus.LOCKED)
    .values(status=CredentialStatus.OPEN, failures=0)
)
_OF_SEAT = Statement(select(*_COLUMNS, _c.created_at).where(_c.cn == bindparam("seat")).order_by(_c.created_at, _c.id))
_SEATS_WITH_LIVE = Statement(select(_c.cn).where(_c.status.in_(_LIVE)).distinct().order_by(_c.cn))
_LIVE_OF_INSTITUTION = Statement(
    select(*_COLUMNS)
    .join_from(tables.credential, tables.seat, _c.cn == tables.seat.c.cn)
    .where(tables.seat.c.institution == bindparam("code"), _c.status.in_(_LIVE), _c.expires_at > bindparam("now"))
    .order_by(_c.cn)
)


@dataclasses.dataclass(frozen=True)
class Halves:
    """The two sealed halves of a live credential; None once it ended."""

    kid: bytes | None
    password: bytes | None

    def opened(self, sealer: Sealer, credential_id: str) -> tuple[str, str]:
        """Return kid and password in clear, for a MAC or a mail and nothing else. Raises SealBroken."""
        associated = credential_id.encode()
        return (
            sealer.open(self.kid or b"", associated).decode(),
            sealer.open(self.password or b"", associated).decode(),
        )


@dataclasses.dataclass(frozen=True)
class Found:
    """A credential with its halves and what is told of its seat once the password was right."""

    credential: Credential
    halves: Halves
    seat_status: str
    institution_name: str


def add(
    connection: Connection, credential: Credential, secrets: tuple[str, str], sealer: Sealer, now: int, actor: str
) -> None:
    """Put an open credential on record with its (kid, password), sealed."""
    kid, password = secrets
    associated = credential.id.encode()
    _INSERT.run(
        connection,
        id=credential.id,
        cn=str(credential.cn),
        kind=credential.kind,
        status=credential.status,
        kid_sha256=kid_sha256(kid),
        kid_sealed=sealer.seal(kid.encode(), associated),
        password_sealed=sealer.seal(password.encode(), associated),
        failures=0,
        account_id=None,
        claimed_by=None,
        created_at=now,
        expires_at=credential.expires_at,
        ended_at=None,
    )
    audit.record(
        connection,
        now,
        actor,
        "credential made",
        str(credential.cn),
        credential=credential.id,
        kind=credential.kind,
        expires_at=credential.expires_at,
    )


def kid_sha256(kid: str) -> str:
    """Return the name under which a kid is looked up."""
    return hashlib.sha256(kid.encode()).hexdigest()


def by_kid(connection: Connection, kid: str) -> Found | None:
    """Return the credential of a normalised kid with its seat, or None for a stranger's guess."""
    row = _BY_KID.one(connection, sha256=kid_sha256(kid))
    return None if row is None else Found(_credential(row), Halves(row[9], row[10]), row[11], row[12])


def by_id(connection: Connection, credential_id: str) -> tuple[Credential, Halves] | None:
    """Return the credential and its halves, or None."""
    row = _BY_ID.one(connection, credential=credential_id)
    return None if row is None else (_credential(row), Halves(row[9], row[10]))


def live_of_seat(connection: Connection, cn: CommonName) -> list[Credential]:
    """Return the seat's open and locked credentials."""
    return [_credential(row) for row in _LIVE_OF_SEAT.all(connection, seat=str(cn))]


def bind(connection: Connection, credential_id: str, account_id: str) -> None:
    """Bind an open, unclaimed credential to an account. Raises Conflict when it is neither any more."""
    _BIND.must(connection, credential=credential_id, account=account_id)


def claim(connection: Connection, credential_id: str, account_id: str, serial: str) -> bool:
    """Let the plan `serial` alone use the credential bound to `account_id`, also after its expiry; tell if it won."""
    return _CLAIM.run(connection, credential=credential_id, account=account_id, serial=serial) == 1


def release(connection: Connection, serial: str) -> None:
    """Give back what an aborted plan had claimed."""
    _RELEASE.run(connection, serial=serial)


def use(connection: Connection, credential_id: str, now: int) -> None:
    """End the credential as used and erase its halves."""
    _USE.run(connection, credential=credential_id, now=now)


def replace_live(connection: Connection, cn: str, now: int, actor: str) -> int:
    """End every live credential of the seat as replaced, erase their halves, and return how many there were."""
    replaced = _REPLACE.run(connection, seat=cn, now=now)
    if replaced:
        audit.record(connection, now, actor, "credential replaced", cn, credentials=replaced)
    return replaced


def unlock(connection: Connection, credential: Credential, now: int, actor: str) -> None:
    """Open a locked credential again with all its tries. Raises Conflict when it is not locked any more."""
    _UNLOCK.must(connection, credential=credential.id)
    audit.record(connection, now, actor, "credential unlocked", str(credential.cn), credential=credential.id)


def count_failure(connection: Connection, credential: Credential, limit: int, now: int) -> int:
    """Count a wrong password, lock at the limit, and return how many there were."""
    failures = credential.failures + 1
    after = CredentialStatus.LOCKED if failures >= limit else credential.status
    _COUNT_FAILURE.must(connection, credential=credential.id, before=credential.failures, after=after)
    audit.record(
        connection,
        now,
        f"credential:{credential.id}",
        "wrong password",
        str(credential.cn),
        result=audit.REFUSED,
        failures=failures,
        status=after,
    )
    return failures


def expired(connection: Connection, now: int, most: int) -> list[Credential]:
    """Return credentials whose time is over and whose end was not written down yet, at most `most`."""
    return [_credential(row) for row in _EXPIRED.all(connection, now=now, most=most)]


def expire(connection: Connection, credential: Credential, now: int) -> None:
    """Write down the expiry of a credential and erase its halves. Raises Conflict when it was claimed meanwhile."""
    _EXPIRE.must(connection, credential=credential.id, now=now)
    audit.record(connection, now, "schedule", "credential expired", str(credential.cn), credential=credential.id)


def of_seat(connection: Connection, cn: str) -> list[tuple[Credential, int]]:
    """Return every credential that the seat ever had with the moment it was made, oldest first."""
    return [(_credential(row), row[-1]) for row in _OF_SEAT.all(connection, seat=cn)]


def seats_with_live(connection: Connection) -> list[CommonName]:
    """Return the CNs that have an open or locked credential, run out or not."""
    return [CommonName.parse(row[0]) for row in _SEATS_WITH_LIVE.all(connection)]


def live_of_institution(connection: Connection, code: str, now: int) -> list[Credential]:
    """Return the open and locked credentials of all seats of an institution that have not run out."""
    return [_credential(row) for row in _LIVE_OF_INSTITUTION.all(connection, code=code, now=now)]


def _credential(row: tuple[Any, ...]) -> Credential:
    identity, cn, kind, status, failures, account_id, claimed_by, expires_at, ended_at = row[:9]
    return Credential(
        identity,
        CommonName.parse(str(cn)),
        CredentialKind(kind),
        CredentialStatus(status),
        failures,
        account_id,
        claimed_by,
        expires_at,
        ended_at,
    )
