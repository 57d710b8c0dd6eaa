"""What is answered to a question in every situation, and that nothing is called good from ignorance."""

import asyncio
import dataclasses
import functools
import itertools
import logging
from collections.abc import Iterator

import lmdb
import pytest
from cryptography.x509 import ocsp as library
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus

from ca_server.authority import der, ocsp
from ca_server.clock import DAY, HOUR, moment
from ca_server.responder.answers import Answer, Answers, Waits
from ca_server.responder.ready import NO_SIGNER, Entry
from keys.algorithms import verify
from protocol.vocabulary import RevocationReason
from tests.ca_server.responder.stand import HASHES, Register, Stand, fresh_signer, issuing, question, the_house

GOOD, REVOKED, UNKNOWN = OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED, OCSPCertStatus.UNKNOWN
MALFORMED, TRY_LATER = OCSPResponseStatus.MALFORMED_REQUEST, OCSPResponseStatus.TRY_LATER
HOLD = RevocationReason.certificateHold
NONCE = bytes(range(16))
_REVOKED_AT = 1_790_000_000


class Unreadable:
    """A ready store that cannot be read."""

    def look(self, key: bytes, moment: float) -> tuple[bytes | None, bool]:
        raise lmdb.PanicError("the file is gone")


@dataclasses.dataclass(frozen=True)
class Situation:
    """One row of the table: what the ready store and the records have, and what is asked."""

    is_current: bool
    store: str
    entry: str
    records: str
    nonce: bytes | None
    has_signer_ended: bool
    algorithm: str

    @property
    def entry_word(self) -> OCSPCertStatus:
        return REVOKED if "revoked" in self.entry else GOOD if self.entry != "none" else UNKNOWN

    @property
    def records_word(self) -> OCSPCertStatus | None:
        return {"good": GOOD, "revoked": REVOKED, "unknown": UNKNOWN, "away": None}[self.records]

    @property
    def is_valid(self) -> bool:
        """Whether there is an answer that can be given."""
        there = self.store == "there" and self.entry in ("ready good", "ready revoked")
        return there and self.nonce is None and not self.has_signer_ended

    def expected(self) -> tuple[OCSPCertStatus | OCSPResponseStatus, bool]:
        """Return what must be told, and whether by the answer that was ready."""
        current = self.is_current and self.store == "there"
        if self.is_valid and (current or self.records_word in (None, self.entry_word)):
            return self.entry_word, True
        word = self.entry_word if current and self.entry != "none" else self.records_word
        if current and word is None:
            word = UNKNOWN  # nobody has told of it, up to a moment ago
        return TRY_LATER if word is None or self.has_signer_ended else word, False

    def may_be_good(self) -> bool:
        """Whether somebody knows it to be good; told in other words than `expected`."""
        kept_good = self.store == "there" and self.entry.endswith("good")
        if self.is_current and self.store == "there" and self.entry != "none":
            return kept_good
        return self.records == "good" or (self.records == "away" and kept_good and self.is_valid)


_ENTRIES = (
    "none", "unsigned good", "unsigned revoked", "ready good", "ready revoked", "expired good", "expired revoked",
    "early good", "strange good", "strange revoked",
)  # fmt: skip


def situations() -> Iterator[Situation]:
    """Yield all; those that are not current first, for a worker may believe a beat for a second."""
    yield from itertools.starmap(
        Situation,
        itertools.product(
            (False, True), ("there", "unreadable", "none"), _ENTRIES, ("good", "revoked", "unknown", "away"),
            (None, NONCE), (False, True), HASHES,
        ),
    )  # fmt: skip


def prepared(stand: Stand, situation: Situation, serial: int) -> None:
    """Bring a situation about by what the keeper does, and by the clock."""
    begin = the_house().now + HOUR
    stand.clock.set(begin)
    stand.register.is_away = False
    stand.keepers_hand.signer = the_house().ocsp
    kind, word = situation.entry.partition(" ")[::2]
    reason = HOLD if word == "revoked" else None
    if kind == "unsigned":
        size = (serial.bit_length() + 7) // 8
        key = issuing(stand.keepers_hand).key + serial.to_bytes(size, "big")
        ends = begin + DAY
        entry = Entry(0, 0, _REVOKED_AT if reason else 0, ends, int(bool(reason)), reason or 0, NO_SIGNER, (b"", b""))
        stand.keeping.put([(key, entry)])
    elif kind != "none":
        if kind == "strange":
            stand.keepers_hand.signer = STRANGER
        if kind == "early":
            stand.clock.pass_by(minutes=50)
        stand.register.set(serial, reason, at=_REVOKED_AT)
        stand.keeper.follow()
        stand.clock.set(begin + (HOUR + 1 if kind == "expired" else 0))
    truth = Register()
    if situation.records in ("good", "revoked"):
        truth.set(serial, HOLD if situation.records == "revoked" else None, at=_REVOKED_AT)
    truth.is_away = situation.records == "away"
    stand.register.told = truth.told  # type: ignore[method-assign]
    if situation.has_signer_ended:
        stand.clock.set(der.seconds(the_house().ocsp.certificate.not_valid_after_utc) + 1)
    stand.beat(0 if situation.is_current else 2)


STRANGER = fresh_signer(the_house().now)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "warifu.trouble")


