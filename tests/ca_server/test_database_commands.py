"""`warifu-ca database`: the records move to PostgreSQL while nobody serves them, and the configuration names them."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ca_server.cli import cli
from ca_server.cli.output import DONE, FAILURE, REFUSED, run
from ca_server.config import load
from ca_server.fellows import alone_on
from ca_server.operations import tenure
from ca_server.store import SynchronousDatabase, audit, copying, leases, migrations
from ca_server.whereabouts import Cluster, Whereabouts
from tests.ca_server import databases
from tests.ca_server.operations.bureau import Bureau

EXAMPLE = Path(__file__).parents[2] / "conf" / "warifu.toml"
Command = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation whose records are in a file."""
    monkeypatch.setenv(databases.KIND, "sqlite")
    Bureau.open(tmp_path).records.close()
    shutil.copyfile(EXAMPLE, tmp_path / "warifu.toml")
    return tmp_path


@pytest.fixture
def command(folder: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `database …` and return the document."""

    def told(*arguments: str, code: int = DONE) -> Any:
        capsys.readouterr()
        configuration = str(folder / "warifu.toml")
        assert run(cli, ["database", *arguments, "--config", configuration, "--json"]) == code, capsys.readouterr()
        said = capsys.readouterr()
        return json.loads(said.out) if said.out else said.err

    return told


def counts(where: Whereabouts) -> dict[str, int]:
    records = SynchronousDatabase(where)
    try:
        return {table.name: records.read(copying.digest, table)[0] for table in copying.copied_tables()}
    finally:
        records.close()


def test_the_records_move_to_an_empty_database_and_the_move_is_logged(folder: Path, command: Command) -> None:
    target = databases.empty(folder)
    before = counts(folder / "warifu.db")
    told = command("copy", "--to", str(target))
    assert told == {"database": str(target), "rows": before}
    assert counts(target) == before | {"audit": before["audit"] + 1}
    records = SynchronousDatabase(target)
    records.read(migrations.require_current)
    ((_, actor, action, detail),) = records.read(audit.of_subject, "records")
    records.close()
    assert (actor.partition(":")[0], action) == ("login", "records copied")
    assert detail == {"rows": sum(before.values())}


def test_records_that_are_served_are_not_moved(folder: Path, command: Command) -> None:
    target = databases.empty(folder)
    with alone_on(folder / "warifu.db"):
        told = command("copy", "--to", str(target), code=REFUSED)
    assert "stop that one first" in str(told)
    assert databases.Raw(target).execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []


def test_records_that_one_of_several_servers_leads_are_not_moved(folder: Path, command: Command) -> None:
    source = databases.empty(folder)
    command("copy", "--to", str(source))
    configuration = folder / "warifu.toml"
    text = configuration.read_text("utf-8")
    configuration.write_text(text.replace('database = "warifu.db"', f'database = "{source}"'), "utf-8")
    records = SynchronousDatabase(source)
    now = int(time.time())
    assert records.write(leases.take, tenure.LEASE, "another", 60, now)
    assert "stop every one of them" in str(command("copy", "--to", str(folder / "back.db"), code=REFUSED))
    records.write(leases.give_back, tenure.LEASE, "another")
    records.close()
    assert "pg_dump" in str(command("copy", "--to", str(source), code=REFUSED))
    command("copy", "--to", str(folder / "back.db"))


def test_a_move_that_fails_leaves_no_file(folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise copying.NotTheSame("The copy of audit differs; nothing was kept.")

    monkeypatch.setattr(copying, "_pour", fail)
    command("copy", "--to", str(folder / "new.db"), code=FAILURE)
    assert not (folder / "new.db").exists()


def test_a_target_that_holds_records_is_refused_in_words(folder: Path, command: Command) -> None:
    target = databases.empty(folder)
    command("copy", "--to", str(target))
    assert "holds records already" in str(command("copy", "--to", str(target), code=FAILURE))


def test_a_url_with_a_password_is_refused_without_showing_it(command: Command) -> None:
    told = str(command("copy", "--to", "postgresql://warifu:swordfish@localhost/warifu", code=REFUSED))
    assert "holds a password" in told
    assert "swordfish" not in told


def test_a_schema_is_made_where_the_configuration_says(folder: Path, command: Command) -> None:
    target = databases.empty(folder)
    text = EXAMPLE.read_text("utf-8").replace('"warifu.db"', f'"{target}"')
    (folder / "warifu.toml").write_text(text, "utf-8")
    assert isinstance(load(folder / "warifu.toml").server.database, Cluster)
    for _ in range(2):
        assert command("migrate") == {"database": str(target)}
    assert set(counts(target).values()) == {0}
