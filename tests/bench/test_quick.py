"""The cheap parts of a quick run, with everything real: servers, peers, loads, judges."""

import contextlib
import dataclasses
import sqlite3
import time
from pathlib import Path

import pytest

from bench import crl
from bench.asking import WrongAnswer
from bench.ground import populated
from bench.ocsp import Field
from bench.population import Population
from bench.rounds import Asked
from tests.end_to_end.agency import Agency
from tests.tokens import program

SOME = Population(200, int(time.time()))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    """Return an agency that is stopped, with a population on record."""
    for name, package in (("wrk", "wrk"), ("nginx", "nginx"), ("cfssl", "golang-cfssl"), ("openssl", "openssl")):
        program(name, package)
    return populated(tmp_path_factory.mktemp("bench"), SOME)


@pytest.mark.slow
def test_ready_answers_are_measured_beside_every_peer(records: Agency, asked: Asked) -> None:
    table = Field(records, SOME, asked).one_core()
    assert {row.name for row in table.rows} == {"warifu GET", "warifu POST", "nginx GET", "cfssl POST"}
    assert all(row.figures["requests/s"].median > 0 for row in table.rows)
    assert len(table.claims) == 2


@pytest.mark.slow
def test_answers_signed_live_are_measured_beside_openssl(records: Agency, asked: Asked) -> None:
    table = Field(records, SOME, asked).signed_live()
    assert {row.name for row in table.rows} == {"warifu", "openssl"}
    assert all(row.figures["CPU µs each"].median > 0 for row in table.rows)


@pytest.mark.slow
def test_a_server_that_tells_another_status_than_the_records_is_not_measured(records: Agency, asked: Asked) -> None:
    nobody_revoked = dataclasses.replace(SOME, share_revoked=0)
    with pytest.raises(WrongAnswer, match="REVOKED is told, and it is good"):
        Field(records, nobody_revoked, asked).one_core()


@pytest.mark.slow
def test_whole_enrolments_are_copied_into_every_table(tmp_path: Path) -> None:
    agency = populated(tmp_path, Population(30, int(time.time())), certificates_alone=False)
    with contextlib.closing(sqlite3.connect(agency.folder / "warifu.db")) as connection:
        for table in ("seat", "credential", "account", "acme_order", "certificate", "outbox", "audit"):
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert count > 30, table


@pytest.mark.slow
def test_a_crl_is_measured_beside_openssl(asked: Asked) -> None:
    program("openssl", "openssl")
    ((_, step),) = crl.steps(asked)
    table = step()
    assert {row.name for row in table.rows} == {"warifu", "openssl"}
    assert all(row.figures["peak MiB"].median > 0 for row in table.rows)
