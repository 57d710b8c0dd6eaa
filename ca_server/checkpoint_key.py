"""The key that checkpoints of the audit log are signed with: made, opened, and its public part published.

It certifies nothing, so it is none of the CA's keys. Public keys are published beside the newest checkpoint, a line
each, and stay there when a new key takes over, for they verify what was signed before.
"""

import secrets
from pathlib import Path

from ca_server.config import Config
from ca_server.keyring import passphrase
from ca_server.language import sentence
from ca_server.operations.audit_log import FOLDER, Notary
from ca_server.operations.publication import place
from keys.errors import KeystoreError, UnsupportedKey
from keys.generate import generate
from keys.keystore import load_key, save_key, write_private
from keys.signed_note import NoteKey


def load_notary(config: Config) -> Notary | None:
    """Return who signs checkpoints, None where no key was made yet. Raises KeysError when it cannot be used."""
    if not config.audit.key.exists():
        return None
    key = load_key(config.audit.key, passphrase(config.audit.passphrase_file))
    notary = Notary(config.audit_origin, key, config.server.public_folder / FOLDER)
    _publish(config.server.public_folder, notary.public)
    return notary


def make_notary(config: Config) -> Notary:
    """Make a fresh key, under the passphrase of its file or a random one, keep it and publish its public part.

    Raises KeystoreError when there is a key already.
    """
    audit, key = config.audit, generate("Ed25519")
    if not audit.passphrase_file.exists():
        write_private(audit.passphrase_file, secrets.token_urlsafe(24).encode() + b"\n")
    save_key(audit.key, key, passphrase(audit.passphrase_file))
    notary = Notary(config.audit_origin, key, config.server.public_folder / FOLDER)
    _publish(config.server.public_folder, notary.public)
    return notary


def retire_key(config: Config, now: int) -> Path | None:
    """Move the present key aside, where it stays, and return its new place; None when there is none."""
    path = config.audit.key
    if not path.exists():
        return None
    aside = path.with_name(f"{path.name}.until-{now}")
    path.rename(aside)
    return aside


def public_keys(text: str) -> tuple[NoteKey, ...]:
    """Return the keys of a text, a line each. Raises UnsupportedKey for a line that is none, and for no line."""
    keys = tuple(NoteKey.parse(line) for line in text.splitlines() if line.strip())
    if not keys:
        raise UnsupportedKey("There is no public key in this file.")
    return keys


def published_keys(config: Config) -> tuple[NoteKey, ...]:
    """Return the keys that are published. Raises KeystoreError when there are none, UnsupportedKey for others."""
    path = config.server.public_folder / FOLDER / "keys"
    try:
        return public_keys(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise KeystoreError(
            sentence("No key of the audit log is published in {path}; `warifu-ca audit new-key` makes one.", path=path)
        ) from error


def _publish(public_folder: Path, key: NoteKey) -> None:
    path = public_folder / FOLDER / "keys"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    if str(key) not in lines:
        place(path, "".join(f"{line}\n" for line in [*lines, str(key)]).encode())
