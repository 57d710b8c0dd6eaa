"""`warifu-ca audit`: read the audit log, and prove that it is whole. Nothing here needs a key but `new-key`."""

import json
import sys
import time
from pathlib import Path
from typing import IO, Any

import click

from ca_server.cli.front import Group
from ca_server.cli.inventory import code_of
from ca_server.cli.options import common, login, now, officer_option, open_records, settings
from ca_server.cli.output import PERSON, Stop, answer, say, spoken
from ca_server.clock import rfc3339
from ca_server.errors import Invalid
from ca_server.language import sentence


@click.group(cls=Group)
@common
def audit() -> None:
    """Read the audit log, and prove that it is whole."""


@audit.command("list")
@click.option("--actor", default="", metavar="WHO", help="Only of this actor, such as schedule or officer:ID.")
@click.option("--action", default="", metavar="WHAT", help="Only this action.")
@click.option("--subject", default="", metavar="ABOUT", help="Only about this, such as F123456-001.")
@click.option("--result", type=click.Choice(["done", "refused", "failed"]), help="Only of this result.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="Not before this day of Japan.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="Before this day of Japan.")
@click.option("--most", default=50, metavar="N", type=click.IntRange(1, 100_000), help="So many, the newest (50).")
@officer_option
@common
def list_entries(**chosen: Any) -> None:
    """Show entries of the log, the newest last.

    With --json all that they say.
    """
    from ca_server.cli import audit_list

    records = open_records(settings().config())
    audit_list.show(records, chosen)


@audit.command()
@click.option(
    "--since",
    "kept",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A checkpoint that you kept: the log must begin with it.",
)
@click.option(
    "--export",
    "export",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Verify this file of export, prove or institution.",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The public keys (else those that are published here).",
)
@officer_option
@common
def verify(kept: tuple[Path, ...], export: Path | None, key: Path | None) -> None:
    """Verify that no entry was altered, put in or taken out.

    With --export and --key nothing else is needed, no database and no
    configuration. Exit code 0 when all agrees, 5 when something does not:
    the first place is named.
    """
    from ca_server.cli import audit_verify
    from ca_server.operations.audit_verification import Altered

    try:
        audit_verify.run(kept, export, key)
    except Altered as error:
        answer({"whole": False, "found": spoken(error.args[0])}, [error.args[0]])
        raise Stop(PERSON) from error


@audit.command()
@click.argument("what")
@click.option("--output", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Where to write it.")
@officer_option
@common
def prove(what: str, output: Path) -> None:
    """Prove to others that entries stand in the log.

    WHAT is the id or the number of an entry, or what entries are about, such as
    a CN. `audit verify --export FILE --key FILE` verifies the file.
    """
    from ca_server.operations import audit_proofs

    document = open_records(settings().config()).read(audit_proofs.prove, what)
    _write_document(output, document)
    count = len(document["entries"])
    answer(
        {"entries": count, "path": str(output)},
        [sentence("{path} proves {count} entries.", path=output, count=count)],
    )


@audit.command()
@click.argument("output", type=click.Path(path_type=Path), metavar="FILE")
@officer_option
@common
def export(output: Path) -> None:
    """Write the whole log into a file, to be verified elsewhere.

    One JSON object a line, up to the newest checkpoint. Its names and addresses
    are in it as long as they are kept.
    """
    from ca_server.operations import audit_export
    from ca_server.store import audit_tree

    records = open_records(settings().config())
    with _new(output) as file:
        try:
            count = records.read(audit_export.write, lambda line: file.write(f"{line}\n"), _progress)
        except BaseException:
            output.unlink()  # a part of a log looks like one that was cut
            raise
    later = records.read(audit_tree.count_placed) + records.read(audit_tree.count_waiting) - count
    words = [sentence("{path} has {count} entries.", path=output, count=count)]
    if later > 1:  # one is the entry of this reading
        words.append(sentence("  {count} later ones are not in it: no checkpoint stands for them yet.", count=later))
    answer({"entries": count, "later": later, "path": str(output)}, words)


@audit.command()
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write it to a file, to be kept.")
@officer_option
@common
def checkpoint(output: Path | None) -> None:
    """Show the newest signed checkpoint, which auditors keep."""
    from ca_server.errors import NotFound
    from ca_server.store import checkpoints

    newest = open_records(settings().config()).read(checkpoints.newest)
    if newest is None:
        raise NotFound(sentence("There is no checkpoint yet; a running `warifu-ca serve` makes one each minute."))
    if output is not None:
        with _new(output) as file:
            file.write(newest.note)
    answer({"size": newest.size, "at": rfc3339(newest.at), "note": newest.note}, newest.note.splitlines())


@audit.command()
@click.argument("code")
@click.option("--output", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Where to write it.")
@officer_option
@common
def institution(code: str, output: Path) -> None:
    """Prove to an institution which certificates it was issued.

    All of them, in their order, up to the newest checkpoint.

    The institution keeps the file; a later one must begin with it
    (`audit verify --export LATER --since EARLIER --key FILE`).
    """
    from ca_server.operations import audit_proofs

    document = open_records(settings().config()).read(audit_proofs.log_of_institution, str(code_of(code)))
    _write_document(output, document)
    count = len(document["certificates"])
    answer(
        {"certificates": count, "path": str(output)},
        [sentence("{path} names {count} certificates.", path=output, count=count)],
    )


@audit.command("new-key")
@common
def new_key() -> None:
    """Make a new key for checkpoints; restart `serve` afterwards.

    The key before it is moved aside, and its public part stays published: it
    verifies what it signed.
    """
    from ca_server.checkpoint_key import make_notary, retire_key
    from ca_server.store import audit as entries

    config, at = settings().config(), now()
    records = open_records(config)
    aside = retire_key(config, at)
    public = str(make_notary(config).public)
    actor = f"login:{login()}"
    records.write(lambda connection: entries.record(connection, at, actor, "checkpoint key made", "audit", key=public))
    if aside is not None:
        say(sentence("The key before is {path} now.", path=aside))
    answer(
        {"key": public},
        [
            sentence("Checkpoints will be verified with {key}", key=public),
            sentence("  next: give it to the auditors, and restart `warifu-ca serve`."),
        ],
    )


def _new(path: Path) -> IO[str]:
    """Open a file that was not there. Raises Invalid when it was."""
    try:
        return path.open("x", encoding="utf-8", newline="\n")
    except FileExistsError as error:
        raise Invalid(
            {"file": sentence("{path} is there already; name another file, or remove it.", path=path)}
        ) from error


def _write_document(path: Path, document: object) -> None:
    with _new(path) as file:
        json.dump(document, file, ensure_ascii=False)
        file.write("\n")


_told = [0.0]


def _progress(done: int, total: int) -> None:
    """Tell a person at a terminal how far it is, a few times a second."""
    if sys.stderr.isatty() and (done == total or time.monotonic() - _told[0] > 0.2):
        _told[0] = time.monotonic()
        click.echo(f"\r{done:,} / {total:,}", err=True, nl=done == total)
