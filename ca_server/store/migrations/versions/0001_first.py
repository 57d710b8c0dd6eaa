"""The first schema, a function a table; what is written here stays as it is for ever."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    _create_audit()
    _create_blocked_key()
    _create_crl()
    _create_institution()
    _create_lease()
    _create_officer()
    _create_outbox()
    _create_application()
    _create_application_item()
    _create_seat()
    _create_credential()
    _create_revocation()
    _create_account()
    _create_acme_order()
    _create_former_key()
    _create_certificate()
    _index_certificate()


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("place", sa.Integer(), nullable=True),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("place"),
    )
    op.create_index("audit_by_subject", "audit", ["subject"], unique=False)


def _create_blocked_key() -> None:
    op.create_table(
        "blocked_key",
        sa.Column("spki_sha256", sa.String(length=64), nullable=False),
        sa.Column("blocked_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("spki_sha256"),
    )


def _create_crl() -> None:
    op.create_table(
        "crl",
        sa.Column("issuer", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("this_update", sa.Integer(), nullable=False),
        sa.Column("next_update", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("published_at", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("issuer", "number"),
    )


def _create_institution() -> None:
    op.create_table(
        "institution",
        sa.Column("code", sa.String(length=7), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("furigana", sa.Text(), nullable=False),
        sa.Column("family_name", sa.Text(), nullable=False),
        sa.Column("given_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("registered_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("code"),
    )


def _create_lease() -> None:
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=26), nullable=False),
        sa.Column("until", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _create_officer() -> None:
    op.create_table(
        "officer",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("folded_name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("os_user", sa.Text(), nullable=True),
        sa.Column("added_at", sa.Integer(), nullable=False),
        sa.Column("disabled_at", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("folded_name"),
    )


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("institution", sa.String(length=7), nullable=False),
        sa.Column("cn", sa.String(length=11), nullable=True),
        sa.Column("application", sa.Integer(), nullable=True),
        sa.Column("credential_id", sa.String(length=26), nullable=True),
        sa.Column("serial", sa.String(length=40), nullable=True),
        sa.Column("revocation_id", sa.String(length=26), nullable=True),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("next_try", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.Integer(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("outbox_by_credential", "outbox", ["credential_id"], unique=False)
    op.create_index(
        "outbox_pending",
        "outbox",
        ["next_try"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )


def _create_application() -> None:
    op.create_table(
        "application",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=6), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("institution", sa.String(length=7), nullable=False),
        sa.Column("institution_name", sa.Text(), nullable=False),
        sa.Column("furigana", sa.Text(), nullable=False),
        sa.Column("family_name", sa.Text(), nullable=False),
        sa.Column("given_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("applied_on", sa.String(length=10), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("urgent", sa.Integer(), nullable=False),
        sa.Column("filed_by", sa.String(length=26), nullable=False),
        sa.Column("filed_at", sa.Integer(), nullable=False),
        sa.Column("examined_by", sa.String(length=26), nullable=True),
        sa.Column("examined_at", sa.Integer(), nullable=True),
        sa.Column("approved_by", sa.String(length=26), nullable=True),
        sa.Column("approved_at", sa.Integer(), nullable=True),
        sa.Column("return_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["approved_by"], ["officer.id"]),
        sa.ForeignKeyConstraint(["examined_by"], ["officer.id"]),
        sa.ForeignKeyConstraint(["filed_by"], ["officer.id"]),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index("application_by_institution", "application", ["institution"], unique=False)
    op.create_index("application_by_status", "application", ["status"], unique=False)


def _create_application_item() -> None:
    op.create_table(
        "application_item",
        sa.Column("application", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("cn", sa.String(length=11), nullable=True),
        sa.Column("reason", sa.String(length=16), nullable=True),
        sa.Column("revocation", sa.String(length=8), nullable=True),
        sa.Column("revocation_on", sa.String(length=10), nullable=True),
        sa.Column("issuance", sa.String(length=8), nullable=True),
        sa.Column("issuance_on", sa.String(length=10), nullable=True),
        sa.Column("new_cn", sa.String(length=11), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["application"], ["application.number"]),
        sa.PrimaryKeyConstraint("application", "position"),
    )
    op.create_index("application_item_by_cn", "application_item", ["cn"], unique=False)


def _create_seat() -> None:
    op.create_table(
        "seat",
        sa.Column("cn", sa.String(length=11), nullable=False),
        sa.Column("institution", sa.String(length=7), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("status_before_suspension", sa.String(length=10), nullable=True),
        sa.Column("application", sa.Integer(), nullable=False),
        sa.Column("approved_at", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["application"], ["application.number"]),
        sa.ForeignKeyConstraint(["institution"], ["institution.code"]),
        sa.PrimaryKeyConstraint("cn"),
    )
    op.create_index("seat_by_number", "seat", ["institution", "number"], unique=True)


def _create_credential() -> None:
    op.create_table(
        "credential",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("cn", sa.String(length=11), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("kid_sha256", sa.String(length=64), nullable=False),
        sa.Column("kid_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("password_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.String(length=26), nullable=True),
        sa.Column("claimed_by", sa.String(length=40), nullable=True),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["cn"], ["seat.cn"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("kid_sha256"),
    )
    op.create_index("credential_by_cn", "credential", ["cn"], unique=False)
    op.create_index(
        "credential_by_expiry",
        "credential",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("kid_sealed IS NOT NULL"),
        postgresql_where=sa.text("kid_sealed IS NOT NULL"),
    )


def _create_revocation() -> None:
    op.create_table(
        "revocation",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("cn", sa.String(length=11), nullable=False),
        sa.Column("serials", sa.Text(), nullable=False),
        sa.Column("reason", sa.Integer(), nullable=False),
        sa.Column("application", sa.Integer(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.Integer(), nullable=False),
        sa.Column("published_at", sa.Integer(), nullable=True),
        sa.Column("crl_number", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["cn"], ["seat.cn"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "revocation_unpublished",
        "revocation",
        ["decided_at"],
        unique=False,
        sqlite_where=sa.text("published_at IS NULL"),
        postgresql_where=sa.text("published_at IS NULL"),
    )


def _create_account() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("thumbprint", sa.String(length=43), nullable=False),
        sa.Column("jwk", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("cn", sa.String(length=11), nullable=False),
        sa.Column("credential_id", sa.String(length=26), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("binding_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["cn"], ["seat.cn"]),
        sa.ForeignKeyConstraint(["credential_id"], ["credential.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("thumbprint"),
    )
    op.create_index("account_by_cn", "account", ["cn"], unique=False)


def _create_acme_order() -> None:
    op.create_table(
        "acme_order",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("account_id", sa.String(length=26), nullable=False),
        sa.Column("cn", sa.String(length=11), nullable=False),
        sa.Column("identifiers", sa.Text(), nullable=False),
        sa.Column("replaces", sa.Text(), nullable=True),
        sa.Column("predecessor", sa.String(length=40), nullable=True),
        sa.Column("deactivated", sa.String(length=16), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("serial", sa.String(length=40), nullable=True),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.ForeignKeyConstraint(["cn"], ["seat.cn"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("acme_order_by_account", "acme_order", ["account_id", "created_at"], unique=False)


def _create_former_key() -> None:
    op.create_table(
        "former_key",
        sa.Column("thumbprint", sa.String(length=43), nullable=False),
        sa.Column("account_id", sa.String(length=26), nullable=False),
        sa.Column("changed_at", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.PrimaryKeyConstraint("thumbprint"),
    )


def _create_certificate() -> None:
    op.create_table(
        "certificate",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("issuer", sa.String(length=16), nullable=False),
        sa.Column("cn", sa.String(length=11), nullable=False),
        sa.Column("order_id", sa.String(length=26), nullable=False),
        sa.Column("account_id", sa.String(length=26), nullable=False),
        sa.Column("credential_id", sa.String(length=26), nullable=True),
        sa.Column("predecessor", sa.String(length=40), nullable=True),
        sa.Column("successor", sa.String(length=40), nullable=True),
        sa.Column("spki_sha256", sa.String(length=64), nullable=False),
        sa.Column("not_before", sa.Integer(), nullable=False),
        sa.Column("not_after", sa.Integer(), nullable=False),
        sa.Column("tbs", sa.LargeBinary(), nullable=True),
        sa.Column("tbs_sha256", sa.String(length=64), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=True),
        sa.Column("planned_at", sa.Integer(), nullable=False),
        sa.Column("issued_at", sa.Integer(), nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("server", sa.String(length=26), nullable=False),
        sa.Column("lease_until", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("revoked_at", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Integer(), nullable=True),
        sa.Column("crl_entry", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.ForeignKeyConstraint(["cn"], ["seat.cn"]),
        sa.ForeignKeyConstraint(["order_id"], ["acme_order.id"]),
        sa.PrimaryKeyConstraint("serial"),
    )


def _index_certificate() -> None:
    op.create_index("certificate_by_cn", "certificate", ["cn"], unique=False)
    op.create_index("certificate_by_key", "certificate", ["spki_sha256"], unique=False)
    op.create_index(
        "certificate_on_crl",
        "certificate",
        ["issuer", "not_after"],
        unique=False,
        sqlite_where=sa.text("crl_entry IS NOT NULL"),
        postgresql_where=sa.text("crl_entry IS NOT NULL"),
    )
    op.create_index(
        "certificate_once_a_credential",
        "certificate",
        ["credential_id"],
        unique=True,
        sqlite_where=sa.text("status NOT IN ('aborted') AND credential_id IS NOT NULL AND predecessor IS NULL"),
        postgresql_where=sa.text("status NOT IN ('aborted') AND credential_id IS NOT NULL AND predecessor IS NULL"),
    )
    op.create_index(
        "certificate_once_a_predecessor",
        "certificate",
        ["predecessor"],
        unique=True,
        sqlite_where=sa.text("status NOT IN ('aborted') AND predecessor IS NOT NULL"),
        postgresql_where=sa.text("status NOT IN ('aborted') AND predecessor IS NOT NULL"),
    )
    op.create_index(
        "certificate_planned",
        "certificate",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("status = 'planned'"),
        postgresql_where=sa.text("status = 'planned'"),
    )
