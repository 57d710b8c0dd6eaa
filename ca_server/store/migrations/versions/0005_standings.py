"""Standings: the place of each certificate in the row of changes that responders follow."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NUMBER = """
UPDATE certificate SET place = numbered.place
FROM (
    SELECT serial, row_number() OVER (ORDER BY planned_at, serial) AS place FROM certificate WHERE status <> 'planned'
) AS numbered
WHERE certificate.serial = numbered.serial
"""


def upgrade() -> None:
    op.add_column("certificate", sa.Column("place", sa.Integer(), nullable=True))
    op.execute(_NUMBER)
    op.create_index("certificate_by_place", "certificate", ["place"], unique=False)
