"""`warifu-ca backup`: the records in one file, the keys in another, each encrypted; beside a running service."""

from pathlib import Path

import click

from ca_server.cli.front import Command
from ca_server.cli.options import common, login, now, open_records, settings
from ca_server.cli.output import answer, warn
from ca_server.cli.passphrases import passphrases, progress
from ca_server.clock import rfc3339
from ca_server.errors import Invalid
from ca_server.language import sentence

_PEOPLE = 2


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="The passphrase of FILE (else asked for).")
@click.option("--keys", type=click.Path(path_type=Path), help="Another file, for keys and secrets.")
@click.option(
    "--keys-passphrase-file",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Twice: the passphrases of two people, which open KEYS together.",
)
@common
def backup(file: Path, passphrase_file: Path | None, keys: Path | None, keys_passphrase_file: tuple[Path, ...]) -> None:
    """Write a backup of the records, and one of the keys.

    The service may go on. FILE is made every day, KEYS whenever a key, a
    passphrase or a secret has changed; keep the two apart.
    """
    from ca_server.backup import writing
    from ca_server.store import audit

    config = settings().config()
    records = open_records(config)
    _require_fresh(file, keys)
    (secret,) = passphrases([passphrase_file] if passphrase_file else [], 1, twice=True)
    secrets = passphrases(keys_passphrase_file, _PEOPLE, twice=True) if keys else []
    _require_different([secret, *secrets])
    at = now()
    names = " ".join(each.name for each in (file, keys) if each)
    records.write(
        lambda connection: audit.record(connection, at, f"login:{login()}", "backup made", "records", to=names)
    )
    records.close()
    with progress(sentence("Records")) as told:
        written = writing.write_records(config, file, secret, at, told)
    missing = list(written.missing)
    words: list[str] = [
        sentence(
            "The records of {moment} are in {file}, {size} bytes.", moment=rfc3339(at), file=file, size=written.size
        )
    ]
    document = {"file": str(file), "bytes": written.size, "made_at": rfc3339(at)}
    if keys:
        with progress(sentence("Keys")) as told:
            kept = writing.write_keys(config, keys, secrets, at, told)
        missing += kept.missing
        document |= {"keys": str(keys)}
        words.append(sentence("Keys and secrets are in {file}; keep it elsewhere than the records.", file=keys))
    for path in missing:
        warn(sentence("{path} is not there, and so not in the backup.", path=path))
    answer(document | {"missing": [str(path) for path in missing]}, words)


def _require_different(secrets: list[str]) -> None:
    """Do nothing when no passphrase is there twice: what takes two people would take one. Raises Invalid."""
    if len(set(secrets)) < len(secrets):
        raise Invalid({"keys-passphrase-file": sentence("Two passphrases are the same; each is known to one person.")})


def _require_fresh(file: Path, keys: Path | None) -> None:
    """Do nothing when each file is its own and not there yet. Raises Invalid."""
    for name, path in (("FILE", file), ("--keys", keys)):
        if path is not None and path.exists():
            raise Invalid({name: sentence("{path} exists already and is not overwritten.", path=path)})
    if keys is not None and keys.absolute() == file.absolute():
        raise Invalid({"--keys": sentence("Name another file than that of the records.")})
