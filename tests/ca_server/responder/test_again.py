"""What was said within the second is said again only where it would be said anew: kept still, and current."""

import asyncio

import pytest
from cryptography.x509 import ocsp as library
from cryptography.x509.ocsp import OCSPCertStatus

from ca_server.responder.answers import Answers
from ca_server.responder.wire import Desk, Line
from protocol.vocabulary import RevocationReason
from tests.ca_server.responder import asking
from tests.ca_server.responder.stand import Stand, question

SERIAL = 5


class Asked(asyncio.Transport):
    """One connection at a desk over a stand, and how often an answer was made."""

    def __init__(self, stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.made = 0
        self._said = b""
        self._line = Line(Desk(stand.answers, stand.clock, {}, lambda *_: None, 10))
        self._line.connection_made(self)
        whole = Answers.answer

        def counted(answers: Answers, encoded: bytes):
            self.made += 1
            return whole(answers, encoded)

        monkeypatch.setattr(Answers, "answer", counted)

    def write(self, data: bytes) -> None:
        self._said = data

    def is_closing(self) -> bool:
        return False

    def ask(self, request: bytes) -> tuple[OCSPCertStatus, bytes]:
        """Return the word of the answer, and its header."""
        self._line.data_received(request)
        header, _, body = self._said.partition(b"\r\n\r\n")
        return library.load_der_ocsp_response(body).certificate_status, header


@pytest.fixture
async def asked(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Asked:
    stand.register.set(SERIAL)
    stand.keeper.follow()
    return Asked(stand, monkeypatch)


@pytest.mark.parametrize("make", [asking.get, asking.post])
async def test_the_same_request_within_a_second_is_answered_once(asked: Asked, make) -> None:
    first = asked.ask(make(question(SERIAL)))
    assert asked.ask(make(question(SERIAL))) == first
    assert (first[0], asked.made) == (OCSPCertStatus.GOOD, 1)


async def test_a_revocation_is_told_within_the_second(asked: Asked, stand: Stand) -> None:
    request = asking.get(question(SERIAL))
    assert asked.ask(request)[0] is OCSPCertStatus.GOOD
    stand.register.set(SERIAL, RevocationReason.keyCompromise, at=stand.clock.now())
    stand.keeper.follow()
    assert asked.ask(request)[0] is OCSPCertStatus.REVOKED


async def test_a_revocation_is_told_though_the_keeper_is_gone(asked: Asked, stand: Stand) -> None:
    request = asking.get(question(SERIAL))
    assert asked.ask(request)[0] is OCSPCertStatus.GOOD
    stand.register.set(SERIAL, RevocationReason.keyCompromise, at=stand.clock.now())
    stand.beat(2)
    stand.answers._ready._beat = -10.0
    assert asked.ask(request)[0] is OCSPCertStatus.REVOKED


async def test_in_the_next_second_the_answer_has_a_second_less(asked: Asked, stand: Stand) -> None:
    request = asking.get(question(SERIAL))
    assert b"max-age=3600," in asked.ask(request)[1]
    stand.clock.pass_by(seconds=1)
    assert b"max-age=3599," in asked.ask(request)[1]
    assert asked.made == 2


async def test_what_is_signed_live_is_signed_each_time(asked: Asked) -> None:
    for request in (asking.get(question(6)), asking.post(question(SERIAL, nonce=bytes(16)))):
        asked.made = 0
        asked.ask(request)
        asked.ask(request)
        assert asked.made == 2


async def test_a_request_made_long_by_its_header_is_not_remembered(asked: Asked) -> None:
    """Strangers choose how long it is, and a worker remembers thousands."""
    for size, made in ((500, 1), (2000, 2)):
        asked.made = 0
        request = asking.get(question(SERIAL), b"X-Long: " + b"a" * size)
        asked.ask(request)
        asked.ask(request)
        assert asked.made == made
