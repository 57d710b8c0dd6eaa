"""Refreshing: no answer that is kept grows older than half its life, whatever happens to clock, signer and keeper."""

import random
import time

import pytest
from cryptography.x509.ocsp import OCSPCertStatus

from ca_server.authority import der
from ca_server.clock import DAY, HOUR, MINUTE
from ca_server.responder import keeper as module
from ca_server.responder.ready import NO_SIGNER, Keeping
from protocol.vocabulary import RevocationReason
from tests.ca_server.responder.stand import (
    Away,
    Stand,
    assert_ready,
    fresh_signer,
    issuing,
    the_house,
)

GOOD, REVOKED = OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED
HOLD = RevocationReason.certificateHold


def test_no_answer_grows_older_than_half_its_life_whatever_interrupts_the_walks(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six hours in steps of twenty seconds; in each the keeper may sign some, and later it is started anew at times."""
    monkeypatch.setattr(module, "_ENTRIES_AT_ONCE", 20)
    chance = random.Random(12)
    count, oldest = 300, 0
    for serial in range(1, count + 1):
        stand.register.set(serial)
    stand.keeper.follow()
    for step in range(6 * HOUR // 20):
        stand.clock.pass_by(seconds=20)
        if step > 3 * HOUR // 20 and chance.random() < 0.02:
            stand.keeper = stand.new_keeper()
        stand.keeper.follow()
        stand.keeper.refresh(0.0001)
        ages = [stand.clock.now() - entry.this_update for _, entry in stand.keeping.walk(b"", count)]
        oldest = max(oldest, *ages)
    assert HOUR // 8 < oldest <= HOUR // 2


def test_a_walk_signs_for_as_long_as_it_may_and_goes_on_there(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ENTRIES_AT_ONCE", 10)
    for serial in range(1, 201):
        stand.register.set(serial)
    stand.keeper.follow()
    stand.clock.pass_by(minutes=20)
    signed = []
    whole = Keeping.put

    def put(keeping: Keeping, entries, place: int | None = None, witness=None) -> None:
        listed = list(entries)
        signed.extend(key for key, _ in listed)
        whole(keeping, listed, place, witness)
        time.sleep(0.03)

    monkeypatch.setattr(Keeping, "put", put)
    assert stand.keeper.refresh(0.02)
    assert len(signed) == 10
    stand.refresh_all()
    assert len(signed) == len(set(signed)) == 200


def test_what_is_young_is_not_signed_again(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.register.set(5)
    stand.keeper.follow()
    before = stand.kept(5)
    stand.clock.pass_by(minutes=7)
    stand.keeper = stand.new_keeper()
    stand.refresh_all()
    assert stand.kept(5) == before
    stand.clock.pass_by(minutes=1)
    stand.keeper = stand.new_keeper()
    stand.refresh_all()
    assert stand.kept(5).this_update == stand.clock.now()


@pytest.mark.parametrize("jump", [-3 * DAY, -HOUR, -1, HOUR // 2, HOUR + 1, 3 * DAY])
def test_after_a_jump_of_the_clock_all_is_signed_anew(stand: Stand, jump: int) -> None:
    for serial in range(1, 20):
        stand.register.set(serial)
    stand.keeper.follow()
    stand.clock.pass_by(seconds=jump)
    stand.refresh_all()
    stand.beat()
    for serial in range(1, 20):
        assert_ready(stand, serial, GOOD)


def test_a_new_signer_signs_all_anew(stand: Stand) -> None:
    for serial in range(1, 20):
        stand.register.set(serial, HOLD if serial == 3 else None, at=stand.clock.now())
    stand.keeper.follow()
    stand.refresh_all()
    stand.keepers_hand.signer = stand.workers_hand.signer = fresh_signer(stand.clock.now())
    stand.refresh_all()
    stand.beat()
    for serial in range(1, 20):
        assert_ready(stand, serial, REVOKED if serial == 3 else GOOD)


def test_a_new_signer_in_the_middle_of_a_walk_leaves_nothing_of_the_former(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ENTRIES_AT_ONCE", 5)
    for serial in range(1, 50):
        stand.register.set(serial)
    stand.keeper.follow()
    stand.clock.pass_by(minutes=20)
    assert stand.keeper.refresh(1e-6)
    stand.keepers_hand.signer = fresh_signer(stand.clock.now())
    stand.refresh_all()
    mark = issuing(stand.keepers_hand).current()[0]
    assert {entry.signer for _, entry in stand.keeping.walk(b"", 100)} == {mark}


def test_a_certificate_that_ended_is_not_signed_again(stand: Stand) -> None:
    stand.register.set(5, ends=stand.clock.now() + 10 * MINUTE)
    stand.register.set(6, ends=stand.clock.now())
    stand.keeper.follow()
    before = stand.kept(5)
    assert_ready(stand, 5, GOOD)
    assert stand.kept(6).signer == NO_SIGNER
    stand.clock.pass_by(hours=2)
    stand.refresh_all()
    assert stand.kept(5) == before
    stand.beat()
    assert [stand.ask(serial).certificate_status for serial in (5, 6)] == [GOOD, GOOD]


def test_an_answer_ends_with_its_signer(stand: Stand) -> None:
    end = der.seconds(the_house().ocsp.certificate.not_valid_after_utc)
    stand.clock.set(end - 10 * MINUTE)
    stand.register.set(5)
    stand.keeper.follow()
    assert stand.kept(5).next_update == end
    assert_ready(stand, 5, GOOD)


def test_the_keeper_tells_how_old_the_oldest_answer_is_and_when_it_read_the_changes(stand: Stand) -> None:
    for serial in range(1, 6):
        stand.register.set(serial)
    stand.keeper.follow()
    stand.refresh_all()
    signed_at = stand.clock.now()
    assert (stand.keeper.oldest, stand.keeper.read_at) == (signed_at, signed_at)
    stand.clock.pass_by(seconds=HOUR // 4 - HOUR // 16)
    stand.register.set(6)
    stand.keeper.follow()
    changed_at = stand.clock.now()
    stand.clock.pass_by(seconds=HOUR // 16)
    stand.refresh_all()
    moments = {entry.this_update for _, entry in stand.keeping.walk(b"", 10)}
    assert moments == {changed_at, stand.clock.now()}
    assert stand.keeper.oldest == changed_at
    stand.register.is_away = True
    with pytest.raises(Away):
        stand.keeper.follow()
    assert stand.keeper.read_at == changed_at


def test_where_nothing_is_kept_there_is_no_oldest_answer(stand: Stand) -> None:
    stand.keeper.follow()
    stand.refresh_all()
    assert stand.keeper.oldest == 0
