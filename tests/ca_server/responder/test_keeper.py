"""The keeper: what changes is signed at once, what is kept never grows old, and nothing is told before it is known."""

import random
import time
from collections.abc import Callable

import lmdb
import pytest
from cryptography import x509
from cryptography.x509 import ocsp as library
from cryptography.x509.ocsp import OCSPCertStatus

from ca_server.app import crl_entry
from ca_server.clock import HOUR
from ca_server.operations import issuance
from ca_server.responder import keeper as module
from ca_server.responder.answers import Answers, Issuing
from ca_server.responder.keeper import Keeper
from ca_server.responder.ready import NO_SIGNER, Keeping
from ca_server.store import certificates, standings
from ca_server.store.standings import Stretch
from keys.algorithms import verify
from protocol.vocabulary import RevocationReason
from tests.ca_server.responder.stand import (
    HASHES,
    Away,
    Hand,
    Register,
    Stand,
    assert_ready,
    foreign,
    fresh_signer,
    issuing,
    question,
    the_house,
)
from tests.ca_server.web.caller import Caller
from tests.ca_server.web.office import Office

GOOD, REVOKED, UNKNOWN = OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED, OCSPCertStatus.UNKNOWN
HOLD = RevocationReason.certificateHold
CN = "F123456-001"


class Following:
    """A keeper that follows a running CA's records, and a worker that has no records to ask."""

    def __init__(self, office: Office, keeping: Keeping) -> None:
        self.office = office
        mine = [Issuing(office.config.authority.issuer, office.folder.issuing.certificate, lambda: office.folder.ocsp)]
        self.keeper = Keeper(keeping, self, mine, HOUR, office.clock)
        self.answers = Answers(mine, keeping, Register().told, HOUR, office.clock)

    def since(self, after: int, most: int, witness: str | None = None) -> Stretch:
        return self.office.look(standings.since, after, most)

    def word(self, serial: int) -> tuple[OCSPCertStatus, x509.ReasonFlags | None]:
        """Follow to the end, and tell what is answered then, from what was signed ready but for what is unknown."""
        self.keeper.follow()
        answer = self.answers.answer(question(serial, issuer=self.office.folder.issuing.certificate))
        response = library.load_der_ocsp_response(answer.der)
        assert bool(answer.next_update) is (response.certificate_status is not UNKNOWN)
        return response.certificate_status, response.revocation_reason


@pytest.fixture
def following(office: Office, stand: Stand) -> Following:
    return Following(office, stand.keeping)


async def test_it_follows_an_issue_a_suspension_a_release_and_a_revocation(
    office: Office, holder: Caller, following: Following
) -> None:
    serial = (await holder.enrol()).serial_number
    assert following.word(serial) == (GOOD, None)
    await office.suspend()
    assert following.word(serial) == (REVOKED, x509.ReasonFlags.certificate_hold)
    await office.release()
    assert following.word(serial) == (GOOD, None)
    await office.revoke_seat()
    assert following.word(serial) == (REVOKED, x509.ReasonFlags.superseded)


async def test_a_plan_is_unknown_until_it_is_issued_or_aborted(
    office: Office, holder: Caller, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: object) -> None:
        raise ConnectionAbortedError

    monkeypatch.setattr(issuance, "issue", dies)
    (await holder.finalize((await holder.order()).document)).must(500)
    (plan,) = office.look(certificates.of_seat, CN)
    assert following.word(int(plan.serial, 16)) == (UNKNOWN, None)
    now = office.clock.now()
    await office.write(issuance.abort, plan.serial, crl_entry(plan.serial, now, 0), now)
    assert following.word(int(plan.serial, 16))[0] is REVOKED


def test_what_changed_is_signed_at_once_for_both_hashes(stand: Stand) -> None:
    stand.register.set(5)
    stand.keeper.follow()
    assert_ready(stand, 5, GOOD)
    stand.register.set(5, HOLD, at=stand.clock.now())
    stand.keeper.follow()
    assert_ready(stand, 5, REVOKED)
    stand.register.set(5)
    stand.keeper.follow()
    assert_ready(stand, 5, GOOD)


def test_what_was_read_counts_only_after_all_was_read(stand: Stand) -> None:
    """A worker must not take a certificate for one that nobody issued while the keeper is still reading."""
    seen = []

    class Watched(Register):
        def since(self, after: int, most: int, witness: str | None = None) -> Stretch:
            seen.append(stand.keeping.look(b"none", time.monotonic())[1])
            return super().since(after, most, witness)

    stand.register = Watched()
    for serial in range(1, 5002):
        stand.register.set(serial)
    stand.keeper = stand.new_keeper()
    stand.keeper.follow()
    assert len(seen) > 5
    assert not any(seen)
    assert stand.keeping.look(b"none", time.monotonic())[1]


