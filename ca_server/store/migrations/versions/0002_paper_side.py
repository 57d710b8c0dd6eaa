"""The paper side: files of applications, administrator changes, telephone calls, labels of PCs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_administrator_change()
    op.create_table(
        "application_file",
        sa.Column("application", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("keep_until", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["application"], ["application.number"]),
        sa.PrimaryKeyConstraint("application"),
    )
    op.create_index(
        "application_file_by_end",
        "application_file",
        ["keep_until"],
        unique=False,
        sqlite_where=sa.text("sealed IS NOT NULL"),
        postgresql_where=sa.text("sealed IS NOT NULL"),
    )
    _create_call()
    op.add_column("seat", sa.Column("label", sa.Text(), nullable=True))
    op.add_column("outbox", sa.Column("call_id", sa.String(length=26), nullable=True))
    op.add_column("outbox", sa.Column("attempt", sa.String(length=20), nullable=True))
    op.create_index("outbox_by_cn", "outbox", ["cn"], unique=False)
    op.create_index("certificate_by_account", "certificate", ["account_id"], unique=False)
    if op.get_bind().dialect.name == "sqlite":  # PostgreSQL came later, and its table is empty here
        op.execute("UPDATE OR IGNORE officer SET folded_name = replace(folded_name, ' ', '')")


def _create_administrator_change() -> None:
    op.create_table(
        "administrator_change",
        sa.Column("application", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("furigana", sa.Text(), nullable=False),
        sa.Column("family_name", sa.Text(), nullable=False),
        sa.Column("given_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("desired_on", sa.String(length=10), nullable=True),
        sa.Column("half", sa.String(length=8), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("called_by", sa.String(length=26), nullable=True),
        sa.Column("called_number", sa.Text(), nullable=True),
        sa.Column("called_person", sa.Text(), nullable=True),
        sa.Column("called_at", sa.Integer(), nullable=True),
        sa.Column("changed_at", sa.Integer(), nullable=True),
        sa.Column("former_name", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["application"], ["application.number"]),
        sa.ForeignKeyConstraint(["called_by"], ["officer.id"]),
        sa.PrimaryKeyConstraint("application"),
    )


def _create_call() -> None:
    op.create_table(
        "call",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("cn", sa.String(length=11), nullable=False),
        sa.Column("act", sa.String(length=9), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("officer", sa.String(length=26), nullable=False),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("application", sa.Integer(), nullable=True),
        sa.Column("held_until", sa.Integer(), nullable=True),
        sa.Column("released_at", sa.Integer(), nullable=True),
        sa.Column("reminded_at", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["application"], ["application.number"]),
        sa.ForeignKeyConstraint(["cn"], ["seat.cn"]),
        sa.ForeignKeyConstraint(["officer"], ["officer.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("call_by_cn", "call", ["cn"], unique=False)
    op.create_index("call_by_time", "call", ["at"], unique=False)
    op.create_index("call_by_release", "call", ["released_at"], unique=False)
