"""A seat lapses with the grace of its last certificate, and whoever comes later is told which forms lead on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ca_server.clock import DAY
from ca_server.domain.certificates import grace_ends
from ca_server.domain.credentials import CredentialStatus
from ca_server.domain.inventory import State
from ca_server.domain.seats import SeatStatus
from ca_server.errors import CredentialRefused, Lapsed
from ca_server.operations import inventory, renewal
from ca_server.operations.revocation import Decision, revoke_certificate
from ca_server.store import certificates
from protocol.vocabulary import RevocationReason
from tests.ca_server.branch import TIMES
from tests.ca_server.operations.watch import CN, LETTERS, Watch
from tests.ca_server.paper import a_revocation, no_entry


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    opened = Watch(tmp_path)
    yield opened
    opened.desk.records.close()


def test_a_seat_lapses_when_the_grace_of_its_last_certificate_is_over(watch: Watch) -> None:
    watch.tick(days=30)
    watch.desk.now = grace_ends(watch.certificate.not_after, TIMES)
    watch.tick()
    assert watch.seat() is SeatStatus.ACTIVE
    watch.desk.now += DAY + 1
    watch.tick()
    assert watch.seat() is SeatStatus.LAPSED
    assert watch.pairs() == [CredentialStatus.EXPIRED]
    entry = watch.desk.records.read(inventory.of, CN, LETTERS.times, watch.desk.now)
    assert entry.state is State.LAPSED


def test_a_lapsed_seat_says_which_forms_lead_to_a_new_certificate(watch: Watch) -> None:
    watch.tick(days=-92)
    for _ in range(2):
        with pytest.raises(Lapsed, match="DCM902 or DCM904"):
            watch.branch.plan(CN, watch.account)
        watch.tick()


def test_the_url_of_a_lapsed_seat_says_so_too(watch: Watch) -> None:
    watch.tick(days=30)
    halves = watch.branch.halves(CN)
    watch.branch.halves = lambda _: halves  # type: ignore[method-assign]
    watch.tick(days=-92)
    with pytest.raises(CredentialRefused, match=r"The time to renew is over.*DCM902 or DCM904"):
        watch.branch.bind(CN)


def test_a_suspended_seat_lapses_when_it_is_released(watch: Watch) -> None:
    watch.turn(days=32)
    watch.suspend()
    watch.tick(days=-92)
    assert watch.seat() is SeatStatus.SUSPENDED
    watch.release()
    assert watch.tick() == []
    assert watch.seat() is SeatStatus.LAPSED


def test_a_seat_whose_certificate_was_renewed_does_not_lapse_with_it(watch: Watch) -> None:
    watch.turn(days=40)
    watch.branch.renew(CN, watch.account)
    watch.tick(days=-92)
    assert watch.seat() is SeatStatus.ACTIVE


def test_a_seat_whose_last_certificate_alone_was_revoked_lapses_with_that_ones_grace(watch: Watch) -> None:
    watch.turn(days=40)
    serial = watch.branch.renew(CN, watch.account)
    decision = Decision(RevocationReason.superseded, "account:a", watch.desk.now)
    watch.desk.records.write(revoke_certificate, serial, decision, no_entry)
    watch.tick(days=-92)
    assert watch.seat() is SeatStatus.ACTIVE
    last = watch.desk.records.read(certificates.find, serial)
    assert last is not None
    watch.certificate = last
    assert watch.tick(days=30) == []
    watch.tick(days=-92)
    assert watch.seat() is SeatStatus.LAPSED


def test_a_lapsed_seat_can_be_named_by_a_revocation(watch: Watch) -> None:
    watch.tick(days=-92)
    watch.desk.done(a_revocation(str(CN), reason="unused", now=watch.desk.now))
    assert watch.seat() is SeatStatus.REVOKED


def test_a_clock_that_runs_ahead_for_a_while_lets_nothing_lapse(watch: Watch) -> None:
    watch.turn(days=100)
    watch.publish(watch.desk.now)
    watch.turn(days=-120)
    watch.publish(watch.desk.now)
    watch.desk.now += DAY - 1
    watch.desk.records.write(renewal.lapse, watch.desk.terms.pair, watch.desk.now)
    assert watch.seat() is SeatStatus.ACTIVE
    watch.turn(days=99)
    watch.publish(watch.desk.now)
    watch.turn(days=-130)
    watch.desk.records.write(renewal.lapse, watch.desk.terms.pair, watch.desk.now)
    assert watch.seat() is SeatStatus.ACTIVE
