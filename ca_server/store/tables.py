"""The tables, once, in portable types: str, int and bytes, so that compiled statements need no type processors.

Moments are seconds since 1970 UTC, days are ISO texts, serials lower-case hexadecimal without leading zeros, ids
random base32 texts made by whoever calls the operation. What is secret is sealed before it comes here. The `migrations`
folder brings an older file up to these; a test compares the two.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
    types,
)

metadata = MetaData()

Integer = BigInteger().with_variant(types.Integer(), "sqlite")
"""64 bits: seconds since 1970 outgrow 32 in 2038. SQLite counts rows by a column of the very name INTEGER only."""


def _partial(name: str, where: str, *columns: Column[Any], unique: bool = False) -> None:
    """Add an index of the rows for which a condition holds."""
    Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


institution = Table(
    "institution",
    metadata,
    Column("code", String(7), primary_key=True),
    Column("name", Text, nullable=False),
    Column("furigana", Text, nullable=False),
    Column("family_name", Text, nullable=False),
    Column("given_name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("language", String(2), nullable=False),
    Column("last_number", Integer, nullable=False),
    Column("registered_at", Integer, nullable=False),
)

officer = Table(
    "officer",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("name", Text, nullable=False),
    Column("folded_name", Text, nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("os_user", Text),
    Column("added_at", Integer, nullable=False),
    Column("disabled_at", Integer),
)

application = Table(
    "application",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(6), nullable=False),
    Column("status", String(16), nullable=False),
    Column("institution", String(7), nullable=False),
    Column("institution_name", Text, nullable=False),
    Column("furigana", Text, nullable=False),
    Column("family_name", Text, nullable=False),
    Column("given_name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("language", String(2), nullable=False),
    Column("applied_on", String(10), nullable=False),
    Column("channel", Text, nullable=False),
    Column("reference", Text),
    Column("content_sha256", String(64), nullable=False),
    Column("urgent", Integer, nullable=False),
    Column("filed_by", String(26), ForeignKey("officer.id"), nullable=False),
    Column("filed_at", Integer, nullable=False),
    Column("examined_by", String(26), ForeignKey("officer.id")),
    Column("examined_at", Integer),
    Column("approved_by", String(26), ForeignKey("officer.id")),
    Column("approved_at", Integer),
    Column("return_reason", Text),
    sqlite_autoincrement=True,
)
Index("application_by_status", application.c.status)
Index("application_by_institution", application.c.institution)

application_item = Table(
    "application_item",
    metadata,
    Column("application", Integer, ForeignKey("application.number"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("cn", String(11)),
    Column("reason", String(16)),
    Column("revocation", String(8)),
    Column("revocation_on", String(10)),
    Column("issuance", String(8)),
    Column("issuance_on", String(10)),
    Column("new_cn", String(11)),
    Column("failure", Text),
)
Index("application_item_by_cn", application_item.c.cn)

administrator_change = Table(
    "administrator_change",
    metadata,
    Column("application", Integer, ForeignKey("application.number"), primary_key=True),
    Column("reason", String(16), nullable=False),
    Column("furigana", Text, nullable=False),
    Column("family_name", Text, nullable=False),
    Column("given_name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("desired_on", String(10)),
    Column("half", String(8), nullable=False),
    Column("failure", Text),
    Column("called_by", String(26), ForeignKey("officer.id")),
    Column("called_number", Text),
    Column("called_person", Text),
    Column("called_at", Integer),
    Column("changed_at", Integer),
    Column("former_name", Text),
)

application_file = Table(
    "application_file",
    metadata,
    Column("application", Integer, ForeignKey("application.number"), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("sealed", LargeBinary),
    Column("keep_until", Integer, nullable=False),
)
_partial("application_file_by_end", "sealed IS NOT NULL", application_file.c.keep_until)

approval = Table(
    "approval",
    metadata,
    Column("application", Integer, ForeignKey("application.number"), primary_key=True),
    Column("act", String(8), primary_key=True),
    Column("officer", String(26), ForeignKey("officer.id"), nullable=False),
    Column("at", Integer, nullable=False),
    Column("key_sha256", String(64), nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

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
_partial("credential_by_expiry", "kid_sealed IS NOT NULL", credential.c.expires_at)

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
_partial(
    "certificate_once_a_credential",
    _STANDING + "credential_id IS NOT NULL AND predecessor IS NULL",
    certificate.c.credential_id,
    unique=True,
)
_partial(
    "certificate_once_a_predecessor",
    _STANDING + "predecessor IS NOT NULL",
    certificate.c.predecessor,
    unique=True,
)
Index("certificate_by_cn", certificate.c.cn)
Index("certificate_by_account", certificate.c.account_id)
Index("certificate_by_key", certificate.c.spki_sha256)
_partial("certificate_planned", "status = 'planned'", certificate.c.lease_until)
_partial("certificate_not_renewed", "successor IS NULL", certificate.c.not_after, certificate.c.last_notice)
_partial(
    "certificate_on_crl",  # the entries too, so that a CRL is made without a look at the rows, which are wide
    "crl_entry IS NOT NULL",
    certificate.c.issuer,
    certificate.c.partition,
    certificate.c.not_after,
    certificate.c.crl_entry,
)
_partial("certificate_in_partition", "partition > 0", certificate.c.issuer, certificate.c.partition)
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
_partial("revocation_unpublished", "published_at IS NULL", revocation.c.decided_at)

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
_partial("call_unpublished", "act = 'suspended' AND published_at IS NULL", call.c.at)
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
_partial("outbox_pending", "status = 'pending'", outbox.c.next_try)
Index("outbox_by_credential", outbox.c.credential_id)
Index("outbox_by_cn", outbox.c.cn)

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
_partial("audit_by_place", "place IS NOT NULL", audit.c.place, unique=True)
_partial("audit_unplaced", "place IS NULL", audit.c.id)
_partial("audit_with_salt", "salt IS NOT NULL", audit.c.at)

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
