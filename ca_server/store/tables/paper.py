"""The tables of the paper side: institutions, officers, applications and what was decided on them."""

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, String, Table, Text

from ca_server.store.tables.columns import Integer, metadata, partial

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
partial("application_file_by_end", "sealed IS NOT NULL", application_file.c.keep_until)

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
