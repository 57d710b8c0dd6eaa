"""The schema's history (Alembic): brings a database up to `tables`, and refuses one that is newer than this program."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from ca_server.store.errors import SchemaMismatch, Unavailable

_FOLDER = Path(__file__).parent


def create(path: Path) -> None:
    """Make a new database file with the present schema. Raises Unavailable when the file exists."""
    if path.exists():
        raise Unavailable(f"{path} exists; it is never overwritten.")
    path.touch(mode=0o600)
    upgrade(path)


def upgrade(path: Path) -> None:
    """Bring the database up to the present schema. Raises SchemaMismatch when it is newer."""
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            _refuse_strangers(connection)
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def require_current(path: Path) -> None:
    """Do nothing for a database of the present schema.

    Raises Unavailable when there is none, SchemaMismatch when it is newer than this program or still older.
    """
    if not path.exists():
        raise Unavailable(f"There is no database {path}; `warifu-ca init` makes one.")
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            _refuse_strangers(connection)
            current = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    if current != ScriptDirectory.from_config(_config()).get_current_head():
        raise SchemaMismatch(f"{path} has an older schema; `warifu-ca database upgrade` brings it up to date.")


def _refuse_strangers(connection: Connection) -> None:
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if current is not None and current not in known:
        raise SchemaMismatch(f"The database has the schema {current}, which is newer than this program; update it.")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    return config
