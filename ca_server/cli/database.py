"""`warifu-ca database`: the schema of the records, and where they are."""

from contextlib import nullcontext
from pathlib import Path

import click

from ca_server.cli.front import Group
from ca_server.cli.options import common, login, now, settings
from ca_server.cli.output import answer
from ca_server.cli.passphrases import progress
from ca_server.errors import Invalid, NotAllowed
from ca_server.language import sentence
from ca_server.operations import tenure
from ca_server.store import SynchronousDatabase, audit, copying, leases, migrations
from ca_server.whereabouts import Cluster, Whereabouts, whereabouts


@click.group(cls=Group)
@common
def database() -> None:
    """Look after the database."""


@database.command()
@common
def migrate() -> None:
    """Bring the schema up to this program's; stop every `serve` before.

    In an empty database of PostgreSQL it is made.
    """
    where = settings().config().server.database
    migrations.upgrade(where)
    answer({"database": str(where)}, [sentence("{path} has the present schema.", path=where)])


@database.command()
@click.option("--to", "target", required=True, metavar="WHERE", help="A new file, or postgresql://user@host:port/name.")
@click.option("--password-file", type=click.Path(path_type=Path), help="The password for PostgreSQL, 0600.")
@common
def copy(target: str, password_file: Path | None) -> None:
    """Copy all records to PostgreSQL, or to a new file.

    Stop every `serve` before; other commands cannot decide anything
    meanwhile. The target must be empty; the copy is compared row by row,
    and what fails leaves the target as it was.
    """
    from ca_server.fellows import AlreadyServed, alone_on

    config, to = settings().config(), _target(target, password_file)
    source = config.server.database
    if isinstance(source, Cluster) and isinstance(to, Cluster):
        raise NotAllowed(
            sentence("From one PostgreSQL to another PostgreSQL's own tools copy (pg_dump), or copy to a file first.")
        )
    try:
        with alone_on(source) if isinstance(source, Path) else nullcontext():
            _require_no_leader(source)
            rows = _copied(source, to)
    except AlreadyServed as error:
        raise NotAllowed(error.args[0]) from error
    total = sum(rows.values())
    copied = SynchronousDatabase(to)
    by = f"login:{login()}"
    copied.write(lambda connection: audit.record(connection, now(), by, "records copied", "records", rows=total))
    copied.close()
    words = [
        sentence("{rows} rows of {tables} tables are the same in {to}.", rows=total, tables=len(rows), to=to),
        sentence("Now name it in [server] database of {config}; the old one stays as it is.", config=config.path),
    ]
    answer({"database": str(to), "rows": rows}, words)


def _require_no_leader(source: Whereabouts) -> None:
    """Raise NotAllowed where one of several servers leads: what they write after the snapshot would be missing."""
    if isinstance(source, Cluster):
        records = SynchronousDatabase(source)
        leads = records.read(leases.stands, tenure.LEASE, now())
        records.close()
        if leads:
            raise NotAllowed(
                sentence("A `warifu-ca serve` works on {database}; stop every one of them first.", database=source)
            )


def _copied(source: Whereabouts, to: Whereabouts) -> dict[str, int]:
    if isinstance(to, Path):
        migrations.create(to)
    else:
        migrations.upgrade(to)
    try:
        with progress(sentence("Copying")) as told:
            return copying.copy(source, to, told, still=True)
    except BaseException:
        if isinstance(to, Path):
            to.unlink()  # it holds nothing
        raise


def _target(text: str, password_file: Path | None) -> Whereabouts:
    try:
        found = whereabouts(text, Path.cwd())
    except ValueError as error:
        raise Invalid({"to": str(error.args[0])}) from error
    return Cluster(found.url, password_file) if isinstance(found, Cluster) else found
