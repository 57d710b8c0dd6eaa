"""The records of a test, of the kind that WARIFU_TEST_DATABASE names: sqlite, or postgresql.

A folder has records of its own: a file in it, or a database called by the folder's hash in one cluster of PostgreSQL,
which is begun when a test first asks for it and ends with the run. It keeps nothing on disk on purpose: what a power
cut does to it is the drills' affair.
"""

import asyncio
import concurrent.futures
import contextlib
import fcntl
import functools
import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from ca_server.store import Database, SynchronousDatabase, copying, lines, migrations, postgresql, standings, tables
from ca_server.whereabouts import Cluster, Whereabouts

R = TypeVar("R")

KIND = "WARIFU_TEST_DATABASE"
PLACE = "TEST_CLUSTER_OF_WARIFU"
_SETTINGS = (
    "fsync=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_connections=400",
    "max_prepared_transactions=4",
    "shared_buffers=64MB",
    "listen_addresses=",
    "log_min_messages=fatal",
)
_PRESENT = "present"
_PREFIX = "warifu-postgresql-"


def file_of(path: Path, revision: str) -> None:
    """Make a file of SQLite, or bring one, to an older schema."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def is_postgresql() -> bool:
    """Tell whether this run is about PostgreSQL."""
    return os.environ.get(KIND, "sqlite") == "postgresql"


def located(folder: Path) -> Whereabouts:
    """Return where the records of a folder are, made or not."""
    if not is_postgresql():
        return folder / "warifu.db"
    return _database("w" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:40])


def in_order(records: SynchronousDatabase, last: int) -> standings.Stretch:
    """Return all changes once they are in order up to a place; writers of other tests in the cluster hold that up."""
    deadline = time.monotonic() + 60
    while (told := records.read(standings.since, 0, 1000)).last < last and time.monotonic() < deadline:
        time.sleep(0.05)
    return told


def fresh(folder: Path) -> Whereabouts:
    """Make empty records of the present schema for a folder."""
    where = located(folder)
    if isinstance(where, Path):
        where.write_bytes(_present_file())
    else:
        _make(_name(where), _present())
    return where


def empty(folder: Path) -> Cluster:
    """Make a database of PostgreSQL without any table for a folder, whatever kind of run this is."""
    where = _database("e" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:40])
    _make(_name(where), "template0")
    return where


def copied(source: Whereabouts, folder: Path) -> Whereabouts:
    """Make the records of a folder a copy of others, to which nobody is connected."""
    target = located(folder)
    if isinstance(source, Path):
        shutil.copyfile(source, target)  # type: ignore[arg-type]
    else:
        _make(_name(target), _name(source))  # type: ignore[arg-type]
    return target


def contents(where: Whereabouts) -> object:
    """Return something that is equal when all that the records hold is."""
    records = SynchronousDatabase(where)
    try:
        return [records.read(copying.digest, table) for table in tables.metadata.sorted_tables]
    finally:
        records.close()


@contextlib.contextmanager
def unwritable(database: Database, where: Whereabouts) -> Iterator[None]:
    """Let an open database write nothing for the length of the block."""
    if isinstance(where, Path):
        driver = database._writer._line._connection.get_execution_options()["driver"]  # type: ignore[attr-defined]
        driver.execute("PRAGMA query_only=1")
        yield
        driver.execute("PRAGMA query_only=0")
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgresql, "WRITE", lines.LOOK)
        yield


def remove(where: Whereabouts) -> None:
    """Take the records away."""
    if isinstance(where, Path):
        where.unlink()
    else:
        _await(_ask(_database("postgres").url, f"DROP DATABASE {_name(where)} WITH (FORCE)", []))


def moved(configuration: Path) -> Path:
    """Bring the records that `init` made to where those of this run are, and have the configuration say so."""
    if is_postgresql():
        file, where = configuration.with_name("warifu.db"), fresh(configuration.parent)
        copying.copy(file, where)
        file.unlink()
        _say(configuration, "warifu.db", str(where))
    return configuration


def copied_folder(source: Path, target: Path) -> None:
    """Copy an installation with its records."""
    shutil.copytree(source, target)
    if is_postgresql():
        _say(target / "warifu.toml", str(located(source)), str(copied(located(source), target)))


def _say(configuration: Path, before: str, after: str) -> None:
    text = configuration.read_text("utf-8")
    assert f'"{before}"' in text, configuration
    configuration.write_text(text.replace(f'"{before}"', f'"{after}"'), "utf-8")


class Rows(list[Any]):
    """What a statement found, asked for as of sqlite3."""

    def fetchone(self) -> Any:
        return self[0] if self else None

    def fetchall(self) -> list[Any]:
        return list(self)


class Raw:
    """A connection that knows nothing of ours, used as one of sqlite3; here each statement commits by itself."""

    def __init__(self, where: Cluster) -> None:
        self._where = where

    def execute(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> Rows:
        names: list[str] = []

        def numbered(found: re.Match[str]) -> str:
            if found[0] == "?" or found[1] not in names:
                names.append(found[1] or f"?{len(names)}")
            return f"${len(names) if found[0] == '?' else names.index(found[1]) + 1}"

        octets = re.sub("(?i)x'([0-9a-f]*)'", r"'\\x\1'::bytea", statement)
        zeros = re.sub(r"zeroblob\((\w+\(\w+\))\)", r"decode(repeat('00', \1), 'hex')", octets)
        text = re.sub(r"(?<!:):([a-z_]+)|\?", numbered, zeros)
        given = [values[name] for name in names] if isinstance(values, Mapping) else list(values)
        return Rows(_await(_ask(self._where.url, text, given)))

    def commit(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        return None


def raw(where: Whereabouts) -> Any:
    """Return a connection for statements that no operation would run."""
    return sqlite3.connect(where) if isinstance(where, Path) else Raw(where)


def a_place() -> str:
    """Return a name for the folder of this run's cluster; it says whose it is."""
    return f"{tempfile.gettempdir()}/{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"


