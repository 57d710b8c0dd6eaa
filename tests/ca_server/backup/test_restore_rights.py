"""What was taken from officers since the backup is taken again, and the audit log goes on as one that was restored."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca_server import store
from ca_server.checkpoint_key import load_notary
from ca_server.clock import SystemClock
from ca_server.config import Config, load
from ca_server.domain.approvals import OfficerKey
from ca_server.domain.audit_entry import Entry
from ca_server.domain.checkpoint import Checkpoint
from ca_server.domain.officers import Officer
from ca_server.officer_keys import OfficerKeys
from ca_server.operations import audit_log
from ca_server.store import SynchronousDatabase, officers, snapshot
from keys.generate import generate
from tests.ca_server.backup.conftest import Vault
from tests.ca_server.backup.exports import entry
from tests.ca_server.operations.auditing import Awaited, place

LONG_AGO = 1_000


def key_of(officer: str) -> OfficerKey:
    spki = generate("P-256").public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return OfficerKey(officer, officer, spki, LONG_AGO)


def keys_of(config: Config) -> OfficerKeys:
    return OfficerKeys(config.applications.officer_keys)


def restored(vault: Vault) -> Config:
    return load(vault.restored / "warifu.toml")


@pytest.mark.parametrize(
    "told",
    [
        lambda at: entry("officer key withdrawn", "officer:alice", at, key="0"),
        lambda at: entry("officer key registered", "officer:alice", at, key="another"),
        lambda at: entry("officer disabled", "officer:alice", at),
    ],
    ids=["withdrawn", "replaced", "disabled"],
)
def test_a_key_that_the_audit_log_tells_to_be_of_the_past_counts_no_longer(
    vault: Vault, told: Callable[[int], Entry]
) -> None:
    keys_of(vault.config).register(key_of("alice"))
    keys_of(vault.config).register(key_of("bob"))
    vault.back_up()
    export = vault.scribe.export(vault.folder / "audit.jsonl", told(int(time.time()) + 1))
    said = vault.restore("--audit-export", str(export))
    assert said["keys_withdrawn"] == ["alice"]
    assert keys_of(restored(vault)).in_use("alice") is None
    assert keys_of(restored(vault)).in_use("bob") is not None


def test_an_export_from_before_the_backup_takes_no_key_that_was_registered_since(vault: Vault) -> None:
    keys_of(vault.config).register(key_of("alice"))
    vault.back_up()
    line = entry("officer key withdrawn", "officer:alice", LONG_AGO, key="0")
    export = vault.scribe.export(vault.folder / "audit.jsonl", line)
    assert vault.restore("--audit-export", str(export))["keys_withdrawn"] == []
    assert keys_of(restored(vault)).in_use("alice") is not None


def test_an_officer_whom_the_audit_log_tells_to_be_disabled_is(vault: Vault) -> None:
    vault.back_up()
    line = entry("officer disabled", "officer:alice", int(time.time()) + 1)
    said = vault.restore("--audit-export", str(vault.scribe.export(vault.folder / "audit.jsonl", line)))
    assert said["officers_disabled"] == ["alice"]
    records = SynchronousDatabase(restored(vault).server.database)
    listed = {one.name: one.disabled_at for one in records.read(officers.all_officers)}
    records.close()
    assert listed["alice"] is not None
    assert listed["bob"] is None


def test_without_an_export_it_is_said_that_officers_have_their_rights_again(vault: Vault) -> None:
    vault.back_up()
    vault.restore()
    assert "officers who were disabled" in vault.said


def publish(config: Config) -> Checkpoint | None:
    """Do what a running server does for the audit log each minute."""
    records, notary = store.SynchronousDatabase(config.server.database), load_notary(config)
    assert notary is not None
    now = SystemClock().now()
    records.write(officers.register_key, _alice(records), "0", now, "login:test")
    place(records, now)
    drawn = asyncio.run(audit_log.publish(Awaited(records), notary, "test", SystemClock()))  # type: ignore[arg-type]
    records.close()
    return drawn


def _alice(records: SynchronousDatabase) -> Officer:
    return next(one for one in records.read(officers.all_officers) if one.name == "alice")


@pytest.mark.parametrize("when", ["before the records are copied", "after they are copied"])
def test_the_audit_log_goes_on_and_what_was_published_is_kept_for_the_auditors(
    vault: Vault, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(vault.config)
    copy = snapshot.copy

    def overtaken(where: Path, into: Path) -> None:
        copy(where, into)
        publish(vault.config)

    with monkeypatch.context() as patched:
        if when.startswith("after"):
            patched.setattr(snapshot, "copy", overtaken)
        vault.back_up()
    published = (vault.config.server.public_folder / "audit" / "checkpoint").read_text("utf-8")
    kept = Path(vault.restore()["checkpoint"])
    assert kept.parent == restored(vault).server.public_folder / "audit"
    assert kept.read_text("utf-8") == published
    assert publish(restored(vault)) is not None
    assert (kept.parent / "checkpoint").exists()
