"""Changes that cannot be put in their order yet, because an older transaction runs on, are told all the same."""

import time

import pytest
from cryptography.x509.ocsp import OCSPCertStatus

from ca_server.store.standings import Stretch
from protocol.vocabulary import RevocationReason
from tests.ca_server.responder.stand import Stand, assert_ready

REVOKED = OCSPCertStatus.REVOKED
HOLD = RevocationReason.certificateHold


def test_what_cannot_be_put_in_its_order_yet_is_told_at_once_and_signed_once(stand: Stand) -> None:
    """An older transaction runs on, say of a server that was stopped: the last place stays, and changes come."""
    stand.register.set(5)
    stand.keeper.follow()
    since = stand.register.since

    def held_back(after: int, most: int, witness: str | None = None) -> Stretch:
        found = since(after, most, witness)
        return found._replace(until=1, last=1)

    stand.register.since = held_back  # type: ignore[method-assign]
    stand.register.set(5, HOLD, at=stand.clock.now())
    stand.keeper.follow()
    assert_ready(stand, 5, REVOKED)
    assert stand.keeping.look(b"none", time.monotonic())[1]
    before = stand.kept(5)
    stand.clock.pass_by(minutes=1)
    stand.keeper.follow()
    assert stand.kept(5) == before
    stand.register.since = since  # type: ignore[method-assign]
    stand.keeper.follow()
    assert_ready(stand, 5, REVOKED)
    assert stand.keeping.place() == 2


def test_what_was_told_is_not_signed_again_for_what_comes_after_it(stand: Stand) -> None:
    since = stand.register.since

    def held_back(after: int, most: int, witness: str | None = None) -> Stretch:
        return since(after, most, witness)._replace(until=0, last=0)

    stand.register.since = held_back  # type: ignore[method-assign]
    stand.register.set(5, HOLD, at=stand.clock.now())
    stand.keeper.follow()
    before = stand.kept(5)
    stand.clock.pass_by(minutes=1)
    stand.register.set(6, HOLD, at=stand.clock.now())
    stand.keeper.follow()
    assert_ready(stand, 6, REVOKED)
    assert stand.kept(5) == before


def test_when_more_waits_than_can_be_told_again_and_again_nothing_is_called_current_and_a_person_is_told_once(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    stand.register.since = lambda *_: Stretch(0, 1, [])  # type: ignore[method-assign]
    for _ in range(3):
        stand.keeper.follow()
    assert not stand.keeping.look(b"none", time.monotonic())[1]
    assert [record.getMessage()[:30] for record in caplog.records] == ["ALARM: a transaction is open i"]