@pytest.mark.parametrize("distant", [False, True])
@pytest.mark.usefixtures("quiet")
def test_every_situation_has_its_answer_and_ignorance_is_never_good(
    stand: Stand, runner: asyncio.Runner, distant: bool
) -> None:
    async def ask_later(issuer: str, serial: str) -> ocsp.OcspStatus:
        return stand.register.told(issuer, serial)

    def ask(issuer: str, serial: str) -> ocsp.OcspStatus:
        if distant:
            raise Waits(functools.partial(ask_later, issuer, serial))
        return stand.register.told(issuer, serial)

    answering = {
        name: Answers([issuing(stand.workers_hand)], ready, ask, HOUR, stand.clock)  # type: ignore[arg-type]
        for name, ready in (("there", stand.keeping), ("unreadable", Unreadable()), ("none", None))
    }
    seen = set()
    for serial, situation in enumerate(situations(), start=2**100):
        prepared(stand, situation, serial)
        entry = stand.kept(serial)
        answers, asked = answering[situation.store], question(serial, situation.algorithm, situation.nonce)
        answer = runner.run(answers.awaited(asked)) if distant else answers.answer(asked)
        word, was_ready = _judged(answer, serial, situation, stand.clock.now())
        assert (word, was_ready and _is_of(answer, entry, situation)) == situation.expected(), situation
        assert word is not GOOD or situation.may_be_good(), situation
        seen.add((word, was_ready))
    assert seen == {
        (GOOD, True),
        (REVOKED, True),
        (GOOD, False),
        (REVOKED, False),
        (UNKNOWN, False),
        (TRY_LATER, False),
    }


def _is_of(answer: Answer, entry: Entry | None, situation: Situation) -> bool:
    response = library.load_der_ocsp_response(answer.der)
    return entry is not None and response.signature == entry.signatures[list(HASHES).index(situation.algorithm)]


def _judged(
    answer: Answer, serial: int, situation: Situation, now: int
) -> tuple[OCSPCertStatus | OCSPResponseStatus, bool]:
    """Read an answer as a strict client does; tell its word, and whether it is one that may be kept."""
    response = library.load_der_ocsp_response(answer.der)
    if response.response_status is not OCSPResponseStatus.SUCCESSFUL:
        assert answer.next_update == 0
        return response.response_status, False
    verify(the_house().ocsp.public_key, response.signature, response.tbs_response_bytes)
    assert response.serial_number == serial
    assert response.hash_algorithm.name == situation.algorithm
    nonces = [each.value.nonce for each in response.extensions]
    assert nonces == ([situation.nonce] if situation.nonce else [])
    assert response.next_update_utc is not None
    assert response.this_update_utc <= moment(now) < response.next_update_utc
    if answer.next_update:
        assert (moment(answer.this_update), moment(answer.next_update)) == (
            response.this_update_utc,
            response.next_update_utc,
        )
        assert response.certificate_status is not UNKNOWN
        assert not nonces
    return response.certificate_status, situation.is_valid and bool(answer.next_update)


# --- ready answers


def test_a_ready_answer_is_the_same_octets_until_it_is_signed_anew(stand: Stand) -> None:
    stand.register.set(5)
    stand.keeper.follow()
    first = stand.answers.answer(question(5))
    stand.clock.pass_by(minutes=20)
    stand.beat()
    assert stand.answers.answer(question(5)) == first
    stand.refresh_all()
    second = stand.answers.answer(question(5))
    assert second.this_update == first.this_update + 20 * 60
    assert second.tag != first.tag


def test_records_are_not_asked_of_what_is_kept_and_current(stand: Stand) -> None:
    stand.register.set(5)
    stand.keeper.follow()
    stand.register.told = _unasked  # type: ignore[method-assign]
    stand.answers = stand.new_answers(stand.keeping)
    assert stand.ask(5).certificate_status is GOOD
    assert stand.ask(5, nonce=NONCE).certificate_status is GOOD


def test_what_was_issued_a_moment_ago_is_good_before_the_keeper_has_seen_it(stand: Stand) -> None:
    stand.keeper.follow()
    stand.register.set(5)
    assert stand.ask(5).certificate_status is GOOD
    stand.register.is_away = True
    assert stand.ask(5).certificate_status is UNKNOWN


def _unasked(issuer: str, serial: str) -> ocsp.OcspStatus:
    raise AssertionError("The records were asked.")


def test_an_answer_of_the_former_signer_is_given_until_there_is_one_of_the_new(stand: Stand) -> None:
    stand.register.set(5)
    stand.keeper.follow()
    assert stand.answers.answer(question(5)).next_update
    stand.workers_hand.signer = fresh_signer(stand.clock.now())
    assert stand.ask(5).certificates == [the_house().ocsp.certificate]
    stand.keepers_hand.signer = stand.workers_hand.signer
    stand.refresh_all()
    assert stand.ask(5).certificates == [stand.workers_hand.signer.certificate]


@pytest.mark.parametrize("reason", list(RevocationReason))
@pytest.mark.parametrize("algorithm", HASHES)
def test_a_ready_answer_tells_moment_and_reason_as_one_from_the_records(
    stand: Stand, algorithm: str, reason: RevocationReason
) -> None:
    stand.register.set(6, reason, at=_REVOKED_AT)
    live = stand.ask(6, algorithm)
    stand.keeper.follow()
    ready = stand.ask(6, algorithm)
    assert ready.tbs_response_bytes == live.tbs_response_bytes
    assert ready.revocation_time_utc == moment(_REVOKED_AT)
    assert ready.signature == stand.kept(6).signatures[list(HASHES).index(algorithm)]


def test_trouble_is_told_once_a_second_and_without_a_secret(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    stand.register.is_away = True
    for serial in range(200):
        assert stand.ask(serial).response_status is TRY_LATER
    told = [record for record in caplog.records if record.name == "warifu.trouble"]
    assert 1 <= len(told) <= 2
    assert told[0].exc_info is not None
