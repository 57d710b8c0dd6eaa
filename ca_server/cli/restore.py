"""`warifu-ca restore`: a backup becomes a CA again, in an empty folder."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ca_server.cli.front import Command
from ca_server.cli.options import common, login, now, officer_option, settings
from ca_server.cli.output import answer, warn
from ca_server.cli.passphrases import passphrases, progress
from ca_server.clock import HOUR, rfc3339
from ca_server.language import sentence

if TYPE_CHECKING:
    from ca_server.backup.restoring import Restored

_PEOPLE = 2


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--keys", type=click.Path(path_type=Path), required=True, help="The file with the keys.")
@click.option("--directory", type=click.Path(path_type=Path), required=True, help="An empty or new folder.")
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="The passphrase of FILE (else asked for).")
@click.option(
    "--keys-passphrase-file",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Twice: the passphrases of two people, which open KEYS together.",
)
@click.option(
    "--newest-crl",
    type=click.Path(path_type=Path),
    multiple=True,
    help="The newest CRL that anybody still has, of each issuing CA.",
)
@click.option(
    "--audit-export",
    type=click.Path(path_type=Path),
    help="An export of the audit log: what it alone knows is revoked, and invited anew.",
)
@officer_option
@common
def restore(  # noqa: PLR0913 - what outlived a CA
    file: Path,
    keys: Path,
    directory: Path,
    passphrase_file: Path | None,
    keys_passphrase_file: tuple[Path, ...],
    newest_crl: tuple[Path, ...],
    audit_export: Path | None,
) -> None:
    """Restore a backup into an empty folder, and make it safe.

    What the newest CRL revokes is revoked, CRL numbers go on above all that
    were published, and open URLs are replaced by fresh ones.
    """
    from ca_server.backup.restoring import Wanted
    from ca_server.backup.restoring import restore as restored

    (secret,) = passphrases([passphrase_file] if passphrase_file else [], 1, twice=False)
    secrets = passphrases(keys_passphrase_file, _PEOPLE, twice=False)
    officer = settings().officer_name
    folder = Path(os.path.abspath(directory))  # noqa: PTH100 - without `..`, and with links as the configuration has them
    wanted = Wanted(file, secret, keys, secrets, folder, newest_crl, audit_export, login(), officer)
    with progress(sentence("Restoring")) as told:
        done = restored(wanted, now(), told)
    outcome = done.outcome
    document = {
        "config": str(done.config),
        "made_at": rfc3339(done.made_at),
        "crl_number": outcome.number,
        "revoked": outcome.revoked,
        "ended": outcome.ended,
        "suspended": outcome.suspended,
        "lost": outcome.lost,
        "unknown": outcome.unknown,
        "invited": outcome.invited,
        "accounts_ended": outcome.accounts_ended,
        "officers_disabled": outcome.disabled,
        "keys_withdrawn": outcome.withdrawn,
        "audit_export_until": rfc3339(done.told_until) if done.told_until else None,
        "checkpoint": None if done.checkpoint is None else str(done.checkpoint),
        "elsewhere": {str(path): str(lies) for path, lies in done.elsewhere.items()},
    }
    _warn(done, with_crl=bool(newest_crl), with_export=audit_export is not None)
    answer(document, _words(done))


def _warn(done: "Restored", *, with_crl: bool, with_export: bool) -> None:
    """Warn of what nobody told."""
    if not with_crl:
        warn(sentence("No newest CRL was given: what was revoked since the backup is good again until revoked anew."))
    if not with_export:
        warn(
            sentence(
                "No audit export was given: certificates issued since the backup are unknown and stay usable; officers "
                "who were disabled since, and keys that were withdrawn, count again until that is done anew."
            )
        )
    elif done.told_until < done.made_at:
        warn(
            sentence(
                "The audit export ends at {moment}, before the backup: of what came after that it tells nothing.",
                moment=rfc3339(done.told_until),
            )
        )


def _words(done: "Restored") -> list[str]:
    from ca_server.operations.restoration import SECONDS_TO_CORRECT

    outcome = done.outcome
    words: list[str] = [
        sentence("The CA as of {moment} is in {folder}.", moment=rfc3339(done.made_at), folder=done.config.parent),
        sentence("  CRL numbers go on above {number}", number=outcome.number),
        sentence("  revoked anew, as the newest CRL says: {count}", count=len(outcome.revoked)),
        sentence("  suspended anew: {count}", count=len(outcome.suspended)),
        sentence("  CNs revoked anew, as the audit log says: {count}", count=len(outcome.ended)),
        sentence("  revoked, though the records do not know them: {count}", count=len(outcome.lost)),
        sentence(
            "  open URLs replaced: {count}; their mails leave {hours} hours from now",
            count=len(outcome.invited),
            hours=SECONDS_TO_CORRECT // HOUR,
        ),
    ]
    if done.told_until:
        words.append(sentence("  the audit log told up to {moment}", moment=rfc3339(done.told_until)))
    if outcome.disabled or outcome.withdrawn:
        words += [
            sentence("  officers disabled anew: {names}", names=", ".join(outcome.disabled) or "—"),
            sentence("  officers whose key counts no longer: {names}", names=", ".join(outcome.withdrawn) or "—"),
        ]
    if done.checkpoint is not None:
        words += [
            sentence("  the audit log goes on another way from here; tell the auditors. What was"),
            sentence("        published last is {path}", path=done.checkpoint),
        ]
    if outcome.unknown:
        words.append(sentence("  approved since, and unknown now: {cns}", cns=", ".join(outcome.unknown)))
    for path, lies in done.elsewhere.items():
        words.append(sentence("  the configuration names {path}; it lies at {lies}", path=path, lies=lies))
    if done.on_cluster:
        words.append(sentence("  the records lie in warifu.db; copy them: warifu-ca database copy"))
    return [
        *words,
        sentence("  next: enter anew what was decided since {moment},", moment=rfc3339(done.made_at)),
        sentence("        changes of administrators first; then"),
        sentence("        warifu-ca --config {config} reconcile", config=done.config),
        sentence("        warifu-ca --config {config} serve", config=done.config),
    ]
