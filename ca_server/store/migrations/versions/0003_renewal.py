"""Renewal: which notice to renew a certificate was the last, and the certificates not renewed by their ends."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("certificate", sa.Column("last_notice", sa.Integer(), nullable=True))
    op.create_index(
        "certificate_not_renewed",
        "certificate",
        ["not_after", "last_notice"],
        unique=False,
        sqlite_where=sa.text("successor IS NULL"),
        postgresql_where=sa.text("successor IS NULL"),
    )
