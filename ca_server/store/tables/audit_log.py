"""The tables of the audit log."""

from sqlalchemy import Column, Index, LargeBinary, String, Table, Text

from ca_server.store.tables.columns import Integer, metadata, partial

audit = Table(
    "audit",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("place", Integer),
    Column("at", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("result", String(8), nullable=False, server_default="done"),
    Column("salt", String(32)),
)
Index("audit_by_subject", audit.c.subject)
partial("audit_by_place", "place IS NOT NULL", audit.c.place, unique=True)
partial("audit_unplaced", "place IS NULL", audit.c.id)
partial("audit_with_salt", "salt IS NOT NULL", audit.c.at)

audit_tile = Table(
    "audit_tile",
    metadata,
    Column("level", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("hashes", LargeBinary, nullable=False),
)

institution_log = Table(
    "institution_log",
    metadata,
    Column("institution", String(7), primary_key=True),
    Column("size", Integer, nullable=False),
    Column("head", String(64), nullable=False),
    Column("peaks", LargeBinary, nullable=False),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("at", Integer, nullable=False),
    Column("note", Text, nullable=False),
    Column("mailed_at", Integer),
)
