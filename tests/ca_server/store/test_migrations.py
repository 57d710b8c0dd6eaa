"""The schema's history leads to the tables, in a file and in PostgreSQL, and a stranger's schema is refused."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from ca_server.store import SchemaMismatch, SynchronousDatabase, Unavailable, migrations
from ca_server.store.tables import metadata
from ca_server.whereabouts import Whereabouts
from tests.ca_server import databases


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "warifu.db"
    migrations.create(path)
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Whereabouts:
    monkeypatch.setenv(databases.KIND, request.param)
    return databases.fresh(tmp_path)


def require_current(where: Whereabouts) -> None:
    records = SynchronousDatabase(where)
    try:
        records.read(migrations.require_current)
    finally:
        records.close()


def test_the_history_leads_to_the_tables_as_they_are(where: Whereabouts) -> None:
    def differences(connection: Connection) -> object:
        options = {"compare_type": True, "include_name": lambda name, *_: name not in _COUNTED_BY_POSTGRESQL}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    records = SynchronousDatabase(where)
    assert records.read(differences) == []
    records.close()


_COUNTED_BY_POSTGRESQL = {"arrival", "audit_by_arrival"}
"""What a file has without being asked: the numbers of its rows."""


def test_in_postgresql_every_number_has_64_bits(tmp_path: Path) -> None:
    where = databases.empty(tmp_path)
    for _ in range(2):  # what is done is not done again
        migrations.upgrade(where)
    query = "SELECT table_name, column_name FROM information_schema.columns WHERE data_type IN ('integer', 'smallint')"
    assert databases.Raw(where).execute(f"{query} AND table_schema = 'public'") == []


def test_conditions_of_indexes_are_those_of_the_tables(database: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    engine = create_engine(f"sqlite:///{other}")
    metadata.create_all(engine)
    engine.dispose()

    def indexes(path: Path) -> set[str]:
        with sqlite3.connect(path) as raw:
            rows = raw.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
        raw.close()
        return {" ".join(row[0].split()) for row in rows}

    assert indexes(database) == indexes(other)


def test_application_numbers_are_never_used_again(database: Path) -> None:
    with sqlite3.connect(database) as raw:
        (sql,) = raw.execute("SELECT sql FROM sqlite_master WHERE name = 'application'").fetchone()
    raw.close()
    assert "AUTOINCREMENT" in sql


def test_the_files_are_named_by_their_revisions_in_the_order_of_the_history() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert migrations.revisions() == [script.revision for script in scripts.walk_revisions()][::-1]


def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "warifu.db"
    path.write_bytes(b"this is a letter to somebody else" * 100)
    with pytest.raises(Unavailable, match="cannot be used"):
        require_current(path)


def test_a_new_database_is_current_and_its_owners_alone(database: Path) -> None:
    require_current(database)
    assert database.stat().st_mode & 0o777 == 0o600


def test_a_database_is_never_overwritten(database: Path) -> None:
    with pytest.raises(Unavailable):
        migrations.create(database)


def test_a_missing_database_leads_to_its_backup(tmp_path: Path) -> None:
    for look in (require_current, migrations.upgrade):
        with pytest.raises(Unavailable, match="warifu-ca restore"):
            look(tmp_path / "none.db")


def test_a_newer_schema_is_refused(where: Whereabouts) -> None:
    with databases.raw(where) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    for look in (require_current, migrations.upgrade):
        with pytest.raises(SchemaMismatch, match="newer"):
            look(where)


def test_an_older_schema_leads_to_the_migration(where: Whereabouts) -> None:
    with databases.raw(where) as raw:
        raw.execute("DELETE FROM alembic_version")
    raw.close()
    with pytest.raises(SchemaMismatch, match="database migrate"):
        require_current(where)


def test_an_empty_database_of_postgresql_leads_to_the_migration(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch, match="database migrate"):
        require_current(databases.empty(tmp_path))
