"""`warifu doctor` beside the real service: one PC after another, from all well to a year later."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from client.stores.files import FilesStore
from client.stores.generation import give_up_generation
from tests.end_to_end.agency import OFFICERS, Agency, Invitation
from tests.end_to_end.days import Days, days
from tests.end_to_end.seat_records import offer_renewal
from tests.end_to_end.test_forms import live_until

BEGIN = "2027-01-12 10:00"


@dataclass(frozen=True)
class Pc:
    """One PC with a certificate and the daily renewal."""

    agency: Agency
    invitation: Invitation
    home: Path

    @property
    def cn(self) -> str:
        return self.invitation.cn

    def enrol(self, invitation: Invitation) -> None:
        words = ("enroll", invitation.url, "--password-stdin", "--yes", "--ca-file", str(self.agency.root))
        self.agency.warifu(*words, home=self.home, stdin=invitation.password)

    def doctor(self, *words: str, code: int) -> Any:
        """Return the diagnosis, which must not take long."""
        begun = time.monotonic()
        document = self.agency.warifu("doctor", *words, home=self.home, code=code)
        assert time.monotonic() - begun < 5
        return document

    def found(self, *words: str, code: int) -> tuple[set[str], str]:
        """Return the words of all findings, and that of the act."""
        document = self.doctor(*words, code=code)
        return {each["word"] for each in document["findings"]}, document["act"]["word"]


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    with days(tmp_path_factory.mktemp("days"), BEGIN) as passing:
        yield passing


@pytest.fixture(scope="module")
def agency(passing: Days, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    running = Agency(tmp_path_factory.mktemp("agency"), validity_days=300)
    running.serve()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def pcs(agency: Agency, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Pc]]:
    """Return PCs that are enrolled, with the daily renewal set up."""
    folder = tmp_path_factory.mktemp("pcs")
    with pytest.MonkeyPatch.context() as patch:
        units = folder / "config" / "systemd" / "user"
        units.mkdir(parents=True)
        (units / "warifu-renew.timer").touch()
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        found = [Pc(agency, each, folder / each.cn) for each in agency.approve(4)]
        for pc in found:
            pc.enrol(pc.invitation)
        yield found


def test_all_is_well(pcs: list[Pc]) -> None:
    document = pcs[0].doctor(code=0)
    assert {each["level"] for each in document["findings"]} == {"ok"}
    words = {"valid", "good", "held", "account", "renewal", "server", "clock", "schedule", "private"}
    assert {each["word"] for each in document["findings"]} == words
    assert (document["act"]["word"], document["form"], document["chart"]) == ("wait", None, "9.3.1")
    assert document["website"] == f"{pcs[0].agency.public_url}/"


def test_nothing_enrolled(agency: Agency, pcs: list[Pc], tmp_path: Path) -> None:
    empty = Pc(agency, pcs[0].invitation, tmp_path / "empty")
    assert empty.found(code=5) == ({"nothingHere"}, "enroll")
    assert empty.found(pcs[0].cn, code=5) == ({"notHere"}, "find")


def test_a_suspended_certificate(agency: Agency, pcs: list[Pc], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAKETIME_DONT_FAKE_MONOTONIC")  # with it libfaketime refuses the command's sleep
    call = ("--reason", "lost", "--caller", "山田 太郎", "--officer", OFFICERS[0])
    agency.ca("certificate", "suspend", pcs[1].cn, *call)
    found, act = pcs[1].found(code=5)
    assert ("suspended" in found, act) == (True, "call")
    agency.ca("certificate", "release", pcs[1].cn, "--officer", OFFICERS[0])
    assert pcs[1].found(code=0)[1] == "wait"


def test_a_revoked_certificate(agency: Agency, pcs: list[Pc], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAKETIME_DONT_FAKE_MONOTONIC")  # with it libfaketime refuses the command's sleep
    agency.revoke(pcs[2].cn)
    found, act = pcs[2].found(code=5)
    assert ("revoked" in found, act) == (True, "stop")


def test_a_server_that_is_not_trusted(agency: Agency, pcs: list[Pc]) -> None:
    found, act = pcs[0].found("--ca-file", str(agency.chain), code=5)
    assert ("untrusted" in found, act) == (True, "trust")


@pytest.mark.parametrize(("seconds", "word"), [(86_400 * 3000, "clockAhead"), (-86_400 * 2, "clockBehind")])
def test_a_wrong_clock_is_told_also_where_tls_fails_for_it(
    pcs: list[Pc], passing: Days, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, word: str
) -> None:
    offset = float(Path(os.environ["FAKETIME_TIMESTAMP_FILE"]).read_text())
    (tmp_path / "offset").write_text(f"{offset + seconds:+.3f}\n")
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(tmp_path / "offset"))
    found, act = pcs[0].found(code=5)
    assert (word in found, act) == (True, "setClock")


def test_a_renewal_under_way(pcs: list[Pc]) -> None:
    (folder,) = FilesStore(pcs[1].home).seats()
    begun = folder.next_generation()
    found, act = pcs[1].found(code=1)
    assert ("underWay" in found, act) == (True, "renew")
    give_up_generation(begun)


def test_a_server_that_is_away(agency: Agency, pcs: list[Pc]) -> None:
    agency.stop()
    try:
        found, act = pcs[0].found(code=3)
    finally:
        agency.serve()
    assert ({"noConnection", "held", "private", "notAsked"} <= found, act) == (True, "tryLater")


@pytest.mark.slow
def test_months_later_one_is_overdue_one_renewed_on_another_pc_and_one_has_ended(
    agency: Agency, pcs: list[Pc], passing: Days, tmp_path: Path
) -> None:
    live_until(agency, passing, "2027-10-20 10:00")
    found, act = pcs[0].found(code=1)
    assert ("overdue" in found, act) == (True, "renew")
    wrong = Pc(agency, pcs[3].invitation, tmp_path / "wrong")
    wrong.enrol(offer_renewal(agency, pcs[3].cn))
    found, act = pcs[3].found(code=5)
    assert ("renewedElsewhere" in found, act) == (True, "stop")
    found, act = wrong.found(code=0)
    assert ("withoutPredecessor" in found, act) == (True, "nothing")
    live_until(agency, passing, "2027-11-20 10:00")
    found, act = pcs[0].found(code=1)
    assert ("expired" in found, act) == (True, "renew")
    agency.warifu("renew", home=pcs[0].home)
    assert pcs[0].found(code=0)[1] == "nothing"
    agency.balance()


@pytest.mark.slow
def test_in_the_end_a_seat_lapses_and_the_servers_own_certificate_ends(
    agency: Agency, pcs: list[Pc], passing: Days
) -> None:
    live_until(agency, passing, "2028-02-10 10:00")
    found, act = pcs[1].found(code=5)
    assert ("lapsed" in found, act) == (True, "file")
    live_until(agency, passing, "2028-03-01 10:00")
    found, act = pcs[0].found(code=5)
    assert ({"serverEnded", "clock"} <= found, act) == (True, "call")
