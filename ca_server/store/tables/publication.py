"""The tables of what is made known: revocations, telephone calls, CRLs and mails."""

from sqlalchemy import Column, ForeignKey, Index, String, Table, Text

from ca_server.store.tables.columns import Integer, metadata, partial

revocation = Table(
    "revocation",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("cn", String(11), ForeignKey("seat.cn"), nullable=False),
    Column("serials", Text, nullable=False),
    Column("reason", Integer, nullable=False),
    Column("application", Integer),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Integer, nullable=False),
    Column("published_at", Integer),
    Column("crl_number", Integer),
)
partial("revocation_unpublished", "published_at IS NULL", revocation.c.decided_at)

call = Table(
    "call",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("cn", String(11), ForeignKey("seat.cn"), nullable=False),
    Column("act", String(9), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("caller", Text, nullable=False),
    Column("officer", String(26), ForeignKey("officer.id"), nullable=False),
    Column("at", Integer, nullable=False),
    Column("application", Integer, ForeignKey("application.number")),
    Column("held_until", Integer),
    Column("released_at", Integer),
    Column("reminded_at", Integer, nullable=False),
    Column("published_at", Integer),
)
partial("call_unpublished", "act = 'suspended' AND published_at IS NULL", call.c.at)
Index("call_by_cn", call.c.cn)
Index("call_by_time", call.c.at)

crl = Table(
    "crl",
    metadata,
    Column("issuer", String(16), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("this_update", Integer, nullable=False),
    Column("next_update", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("published_at", Integer),
    Column("partitions", Integer, nullable=False, server_default="0"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("kind", String(24), nullable=False),
    Column("recipient", Text, nullable=False),
    Column("language", String(2), nullable=False),
    Column("institution", String(7), nullable=False),
    Column("cn", String(11)),
    Column("application", Integer),
    Column("credential_id", String(26)),
    Column("serial", String(40)),
    Column("revocation_id", String(26)),
    Column("call_id", String(26)),
    Column("attempt", String(20)),
    Column("checkpoint", Integer),
    Column("status", String(8), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("next_try", Integer, nullable=False),
    Column("ended_at", Integer),
    Column("failure", Text),
)
partial("outbox_pending", "status = 'pending'", outbox.c.next_try)
Index("outbox_by_credential", outbox.c.credential_id)
Index("outbox_by_cn", outbox.c.cn)
