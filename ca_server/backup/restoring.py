"""Restoring: both files become a CA again in an empty folder, or nothing does.

1. both are unpacked into a folder beside, to their authentic ends; the keys' first, whose certificates are their own
2. everything is tried: configuration, database, keys, secrets, the lists that outlived the records
3. the records are made safe (`operations.restoration`), in one transaction
4. the folder gets its name, or one that is there its content
"""

import contextlib
import dataclasses
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server import config as configuration
from ca_server import keyring, store
from ca_server.authority.crl import entry_of_records
from ca_server.backup import contents, lists
from ca_server.backup.unpacking import unpack
from ca_server.backup.writing import KEYS, RECORDS, Progress, Sheet
from ca_server.checkpoint_key import published_keys
from ca_server.clock import rfc3339
from ca_server.config import Config
from ca_server.errors import NotAllowed
from ca_server.language import sentence
from ca_server.officer_keys import OfficerKeys
from ca_server.operations import authorization, invitation, restoration
from ca_server.operations.audit_log import FOLDER
from ca_server.operations.publication import place
from ca_server.store import credentials, migrations, snapshot
from keys.errors import SealBroken
from keys.sealing import Sealer


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is to be restored, where, and by whom."""

    records: Path
    records_passphrase: str
    keys: Path
    keys_passphrases: Sequence[str]
    folder: Path
    newest_crls: Sequence[Path]
    audit_export: Path | None
    login: str
    officer: str | None


@dataclasses.dataclass(frozen=True)
class Restored:
    """What was restored: as of which moment, what was done to make it safe, and what is left to do."""

    config: Path
    made_at: int
    outcome: restoration.Outcome
    elsewhere: Mapping[Path, Path]
    """What the configuration names by a whole path at which it does not lie, and where it lies."""
    told_until: int
    """Up to which moment the exported audit log told, 0 without one."""
    checkpoint: Path | None
    """Where the checkpoint of the audit log lies now that was published last before the backup."""
    on_cluster: bool
    """Whether the records belong into a PostgreSQL, and lie in a file as yet."""


def restore(wanted: Wanted, now: int, progress: Progress) -> Restored:
    """Restore, or leave nothing behind. Raises KeysError, StoreError, BadConfiguration, Invalid or NotAllowed."""
    if wanted.folder.exists() and (not wanted.folder.is_dir() or any(wanted.folder.iterdir())):
        raise _not_empty(wanted.folder)
    with _beside(wanted.folder) as beside:
        unpack(wanted.keys, KEYS, wanted.keys_passphrases, beside, progress)
        sheet = unpack(wanted.records, RECORDS, [wanted.records_passphrase], beside, progress)
        if now < sheet.made_at:
            made_at = rfc3339(sheet.made_at)
            raise NotAllowed(
                sentence("The clock of this machine is before the backup ({made_at}); set it first.", made_at=made_at)
            )
        named = configuration.load(beside / sheet.config)
        then = Path(sheet.folder)
        config = contents.moved(named, then)
        database = config.server.database
        assert isinstance(database, Path)  # noqa: S101 - as it was moved
        told = _told(config, wanted)
        outcome = _made_safe(config, database, wanted, told, sheet, now)
        checkpoint = _set_checkpoint_aside(config, sheet)
        _open_what_is_public(config, beside)
        displaced = contents.displaced(named, then, wanted.folder)
        elsewhere = {each.path: wanted.folder / each.name for each in displaced if (beside / each.name).exists()}
        _put_in_place(beside, wanted.folder, sheet.config)
    on_cluster = not isinstance(named.server.database, Path)
    kept = None if checkpoint is None else wanted.folder / checkpoint.relative_to(beside)
    return Restored(wanted.folder / sheet.config, sheet.made_at, outcome, elsewhere, told.until, kept, on_cluster)


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """Make a folder beside, or in the one that is there, which may be a disk of its own, or its parent another's."""
    parent = folder if folder.exists() else folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    beside = parent / f".{folder.name}.{secrets.token_hex(4)}"
    beside.mkdir(mode=0o700)
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put_in_place(beside: Path, folder: Path, config: str) -> None:
    """Give the folder its name; one that is there gets the content, the configuration last: without it it is no CA."""
    for each in (beside, *(path for path in beside.rglob("*") if path.is_dir())):
        _sync(each)  # each file was synced when it was written
    if beside.parent != folder:
        beside.rename(folder)  # fails when it has come to hold something
    elif list(folder.iterdir()) != [beside]:
        raise _not_empty(folder)
    else:
        for each in sorted(beside.iterdir(), key=lambda path: path.name == config):
            each.rename(folder / each.name)
        _sync(folder)
    _sync(folder.parent)


