"""The audit log as a Merkle tree: tiles of hashes, a log of each institution, checkpoints, results and salts.

Entries made before are put in the order in which they were written, and say what the tree needs of them: an officer by
id, the hash of a certificate. None of them has a place yet.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_REFUSED = ("application refused", "approval refused", "help desk refused", "officer refused", "wrong password")
_FAILED = ("certificate aborted", "mail dead")
_AT_ONCE = 1000
_SIGNED = sa.text("SELECT serial, der FROM certificate WHERE der IS NOT NULL")
_OF_SERIAL = sa.text("SELECT cn, issued_at FROM certificate WHERE serial = :serial")
_ADD = sa.text(
    "INSERT INTO audit_new (id, at, actor, action, subject, detail, result)"
    " VALUES (:id, :at, :actor, :action, :subject, :detail, :result)"
)
_PARTIAL = (
    ("audit_by_place", "place", "place IS NOT NULL", True),
    ("audit_unplaced", "id", "place IS NULL", False),
    ("audit_with_salt", "at", "salt IS NOT NULL", False),
)

Values = dict[str, object]


def upgrade() -> None:
    op.add_column("outbox", sa.Column("checkpoint", sa.Integer(), nullable=True))
    op.create_table(
        "audit_tile",
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number"),
    )
    op.create_table(
        "institution_log",
        sa.Column("institution", sa.String(7), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(64), nullable=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("institution"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("size", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("mailed_at", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("size"),
    )
    _write_anew()


def _write_anew() -> None:
    """Put a new table in the place of the old one: the constraint on places would count entries that have none."""
    op.create_table(
        "audit_new",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("place", sa.Integer(), nullable=True),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("result", sa.String(8), nullable=False, server_default="done"),
        sa.Column("salt", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    connection = op.get_bind()
    batch: list[Values] = []
    for values in _entries(connection):
        batch.append(values)
        if len(batch) == _AT_ONCE:
            connection.execute(_ADD, batch)
            batch = []
    if batch:
        connection.execute(_ADD, batch)
    op.drop_table("audit")
    op.rename_table("audit_new", "audit")
    op.create_index("audit_by_subject", "audit", ["subject"], unique=False)
    for name, column, where, unique in _PARTIAL:
        condition = sa.text(where)
        op.create_index(name, "audit", [column], unique=unique, sqlite_where=condition, postgresql_where=condition)


def _entries(connection: sa.Connection) -> Iterator[Values]:
    """Yield every entry as it is from now on, in the order in which they were written."""
    written = "rowid" if connection.dialect.name == "sqlite" else "id"
    ids = {name: identity for identity, name in connection.execute(sa.text("SELECT id, name FROM officer"))}
    hashes = {serial: hashlib.sha256(der).hexdigest() for serial, der in connection.execute(_SIGNED)}
    columns = "id, at, actor, action, subject, detail"
    rows = connection.execute(sa.text(f"SELECT {columns} FROM audit ORDER BY {written}"))  # noqa: S608 - constants
    for number, row in enumerate(rows):
        values: Values = dict(row._mapping)
        action, subject, detail = row.action, row.subject, json.loads(row.detail)
        if action.startswith("officer "):
            detail["name"] = subject
            values["subject"] = (
                f"officer:{ids[subject]}" if action != "officer refused" and subject in ids else "officer"
            )
        if action == "certificate issued" and detail["serial"] in hashes:
            detail["sha256"] = hashes.pop(detail["serial"])
        result = "refused" if action in _REFUSED else "failed" if action in _FAILED else "done"
        yield values | {"id": _sorted_id(row.at, number, row.id), "detail": _encoded(detail), "result": result}
    yield from _stored(connection, hashes)


def _stored(connection: sa.Connection, hashes: Mapping[str, str]) -> Iterator[Values]:
    """Yield the entries of certificates that were revoked while they were signed, which had none."""
    for number, (serial, digest) in enumerate(sorted(hashes.items())):
        cn, at = connection.execute(_OF_SERIAL, {"serial": serial}).one()
        yield {
            "id": _sorted_id(at, 500_000_000 + number, digest),
            "at": at,
            "actor": "schedule",
            "action": "certificate stored",
            "subject": cn,
            "detail": _encoded({"serial": serial, "sha256": digest}),
            "result": "done",
        }


def _sorted_id(at: int, number: int, random: str) -> str:
    """Return an id that sorts by time, and within a second by a number."""
    return f"{at * 1_000_000_000 + number:016x}{random[-10:]}"


def _encoded(detail: object) -> str:
    return json.dumps(detail, separators=(",", ":"), sort_keys=True)