def test_a_beat_is_of_the_moment_before_the_question(stand: Stand) -> None:
    class Slow(Register):
        def since(self, after: int, most: int, witness: str | None = None) -> Stretch:
            found = super().since(after, most, witness)
            time.sleep(1.05)
            return found

    stand.register = Slow()
    stand.keeper = stand.new_keeper()
    stand.keeper.follow()
    assert not stand.keeping.look(b"none", time.monotonic())[1]


def test_far_behind_it_takes_facts_first_and_signs_afterwards(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PLACES_AT_ONCE", 50)
    for serial in range(1, 501):
        stand.register.set(serial, HOLD if serial % 5 == 0 else None, at=stand.clock.now())
    stand.keeper.follow()
    unsigned = [serial for serial in range(1, 501) if stand.kept(serial).signer == NO_SIGNER]
    assert unsigned == list(range(1, 451))
    assert [stand.ask(serial).certificate_status for serial in (4, 5, 499, 500, 501)] == [
        GOOD, REVOKED, GOOD, REVOKED, UNKNOWN,
    ]  # fmt: skip
    stand.refresh_all()
    stand.beat()
    for serial in range(1, 501, 7):
        assert_ready(stand, serial, REVOKED if serial % 5 == 0 else GOOD)
    assert all(stand.kept(serial).signer != NO_SIGNER for serial in unsigned)


def test_a_keeper_that_was_started_again_reads_on_where_the_former_ended(stand: Stand) -> None:
    stand.register.set(5)
    stand.keeper.follow()
    asked = []

    class Watched(Register):
        def since(self, after: int, most: int, witness: str | None = None) -> Stretch:
            asked.append(after)
            return super().since(after, most, witness)

    watched = Watched()
    watched.restore(stand.register)
    watched.set(6)
    stand.register = watched
    stand.keeper = stand.new_keeper()
    stand.keeper.follow()
    assert asked[0] == 1
    assert_ready(stand, 5, GOOD)
    assert_ready(stand, 6, GOOD)


def test_of_restored_records_nothing_older_is_kept(stand: Stand) -> None:
    stand.register.set(5)
    backup = Register()
    backup.restore(stand.register)
    stand.register.set(6)
    stand.register.set(5, HOLD, at=stand.clock.now())
    stand.keeper.follow()
    assert (stand.ask(5).certificate_status, stand.ask(6).certificate_status) == (REVOKED, GOOD)
    stand.register.restore(backup)
    stand.keeper.follow()
    assert_ready(stand, 5, GOOD)
    assert stand.kept(6) is None
    assert (stand.ask(6).certificate_status, stand.keeping.place()) == (UNKNOWN, 1)


def test_restored_records_that_went_on_are_made_anew_though_the_same_was_done_again(stand: Stand) -> None:
    """The backup knows nothing of 6 and of the hold; places were given away again before the keeper asked."""
    stand.register.set(4)
    stand.register.set(5)
    backup = Register()
    backup.restore(stand.register)
    stand.register.set(6)
    stand.register.set(5, HOLD, at=stand.clock.now())
    stand.keeper.follow()
    stand.register.restore(backup)
    stand.register.set(4, HOLD, at=stand.clock.now())
    stand.register.set(5, HOLD, at=stand.clock.now())
    stand.register.set(7)
    stand.keeper.follow()
    assert_ready(stand, 4, REVOKED)
    assert_ready(stand, 5, REVOKED)
    assert_ready(stand, 7, GOOD)
    assert stand.kept(6) is None


def test_the_witness_outlives_the_keeper(stand: Stand) -> None:
    stand.register.set(5)
    stand.register.set(6)
    stand.keeper.follow()
    assert stand.keeping.witness() == stand.register.since(0, 0).witness


def test_an_issuing_ca_that_is_not_configured_is_an_alarm_once(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    for serial in (5, 6):
        stand.register.set(serial, issuer="late-1")
        stand.keeper.follow()
    assert [each.getMessage() for each in caplog.records if "late-1" in each.getMessage()] == [
        "ALARM: late-1 issued certificates, but this machine's configuration does not know it"
    ]


def test_an_issuing_ca_that_is_configured_later_has_its_changes_taken_in(stand: Stand) -> None:
    stand.register.set(5)
    stand.register.set(6, issuer="late-1")
    stand.keeper.follow()
    assert stand.keeping.count() == 1
    hand = Hand(fresh_signer(stand.clock.now(), foreign()))
    stand.new_keeper([issuing(hand, "late-1", foreign().certificate)]).follow()
    assert stand.keeping.count() == 2


def test_records_that_cannot_be_read_leave_no_beat(stand: Stand) -> None:
    stand.register.set(5)
    stand.keeper.follow()
    stand.beat(2)
    stand.register.is_away = True
    with pytest.raises(Away):
        stand.keeper.follow()
    assert not stand.keeping.look(b"none", time.monotonic())[1]
    assert stand.ask(5).certificate_status is GOOD  # its answer is valid until it ends
    stand.clock.pass_by(hours=1, seconds=1)
    assert stand.answers.answer(question(5)).next_update == 0


def test_a_file_that_cannot_be_written_is_tried_again_and_nothing_is_passed_over(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise lmdb.MapFullError("the map is full")

    stand.register.set(5)
    with monkeypatch.context() as patch:
        patch.setattr(Keeping, "put", full)
        with pytest.raises(lmdb.MapFullError):
            stand.keeper.follow()
    assert not stand.keeping.look(b"none", time.monotonic())[1]
    stand.keeper.follow()
    assert_ready(stand, 5, GOOD)


def test_whatever_interrupts_it_what_is_kept_is_what_the_records_tell(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random moves, restarts, outages, restores and full disks; after each quiet moment the two are compared."""
    monkeypatch.setattr(module, "_PLACES_AT_ONCE", 7)
    chance = random.Random(11)
    backup = Register()
    compared = 0
    for _ in range(400):
        for _ in range(chance.choice((0, 1, 3, 40))):
            reason = chance.choice((None, HOLD, RevocationReason.keyCompromise, RevocationReason.unspecified))
            stand.register.set(chance.randint(1, 60), reason, at=chance.randint(1, 2**31))
        match chance.randrange(8):
            case 0:
                stand.keeper = stand.new_keeper()
            case 1:
                backup.restore(stand.register)
            case 2:
                stand.register.restore(backup)
            case 3:
                _interrupted(stand, chance, monkeypatch)
            case 4:
                stand.keeper.refresh(0.001)
            case 5:
                stand.clock.pass_by(minutes=chance.randint(-60, 60))
            case _:
                stand.keeper.follow()
                for serial in range(1, 62):
                    assert stand.ask(serial).certificate_status is stand.register.told("issuing-1", f"{serial:x}").word
                compared += 1
        if not _reads_on(stand):
            stand.keeper.follow()  # nobody moves a certificate between a restore and the keeper's next look
    assert compared > 50


def _reads_on(stand: Stand) -> bool:
    return stand.register.since(0, 0).last >= stand.keeping.place()


def _interrupted(stand: Stand, chance: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
    """Follow with records or a file that fail after a few calls."""
    left = chance.randint(0, 3)
    owner, name = chance.choice(((Keeping, "put"), (Register, "since"), (Keeping, "beat")))
    whole = getattr(owner, name)

    def fails(*arguments: object) -> object:
        nonlocal left
        left -= 1
        if left < 0:
            raise Away
        return whole(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fails)
        try:
            stand.keeper.follow()
        except Away:
            assert left < 0


# --- several issuers


@pytest.fixture
def second() -> Callable[[], Issuing]:
    """Another issuing CA of ours, with a signer of its own."""
    hand = Hand(fresh_signer(the_house().now, foreign()))
    return lambda: issuing(hand, "issuing-2", foreign().certificate)


def test_the_same_serial_of_two_issuers_is_two_certificates(stand: Stand, second: Callable[[], Issuing]) -> None:
    stand.register.set(5)
    stand.register.set(5, HOLD, at=stand.clock.now(), issuer="issuing-2")
    stand.keeper = stand.new_keeper([second()])
    stand.keeper.follow()
    mine = issuing(stand.workers_hand)
    answers = Answers([mine, second()], stand.keeping, Register().told, HOUR, stand.clock)
    for issuer, key, word in (
        (the_house().issuing, the_house().ocsp, GOOD),
        (foreign(), second().current()[1], REVOKED),
    ):
        for algorithm in HASHES:
            answer = answers.answer(question(5, algorithm, issuer=issuer.certificate))
            response = library.load_der_ocsp_response(answer.der)
            assert (response.certificate_status, bool(answer.next_update)) == (word, True)
            (signer,) = response.certificates
            signer.verify_directly_issued_by(issuer.certificate)
            assert (signer == the_house().ocsp.certificate) is (key is the_house().ocsp)
            verify(signer.public_key(), response.signature, response.tbs_response_bytes)


def test_another_issuers_certificates_are_passed_over(stand: Stand) -> None:
    stand.register.set(5, issuer="issuing-9")
    stand.register.set(6)
    stand.keeper.follow()
    assert (stand.keeping.count(), stand.keeping.place()) == (1, 2)
    assert_ready(stand, 6, GOOD)


def test_what_an_issuer_left_that_is_no_longer_answered_for_goes(stand: Stand, second: Callable[[], Issuing]) -> None:
    stand.register.set(4)
    stand.register.set(5, issuer="issuing-2")
    stand.keeper = stand.new_keeper([second()])
    stand.keeper.follow()
    assert stand.keeping.count() == 2
    stand.keeper = stand.new_keeper()
    stand.keeper.follow()
    assert_ready(stand, 4, GOOD)
    assert stand.keeping.count() == 1
