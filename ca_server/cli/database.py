"""`warifu-ca database`: the schema of the records."""

import click

from ca_server.cli.front import Group
from ca_server.cli.options import common, settings
from ca_server.cli.output import answer
from ca_server.language import sentence
from ca_server.store import migrations


@click.group(cls=Group)
@common
def database() -> None:
    """Look after the database."""


@database.command()
@common
def upgrade() -> None:
    """Bring the schema up to this program's, with `serve` stopped."""
    path = settings().config().server.database
    migrations.upgrade(path)
    answer({"database": str(path)}, [sentence("{path} has the present schema.", path=path)])
