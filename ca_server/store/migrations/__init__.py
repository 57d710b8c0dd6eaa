"""The schema's history (Alembic): brings a database up to `tables`, and refuses one that is newer than this program.

Every command asks whether the schema is the present one, so that question is answered from the names of the files in
`versions`, which begin with their revision; Alembic, a fifth of a command's start, is imported to change something.
"""

import contextlib
import sqlite3
from pathlib import Path

from ca_server.language import sentence
from ca_server.store.errors import SchemaMismatch, Unavailable, translated

_FOLDER = Path(__file__).parent


def revisions() -> list[str]:
    """Return every revision that this program knows, the present one last."""
    return sorted(path.stem.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py"))


def create(path: Path) -> None:
    """Make a new database file with the present schema. Raises Unavailable when the file exists."""
    if path.exists():
        raise Unavailable(sentence("{path} exists; it is never overwritten.", path=path))
    path.touch(mode=0o600)
    upgrade(path)


def upgrade(path: Path) -> None:
    """Bring the database up to the present schema. Raises Unavailable when there is none, SchemaMismatch when newer."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    _known(path)
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def require_current(path: Path) -> None:
    """Do nothing for a database of the present schema.

    Raises Unavailable when there is none, SchemaMismatch when it is newer than this program or still older.
    """
    if _known(path) != revisions()[-1]:
        raise SchemaMismatch(
            sentence("{path} has an older schema; `warifu-ca database upgrade` brings it up to date.", path=path)
        )


def _known(path: Path) -> str | None:
    """Return the database's revision, None before the first. Raises Unavailable, or SchemaMismatch for a stranger."""
    if not path.exists():
        raise Unavailable(sentence("There is no database {path}; `warifu-ca init` makes one.", path=path))
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchall()
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall() if tables else []
    except sqlite3.Error as error:
        raise translated(error) from error
    revision: str | None = rows[0][0] if rows else None
    if revision is not None and revision not in revisions():
        raise SchemaMismatch(
            sentence(
                "The database has the schema {revision}, which is newer than this program; update it.",
                revision=revision,
            )
        )
    return revision