def _not_empty(folder: Path) -> NotAllowed:
    return NotAllowed(sentence("{folder} is not empty; nothing is restored over something else.", folder=folder))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _told(config: Config, wanted: Wanted) -> restoration.Chronicle:
    if wanted.audit_export is None:
        return restoration.Chronicle()
    return lists.chronicle(wanted.audit_export, published_keys(config))


def _made_safe(
    config: Config, database: Path, wanted: Wanted, told: restoration.Chronicle, sheet: Sheet, now: int
) -> restoration.Outcome:
    snapshot.require_whole(database)
    migrations.upgrade(database)
    authorities = keyring.load_authorities(config, now)
    keyring.load_tls(config)
    sealer = keyring.load_sealer(config)
    issuers = {each.name: each.signer.certificate for each in authorities}
    newest = _newest_lists(config, issuers, wanted)
    keys = OfficerKeys(config.applications.officer_keys)
    since = {change.officer: change.sha256 for change in told.keys if change.at >= sheet.made_at}
    superseded = [each for officer, last in since.items() if (each := keys.in_use(officer)) and each.sha256 != last]
    _require_published(config, issuers)
    records = store.SynchronousDatabase(database)
    try:
        records.read(_require_opens, sealer)
        asked = authorization.Asked("certificate suspend", wanted.login, wanted.officer)
        premises = restoration.Premises(
            made_at=sheet.made_at,
            issuers=[each.name for each in authorities],
            terms=invitation.Terms(config.credentials.days, config.mail.password_delay_seconds, sealer, config.renewal),
            entry=entry_of_records,
            partitions=config.profile.crl_partitions,
            validity_days=config.profile.validity_days,
            actor=f"login:{wanted.login}",
            chronicle=told,
            superseded=superseded,
            officer=None if wanted.officer is None else records.read(authorization.officer, asked),
        )
        outcome = records.write(restoration.make_safe, [each for each, _ in newest], premises, now)
    finally:
        records.close()
    for each in superseded:
        keys.withdraw(each.officer, now)
    return outcome


def _set_checkpoint_aside(config: Config, sheet: Sheet) -> Path | None:
    """Keep for the auditors what was published last, and return where: the log goes on another way from here."""
    published = config.server.public_folder / FOLDER / "checkpoint"
    if not published.exists():
        return None
    return published.rename(published.with_name(f"checkpoint.before-{rfc3339(sheet.made_at)}"))


def _newest_lists(
    config: Config, issuers: dict[str, x509.Certificate], wanted: Wanted
) -> list[tuple[restoration.PublishedList, bytes]]:
    """Put the newest list of each issuing CA in its place, and return them."""
    folder = config.server.public_folder
    newest = lists.newest(issuers, [folder / f"{name}.crl" for name in issuers], wanted.newest_crls)
    for name, (_, content) in newest.items():
        place(folder / f"{name}.crl", content)
    return list(newest.values())


def _require_published(config: Config, issuers: Mapping[str, x509.Certificate]) -> None:
    """Raise SealBroken when the keys' file is another CA's, which a CA that never published a list does not tell."""
    for name, certificate in issuers.items():
        path = config.server.public_folder / f"{name}.cer"
        if path.exists() and path.read_bytes() != certificate.public_bytes(Encoding.DER):
            raise SealBroken(sentence("The keys are another CA's: {name} is not the one of the records.", name=name))


def _require_opens(connection: store.Connection, sealer: Sealer) -> None:
    """Raise SealBroken when what the records hold sealed does not open with the secrets of the keys' file."""
    for cn in credentials.seats_with_live(connection)[:1]:
        newest = credentials.live_of_seat(connection, cn)[-1]
        found = credentials.by_id(connection, newest.id)
        try:
            if found is not None:
                found[1].opened(sealer, newest.id)
        except SealBroken as error:
            raise SealBroken(
                sentence("The server's secret among the keys does not open the records: it is another's, or older.")
            ) from error


def _open_what_is_public(config: Config, folder: Path) -> None:
    folder.chmod(0o755)
    config.server.public_folder.chmod(0o755)
    for path in config.server.public_folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
