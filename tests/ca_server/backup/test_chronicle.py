"""What an exported audit log tells is taken in at a restore, if our key signed it."""

from pathlib import Path

import pytest

from ca_server.backup import lists
from ca_server.cli.output import REFUSED
from ca_server.clock import DAY
from ca_server.errors import Invalid
from ca_server.operations.restoration import Chronicle, KeyChange, Planned, Revoked
from keys.generate import generate
from keys.signed_note import NoteKey
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason
from tests.ca_server.backup.conftest import Vault
from tests.ca_server.backup.exports import Scribe, entry

THE_SEAT = CommonName.parse("F123456-001")
NOW = 1_795_435_200


@pytest.fixture
def scribe() -> Scribe:
    return Scribe("ca.example", generate("Ed25519"))


def key_of(scribe: Scribe) -> NoteKey:
    return NoteKey.of(scribe.origin, scribe.key)


def test_what_an_exported_audit_log_tells_is_read(scribe: Scribe, tmp_path: Path) -> None:
    export = scribe.export(
        tmp_path / "audit.jsonl",
        entry("certificate planned", "F123456-001", serial="5eed"),
        entry("certificates revoked", "F123456-001", serials=["5eed"], reason="superseded"),  # one alone
        entry("seat revoked", "F123456-002"),
        entry("certificates revoked", "F123456-002", at=6, serials=[], reason="keyCompromise"),
        entry("officer key registered", "officer:a", at=7, key="ab"),
        entry("officer key withdrawn", "officer:a", at=8, key="ab"),
        entry("officer disabled", "officer:b", at=9),
        at=NOW,
    )
    second = CommonName.parse("F123456-002")
    assert lists.chronicle(export, [key_of(scribe)]) == Chronicle(
        [Planned("5eed", THE_SEAT)],
        [Revoked(second, RevocationReason.keyCompromise, 6)],
        ["b"],
        [KeyChange("a", "ab", 7), KeyChange("a", None, 8), KeyChange("b", None, 9)],
        NOW,
    )


@pytest.mark.parametrize("harm", ["altered", "too deep", "cut", "a stranger's", "no export", "no such entry"])
def test_an_export_that_is_not_what_was_signed_is_refused(scribe: Scribe, tmp_path: Path, harm: str) -> None:
    told = [entry("seat revoked", "F123456-002"), entry("certificate planned", "F123456-001", serial="5eed")]
    if harm == "no such entry":
        told.append(entry("certificate planned", "F123456-001"))
    export = scribe.export(tmp_path / "audit.jsonl", *told)
    text = export.read_text("ascii")
    if harm == "altered":
        export.write_text(text.replace("F123456-002", "F123456-003"), "ascii")
    if harm == "too deep":
        export.write_text(text.replace(r"{\"serial\":\"5eed\"}", "[" * 100_000 + "]" * 100_000), "ascii")
        assert export.read_text("ascii") != text
    if harm == "cut":
        export.write_text("".join(text.splitlines(keepends=True)[:-1]), "ascii")
    if harm == "no export":
        export.write_bytes(b"\xff\0" * 90)
    key = NoteKey.of(scribe.origin, generate("Ed25519")) if harm == "a stranger's" else key_of(scribe)
    with pytest.raises(Invalid) as refused:
        lists.chronicle(export, [key])
    assert refused.value.fields.keys() == {"audit-export"}


def test_the_command_takes_in_what_the_audit_log_tells(vault: Vault) -> None:
    vault.back_up()
    line = entry("certificate planned", str(THE_SEAT), serial="5eed")
    told = vault.restore("--audit-export", str(vault.scribe.export(vault.folder / "audit.jsonl", line)))
    assert (told["lost"], told["invited"]) == (["5eed"], [str(THE_SEAT)])
    assert "before the backup" not in vault.said


def test_an_altered_export_restores_nothing(vault: Vault) -> None:
    vault.back_up()
    export = vault.scribe.export(vault.folder / "audit.jsonl", entry("seat revoked", "F123456-001"))
    export.write_text(export.read_text().replace("F123456-001", "F123456-002"))
    told = vault.restore("--audit-export", str(export), code=REFUSED)
    assert told["error"]["fields"].keys() == {"audit-export"}
    assert not vault.restored.exists()


def test_an_export_from_before_the_backup_is_told_to_be_one(vault: Vault) -> None:
    vault.back_up()
    export = vault.scribe.export(vault.folder / "audit.jsonl", entry("seat revoked", "F999999-001"), at=NOW - DAY)
    vault.restore("--audit-export", str(export))
    assert "before the backup" in vault.said
