"""The tables, once, in portable types: str, int and bytes, so that compiled statements need no type processors.

Moments are seconds since 1970 UTC, days are ISO texts, serials lower-case hexadecimal without leading zeros, ids
texts of `ca_server.ids` made by whoever calls the operation. What is secret is sealed before it comes here. The
`migrations` folder brings an older file up to these; a test compares the two.
"""

from ca_server.store.tables.audit_log import audit, audit_tile, checkpoint, institution_log
from ca_server.store.tables.columns import Integer, metadata
from ca_server.store.tables.paper import (
    administrator_change,
    application,
    application_file,
    application_item,
    approval,
    institution,
    officer,
)
from ca_server.store.tables.publication import call, crl, outbox, revocation
from ca_server.store.tables.seats import (
    account,
    acme_order,
    blocked_key,
    certificate,
    credential,
    former_key,
    lost_certificate,
    place_offset,
    seat,
)
from ca_server.store.tables.servers import crl_content, lease, nonce_key, redeemed_nonce

__all__ = [
    "Integer",
    "account",
    "acme_order",
    "administrator_change",
    "application",
    "application_file",
    "application_item",
    "approval",
    "audit",
    "audit_tile",
    "blocked_key",
    "call",
    "certificate",
    "checkpoint",
    "credential",
    "crl",
    "crl_content",
    "former_key",
    "institution",
    "institution_log",
    "lease",
    "lost_certificate",
    "metadata",
    "nonce_key",
    "officer",
    "outbox",
    "place_offset",
    "redeemed_nonce",
    "revocation",
    "seat",
]
