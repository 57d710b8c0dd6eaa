"""What several servers on one database share."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    _lost_certificates()
    _share()
    _order()
    _widen()


def _lost_certificates() -> None:
    """Make room for what a restore finds on the newest CRL and the restored records do not know."""
    op.create_table(
        "lost_certificate",
        sa.Column("issuer", sa.String(16), nullable=False),
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("not_after", sa.Integer(), nullable=False),
        sa.Column("revoked_at", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Integer(), nullable=False),
        sa.Column("crl_entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "serial"),
    )


def _share() -> None:
    """Make room for the newest lists themselves, and for nonces that any server redeems."""
    op.create_table(
        "crl_content",
        sa.Column("issuer", sa.String(16), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("piece", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "part", "piece"),
    )
    op.create_table(
        "nonce_key",
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("place"),
    )
    op.create_table(
        "redeemed_nonce",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table in ("nonce_key", "redeemed_nonce"):
            op.execute(f"ALTER TABLE {table} SET UNLOGGED")
        op.execute("ALTER TABLE crl_content ALTER COLUMN der SET STORAGE EXTERNAL")  # nothing there to compress


def _order() -> None:
    """Make room for what gives changes their order in PostgreSQL; a file counts its rows itself."""
    op.create_table(
        "place_offset",
        sa.Column("only", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ahead", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("only"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE audit ADD COLUMN arrival bigint GENERATED ALWAYS AS IDENTITY")
        op.execute("CREATE UNIQUE INDEX audit_by_arrival ON audit (arrival)")


def _widen() -> None:
    """Make every whole number of PostgreSQL 64 bits wide: seconds since 1970 outgrow 32 in 2038; here all are empty."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    narrow = connection.execute(
        sa.text(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = current_schema() AND data_type = 'integer' ORDER BY table_name, column_name"
        )
    )
    for table, column in narrow.fetchall():
        op.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE bigint')
    op.execute("ALTER SEQUENCE application_number_seq AS bigint")
