"""The schema's history (Alembic): brings a database up to `tables`, and refuses one that is newer than this program.

Every command asks whether the schema is the present one, so that question is answered from the names of the files in
`versions`, which begin with their revision; Alembic, a fifth of a command's start, is imported to change something.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, inspect, select, table, text
from sqlalchemy import column as named
from sqlalchemy.exc import DBAPIError

from ca_server.language import sentence
from ca_server.store import places
from ca_server.store.database import SynchronousDatabase
from ca_server.store.errors import SchemaMismatch, Unavailable, translated
from ca_server.whereabouts import Whereabouts

_FOLDER = Path(__file__).parent
_VERSION = table("alembic_version", named("version_num"))


def revisions() -> list[str]:
    """Return every revision that this program knows, the present one last."""
    return sorted(path.stem.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py"))


def create(path: Path) -> None:
    """Make a new database file with the present schema. Raises Unavailable when the file exists."""
    if path.exists():
        raise Unavailable(sentence("{path} exists; it is never overwritten.", path=path))
    path.touch(mode=0o600)
    upgrade(path)


def upgrade(where: Whereabouts) -> None:
    """Bring the database up to the present schema, all of it or nothing; an empty one of PostgreSQL too.

    Raises Unavailable when there is none, SchemaMismatch when it is newer.
    """
    if isinstance(where, Path):
        _upgrade_file(where)
        return
    records = SynchronousDatabase(where)
    try:
        records.write(_migrate)
        records.write(places.settle)  # after `pg_restore` the cluster counts from elsewhere
    finally:
        records.close()


def require_current(connection: Connection) -> None:
    """Do nothing for a database of the present schema. Raises SchemaMismatch when it is newer or still older."""
    if _known(connection) != revisions()[-1]:
        raise SchemaMismatch(
            sentence("The database has an older schema; `warifu-ca database migrate` brings it up to date.")
        )


def _upgrade_file(path: Path) -> None:
    """Migrate on a plain connection: foreign keys are not looked at while tables are made anew."""
    if not path.exists():
        raise Unavailable(
            sentence(
                "There is no database {path}: bring it back, or restore a backup (`warifu-ca restore`).", path=path
            )
        )
    engine: Engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            _migrate(connection)
    except DBAPIError as error:
        raise translated(error) from error
    finally:
        engine.dispose()


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    _known(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _known(connection: Connection) -> str | None:
    """Return the database's revision, None before the first. Raises SchemaMismatch for a stranger."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    revision: str | None = connection.execute(select(_VERSION.c.version_num)).scalar()
    if revision is not None and revision not in revisions():
        raise SchemaMismatch(
            sentence(
                "The database has the schema {revision}, which is newer than this program; update it.",
                revision=revision,
            )
        )
    return revision
