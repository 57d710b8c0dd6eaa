"""A lease is one server's for its seconds: nobody else has it then, and everybody may after that."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ca_server.store import Conflict, SynchronousDatabase, leases, migrations

NAME, SECONDS, NOW = "CRLs", 60, 1_800_000_000


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SynchronousDatabase]:
    migrations.create(tmp_path / "warifu.db")
    opened = SynchronousDatabase(tmp_path / "warifu.db")
    yield opened
    opened.close()


def take(records: SynchronousDatabase, holder: str, at: int = NOW) -> bool:
    return records.write(leases.take, NAME, holder, SECONDS, at)


def renew(records: SynchronousDatabase, holder: str, at: int) -> None:
    records.write(leases.renew, NAME, holder, SECONDS, at)


def test_a_lease_keeps_others_away_for_its_seconds_and_no_longer(records: SynchronousDatabase) -> None:
    assert take(records, "one")
    assert not take(records, "other", NOW + SECONDS - 1)
    assert take(records, "other", NOW + SECONDS)
    assert not take(records, "one", NOW + SECONDS)


def test_whether_anybody_has_a_lease_can_be_asked(records: SynchronousDatabase) -> None:
    assert not records.read(leases.stands, NAME, NOW)
    take(records, "one")
    assert records.read(leases.stands, NAME, NOW + SECONDS - 1)
    assert not records.read(leases.stands, NAME, NOW + SECONDS)


def test_the_holder_takes_its_own_lease_again_at_once(records: SynchronousDatabase) -> None:
    assert take(records, "one")
    assert take(records, "one", NOW + 30)
    assert not take(records, "other", NOW + SECONDS)


def test_a_lease_given_back_is_free_at_once(records: SynchronousDatabase) -> None:
    take(records, "one")
    records.write(leases.give_back, NAME, "other")
    assert not take(records, "other")
    records.write(leases.give_back, NAME, "one")
    assert take(records, "other")


def test_a_lease_that_is_renewed_goes_on(records: SynchronousDatabase) -> None:
    take(records, "one")
    renew(records, "one", NOW + SECONDS - 1)
    assert not take(records, "other", NOW + SECONDS)


def test_a_lease_that_is_over_or_anothers_is_not_renewed(records: SynchronousDatabase) -> None:
    take(records, "one")
    with pytest.raises(Conflict):
        renew(records, "one", NOW + SECONDS)
    take(records, "other", NOW + SECONDS)
    with pytest.raises(Conflict):
        renew(records, "one", NOW + SECONDS + 1)


def test_a_lease_of_a_clock_that_ran_ahead_is_over_when_the_clock_is_right_again(records: SynchronousDatabase) -> None:
    take(records, "one", NOW + 86_400)
    assert take(records, "other")


def test_the_clocks_of_two_servers_may_differ_by_as_much_as_a_lease_lasts(records: SynchronousDatabase) -> None:
    take(records, "ahead", NOW + SECONDS)
    assert not take(records, "behind")


def test_leases_of_two_names_know_nothing_of_each_other(records: SynchronousDatabase) -> None:
    assert take(records, "one")
    assert records.write(leases.take, "another", "other", SECONDS, NOW)
