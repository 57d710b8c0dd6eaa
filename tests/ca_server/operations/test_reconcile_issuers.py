"""The books of several issuing CAs, before, while and after one takes over from another."""

import shutil

import pytest

from ca_server import store
from ca_server.cli import cli
from ca_server.cli.output import DONE, run
from ca_server.clock import DAY, SystemClock
from ca_server.operations import reconcile
from tests.ca_server.operations.conftest import Records

NAME = "issuing-2"


def root(records: Records, command: str) -> None:
    arguments = ["root", command, "--name", NAME, "--config", str(records.folder / "warifu.toml")]
    assert run(cli, arguments) == DONE


@pytest.fixture
def prepared(records: Records) -> Records:
    """Records of a CA that has made its next issuing CA, which no server has seen yet."""
    root(records, "new-issuer")
    return records


@pytest.fixture
def rolled_over(prepared: Records) -> Records:
    """… and let it take over."""
    shutil.copyfile(prepared.crl_file, prepared.folder / "public" / f"{NAME}.crl")
    root(prepared, "use-issuer")
    (prepared.folder / "public" / f"{NAME}.crl").unlink()
    return prepared


def test_each_issuing_ca_has_a_book_of_its_crl_and_of_its_answers(prepared: Records) -> None:
    found = prepared.balance()
    assert [each for each in found.books if each.findings] == []
    assert {f"CRL {NAME}", f"OCSP {NAME}", "CRL", "OCSP"} <= {each.name for each in found.books}


def test_certificates_of_the_former_issuing_ca_balance_with_its_key_and_its_crl(rolled_over: Records) -> None:
    found = {each.name: each for each in rolled_over.balance().books}
    assert [each for each in found.values() if each.findings] == []
    assert found["CRL issuing-1"].checked > 0
    assert found["CRL"].checked == 0
    assert found["OCSP issuing-1"].checked > found["OCSP"].checked


def test_a_certificate_under_the_name_of_the_other_issuing_ca_is_found(rolled_over: Records) -> None:
    rolled_over.plant(f"UPDATE certificate SET issuer = '{NAME}' WHERE serial = :renewed")
    assert "signature is not the issuing CA's" in rolled_over.findings("certificates")
    assert "issuer" in rolled_over.findings("profile")


def test_a_former_issuing_ca_that_left_the_configuration_too_early_is_missed(rolled_over: Records) -> None:
    path = rolled_over.folder / "warifu.toml"
    path.write_text(path.read_text("utf-8").partition("[[former]]")[0], "utf-8")
    assert "issuing-1 is none of those configured: issuing-2" in rolled_over.findings("certificates")


def days_after_all_ended(records: Records, days: int) -> int:
    """Return in how many seconds the last certificate will have ended so many days ago."""
    (last,) = records.fetch("SELECT max(not_after) FROM certificate")
    (now,) = records.fetch("SELECT max(planned_at) FROM certificate")
    assert isinstance(last, int)
    assert isinstance(now, int)
    return last - now + days * DAY


def test_a_former_issuing_ca_of_which_nothing_stands_can_be_put_away(rolled_over: Records) -> None:
    def told(days: int) -> bool:
        warnings = rolled_over.balance(later=days_after_all_ended(rolled_over, days)).warnings
        return any("All certificates of issuing-1 have ended" in each for each in warnings)

    assert (told(7), told(9)) == (False, True)


def test_certificates_of_a_former_issuing_ca_that_was_put_away_in_time_are_no_findings(rolled_over: Records) -> None:
    path = rolled_over.folder / "warifu.toml"
    path.write_text(path.read_text("utf-8").partition("[[former]]")[0], "utf-8")

    def found(days: int) -> str:
        return rolled_over.findings("certificates", later=days_after_all_ended(rolled_over, days))

    assert "issuing-1 is none of those configured" in found(7)
    assert found(9) == ""


def test_a_glance_tells_the_age_of_the_oldest_of_the_newest_crls_once_each_issuing_ca_has_one(
    records: Records,
) -> None:
    def age() -> int | None:
        database = store.SynchronousDatabase(records.config.server.database)
        names, now = ["issuing-1", NAME], SystemClock().now()
        try:
            return database.read(reconcile.glance, names, records.config.server.public_folder, now).crl_age
        finally:
            database.close()

    assert age() is None
    (made_at,) = records.fetch("SELECT max(this_update) FROM crl")
    assert isinstance(made_at, int)
    records.plant(
        f"UPDATE crl SET issuer = '{NAME}', this_update = :long_ago WHERE number = (SELECT min(number) FROM crl)",
        long_ago=made_at - DAY,
    )
    assert DAY <= (age() or 0) < 2 * DAY
