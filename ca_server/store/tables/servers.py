"""The tables by which servers agree, who does what and what was used."""

from sqlalchemy import Column, LargeBinary, String, Table

from ca_server.store.tables.columns import Integer, metadata

lease = Table(
    "lease",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(26), nullable=False),
    Column("until", Integer, nullable=False),
)

crl_content = Table(
    "crl_content",
    metadata,
    Column("issuer", String(16), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("piece", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("der", LargeBinary, nullable=False),
)
"""The newest lists themselves, by partition and in pieces, where several servers place them in their folders."""

nonce_key = Table(
    "nonce_key",
    metadata,
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("octets", LargeBinary, nullable=False),
    info={"volatile": True},
)
redeemed_nonce = Table(
    "redeemed_nonce",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Integer, nullable=False),
    info={"volatile": True},
)
"""What several servers know of nonces (`nonces`): tables of PostgreSQL that a crash empties together."""
