"""The tables of the PCs: seats, credentials, accounts, orders, certificates and keys."""

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, String, Table, Text

from ca_server.store.tables.columns import Integer, metadata, partial

seat = Table(
    "seat",
    metadata,
    Column("cn", String(11), primary_key=True),
    Column("institution", String(7), ForeignKey("institution.code"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("status", String(10), nullable=False),
    Column("status_before_suspension", String(10)),
    Column("application", Integer, ForeignKey("application.number"), nullable=False),
    Column("approved_at", Integer, nullable=False),
    Column("label", Text),
)
Index("seat_by_number", seat.c.institution, seat.c.number, unique=True)

credential = Table(
    "credential",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("cn", String(11), ForeignKey("seat.cn"), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("status", String(8), nullable=False),
    Column("kid_sha256", String(64), nullable=False, unique=True),
    Column("kid_sealed", LargeBinary),
    Column("password_sealed", LargeBinary),
    Column("failures", Integer, nullable=False),
    Column("account_id", String(26)),
    Column("claimed_by", String(40)),
    Column("created_at", Integer, nullable=False),
    Column("expires_at", Integer, nullable=False),
    Column("ended_at", Integer),
)
Index("credential_by_cn", credential.c.cn)
partial("credential_by_expiry", "kid_sealed IS NOT NULL", credential.c.expires_at)

account = Table(
    "account",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("thumbprint", String(43), nullable=False, unique=True),
    Column("jwk", Text, nullable=False),
    Column("status", String(12), nullable=False),
    Column("cn", String(11), ForeignKey("seat.cn"), nullable=False),
    Column("credential_id", String(26), ForeignKey("credential.id"), nullable=False),
    Column("contact", Text, nullable=False),
    Column("binding_sealed", LargeBinary, nullable=False),
    Column("device", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
)
Index("account_by_cn", account.c.cn)

former_key = Table(
    "former_key",
    metadata,
    Column("thumbprint", String(43), primary_key=True),
    Column("account_id", String(26), ForeignKey("account.id"), nullable=False),
    Column("changed_at", Integer, nullable=False),
)

acme_order = Table(
    "acme_order",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("account_id", String(26), ForeignKey("account.id"), nullable=False),
    Column("cn", String(11), ForeignKey("seat.cn"), nullable=False),
    Column("identifiers", Text, nullable=False),
    Column("replaces", Text),
    Column("predecessor", String(40)),
    Column("deactivated", String(16), nullable=False),
    Column("error", Text),
    Column("serial", String(40)),
    Column("created_at", Integer, nullable=False),
    Column("expires_at", Integer, nullable=False),
)
Index("acme_order_by_account", acme_order.c.account_id, acme_order.c.created_at)

certificate = Table(
    "certificate",
    metadata,
    Column("serial", String(40), primary_key=True),
    Column("status", String(10), nullable=False),
    Column("issuer", String(16), nullable=False),
    Column("cn", String(11), ForeignKey("seat.cn"), nullable=False),
    Column("order_id", String(26), ForeignKey("acme_order.id"), nullable=False),
    Column("account_id", String(26), ForeignKey("account.id"), nullable=False),
    Column("credential_id", String(26)),
    Column("predecessor", String(40)),
    Column("successor", String(40)),
    Column("spki_sha256", String(64), nullable=False),
    Column("not_before", Integer, nullable=False),
    Column("not_after", Integer, nullable=False),
    Column("tbs", LargeBinary),
    Column("tbs_sha256", String(64), nullable=False),
    Column("der", LargeBinary),
    Column("planned_at", Integer, nullable=False),
    Column("issued_at", Integer),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("server", String(26), nullable=False),
    Column("lease_until", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("revoked_at", Integer),
    Column("reason", Integer),
    Column("crl_entry", LargeBinary),
    Column("last_notice", Integer),
    Column("partition", Integer, nullable=False, server_default="0"),
    Column("place", Integer),
)
_STANDING = "status NOT IN ('aborted') AND "
partial(
    "certificate_once_a_credential",
    _STANDING + "credential_id IS NOT NULL AND predecessor IS NULL",
    certificate.c.credential_id,
    unique=True,
)
partial(
    "certificate_once_a_predecessor",
    _STANDING + "predecessor IS NOT NULL",
    certificate.c.predecessor,
    unique=True,
)
Index("certificate_by_cn", certificate.c.cn)
Index("certificate_by_account", certificate.c.account_id)
Index("certificate_by_key", certificate.c.spki_sha256)
partial("certificate_planned", "status = 'planned'", certificate.c.lease_until)
partial("certificate_not_renewed", "successor IS NULL", certificate.c.not_after, certificate.c.last_notice)
partial(
    "certificate_on_crl",  # the entries too, so that a CRL is made without a look at the rows, which are wide
    "crl_entry IS NOT NULL",
    certificate.c.issuer,
    certificate.c.partition,
    certificate.c.not_after,
    certificate.c.crl_entry,
)
partial("certificate_in_partition", "partition > 0", certificate.c.issuer, certificate.c.partition)
Index("certificate_by_place", certificate.c.place)

place_offset = Table(
    "place_offset",
    metadata,
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("ahead", Integer, nullable=False),
    info={"volatile": True},  # of this database: a copy finds its own
)

blocked_key = Table(
    "blocked_key",
    metadata,
    Column("spki_sha256", String(64), primary_key=True),
    Column("blocked_at", Integer, nullable=False),
)

lost_certificate = Table(
    "lost_certificate",
    metadata,
    Column("issuer", String(16), primary_key=True),
    Column("serial", String(40), primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("not_after", Integer, nullable=False),
    Column("revoked_at", Integer, nullable=False),
    Column("reason", Integer, nullable=False),
    Column("crl_entry", LargeBinary, nullable=False),
)
