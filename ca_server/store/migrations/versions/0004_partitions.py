"""Partitions of the CRL, its entries in the index that lists them, and which suspensions a CRL has shown."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_LISTED = "crl_entry IS NOT NULL"
_PARTITIONED = "partition > 0"
_UNPUBLISHED = "act = 'suspended' AND published_at IS NULL"


def upgrade() -> None:
    op.add_column("certificate", sa.Column("partition", sa.Integer(), server_default="0", nullable=False))
    op.add_column("crl", sa.Column("partitions", sa.Integer(), server_default="0", nullable=False))
    op.add_column("call", sa.Column("published_at", sa.Integer(), nullable=True))
    op.drop_index("certificate_on_crl", "certificate")
    op.drop_index("call_by_release", "call")
    for name, table, columns, where in (
        ("certificate_on_crl", "certificate", ["issuer", "partition", "not_after", "crl_entry"], _LISTED),
        ("certificate_in_partition", "certificate", ["issuer", "partition"], _PARTITIONED),
        ("call_unpublished", "call", ["at"], _UNPUBLISHED),
    ):
        op.create_index(
            name, table, columns, unique=False, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
