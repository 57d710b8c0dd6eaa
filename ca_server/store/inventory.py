"""The records of seats as the inventory reads them: one statement, whatever number of seats there are."""

import json
from typing import Any

from sqlalchemy import BindParameter, Label, Subquery, and_, bindparam, case, func, select

from ca_server.domain.certificates import CertificateStatus
from ca_server.domain.credentials import Credential, CredentialKind, CredentialStatus
from ca_server.domain.inventory import NewestCertificate, SeatFacts
from ca_server.domain.seats import SeatStatus
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement
from protocol.names import CommonName

_s, _i, _p, _c, _a = (
    table.c for table in (tables.seat, tables.institution, tables.credential, tables.certificate, tables.account)
)
_PAIR = (_p.id, _p.kind, _p.status, _p.failures, _p.account_id, _p.claimed_by, _p.expires_at, _p.ended_at)
_FIRST: BindParameter[str] = bindparam("first")
_LAST: BindParameter[str] = bindparam("last")


def _place(cn: Any, good: Any, *newest: Any) -> Label[int]:
    """Return a row's place among those of its CN: good ones first, then the newest."""
    order = (case((good, 0), else_=1), *(column.desc() for column in newest))
    return func.row_number().over(partition_by=cn, order_by=order).label("place")


def _pairs() -> Subquery:
    live = _p.status.in_((CredentialStatus.OPEN, CredentialStatus.LOCKED))
    place = _place(_p.cn, live, _p.created_at, _p.id)
    return select(*_PAIR, _p.cn, place).where(_p.cn.between(_FIRST, _LAST)).subquery("newest_pair")


def _certificates() -> Subquery:
    good = _c.status.in_((CertificateStatus.ISSUED, CertificateStatus.SUSPENDED))
    columns = (_c.cn, _c.account_id, _c.not_after, _c.issued_at, _c.predecessor)
    place = _place(_c.cn, good, _c.not_after, _c.serial)
    return (
        select(*columns, place).where(_c.cn.between(_FIRST, _LAST), _c.der.is_not(None)).subquery("newest_certificate")
    )


def _statement() -> Statement:
    pair, certificate = _pairs(), _certificates()
    return Statement(
        select(
            _s.cn,
            _i.name,
            _s.label,
            _s.status,
            certificate.c.not_after,
            certificate.c.issued_at,
            certificate.c.predecessor,
            _a.device,
            *(pair.c[column.name] for column in _PAIR),
        )
        .join_from(tables.seat, tables.institution, _s.institution == _i.code)
        .outerjoin(pair, and_(pair.c.cn == _s.cn, pair.c.place == 1))
        .outerjoin(certificate, and_(certificate.c.cn == _s.cn, certificate.c.place == 1))
        .outerjoin(tables.account, _a.id == certificate.c.account_id)
        .where(_s.cn.between(_FIRST, _LAST))
        .order_by(_s.cn)
    )


_BETWEEN = _statement()


def between(connection: Connection, first: str, last: str) -> list[SeatFacts]:
    """Return the seats whose CNs lie between two texts, both included, by CN."""
    return [_facts(row) for row in _BETWEEN.all(connection, first=first, last=last)]


def _facts(row: tuple[Any, ...]) -> SeatFacts:
    cn, institution_name, label, status, not_after, issued_at, predecessor, device, *pair = row
    name = CommonName.parse(cn)
    return SeatFacts(
        name,
        institution_name,
        label,
        None if device is None else json.loads(device).get("hostName") or None,
        SeatStatus(status),
        None if pair[0] is None else _pair(name, *pair),
        None if not_after is None else NewestCertificate(not_after, issued_at, predecessor is not None),
    )


def _pair(cn: CommonName, identity: str, kind: str, status: str, *rest: Any) -> Credential:
    return Credential(identity, cn, CredentialKind(kind), CredentialStatus(status), *rest)