def stop_cluster() -> None:
    """End the run's cluster, if one was begun, and those of runs that were killed."""
    for place in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = place.name.removeprefix(_PREFIX).partition("-")[0]
        if str(place) == os.environ.get(PLACE) or not Path(f"/proc/{owner}").exists():
            stop = [_program("pg_ctl"), "-D", str(place / "cluster"), "-m", "immediate", "stop"]
            subprocess.run([*_as_postgres(), *stop], check=False, capture_output=True)
            shutil.rmtree(place, ignore_errors=True)


@functools.cache
def cluster() -> Path:
    """Return the folder of the run's cluster, in which its socket is; begin it when nobody did."""
    place = Path(os.environ.setdefault(PLACE, a_place()))
    place.mkdir(exist_ok=True)
    with _alone(place):
        if not (place / "ready").exists():
            _begin(place)
            (place / "ready").touch()
    return place


def _begin(place: Path) -> None:
    if _program("initdb") == "":
        pytest.skip("there is no PostgreSQL: Debian package postgresql")
    if os.geteuid() == 0:
        shutil.chown(place, "postgres")
    who = _as_postgres()
    init = ["--no-sync", "--auth=trust", "--username=warifu", "--encoding=UTF8", "--locale=C"]
    subprocess.run([*who, _program("initdb"), "-D", place / "cluster", *init], check=True, capture_output=True)
    options = " ".join(f"-c {each}" for each in (*_SETTINGS, f"unix_socket_directories={place}"))
    start = ["-D", place / "cluster", "-l", place / "log", "-o", options, "--wait", "start"]
    subprocess.run([*who, _program("pg_ctl"), *start], check=True, stdout=subprocess.DEVNULL)


def _as_postgres() -> list[str]:
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


@functools.cache
def _program(name: str) -> str:
    found = shutil.which(name) or max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default="")
    return str(found)


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    with (place / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@functools.cache
def _present_file() -> bytes:
    with tempfile.TemporaryDirectory(prefix="warifu-schema-") as place:
        migrations.create(Path(place) / "warifu.db")
        return (Path(place) / "warifu.db").read_bytes()


@functools.cache
def _present() -> str:
    """Return the name of the database that holds the present schema and nothing else."""
    place = cluster()
    with _alone(place):
        if not (place / _PRESENT).exists():
            _make(_PRESENT, "template0")
            migrations.upgrade(_database(_PRESENT))
            (place / _PRESENT).touch()
    return _PRESENT


def _database(name: str) -> Cluster:
    return Cluster(f"postgresql://warifu@/{name}?host={cluster()}")


def _name(where: Cluster) -> str:
    return where.url.partition("@/")[2].partition("?")[0]


def _make(name: str, template: str) -> None:
    _await(_ask(_database("postgres").url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", []))
    _await(_ask(_database("postgres").url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy", []))


async def _ask(url: str, statement: str, values: list[object]) -> list[Any]:
    connection = await asyncpg.connect(url, server_settings={"session_replication_role": "replica"})  # no references
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()


def _await(waited_for: Coroutine[Any, Any, R]) -> R:
    """Wait in a thread of its own, for a loop may run in this one."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, waited_for).result()
