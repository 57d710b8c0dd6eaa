"""What is answered to a question: from what is kept ready, or signed now.

- ready and current (the keeper has just read the changes to their end): the ready answer
- with a nonce, or nothing ready: signed now, by how the certificate stands there
- it stands nowhere there: as the records say, asked now, or unknown when they cannot be reached
- not current: as the records say, asked now; a ready answer that agrees with them is given all the same
- the records cannot be reached: the ready answer while it is valid, then tryLater; never good from ignorance
"""

import hashlib
import logging
import time
from binascii import hexlify
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography import x509

from ca_server.authority import der, ocsp
from ca_server.authority.ocsp import AnswerForm, ErrorCode, IssuerHash
from ca_server.authority.signer import Signer
from ca_server.clock import Clock
from ca_server.responder.ready import FIXED, Entry, ReadyStore, unpacked
from protocol.vocabulary import RevocationReason

log = logging.getLogger("warifu.trouble")

MALFORMED: Final = ocsp.error(ErrorCode.MALFORMED_REQUEST)
TRY_LATER: Final = ocsp.error(ErrorCode.TRY_LATER)
UNAUTHORIZED: Final = ocsp.error(ErrorCode.UNAUTHORIZED)
_UNKNOWN_DER: Final = ocsp.status_der(ocsp.UNKNOWN)
_GOOD_DER: Final = ocsp.status_der(ocsp.GOOD)

_TAG_BYTES: Final = 16
_LONGEST_KEY: Final = 4 + ocsp.MAX_SERIAL_BYTES
_SECONDS_BETWEEN_COMPLAINTS: Final = 60.0

Records = Callable[[str, str], ocsp.OcspStatus]
"""Tells how a serial (hex) of an issuer (name) stands. Raises Waits, or anything else when that cannot be known."""


class Waits(Exception):
    """How a certificate stands is told only after a while: by `told`, which raises when it cannot be known."""

    def __init__(self, told: Callable[[], Awaitable[ocsp.OcspStatus]]) -> None:
        super().__init__("The records have to be waited for.")
        self.told = told


class Answer(NamedTuple):
    """An OCSPResponse in DER with its times and its tag; times of 0 when nobody may keep it (RFC 5019 §6.2)."""

    der: bytes
    this_update: int = 0
    next_update: int = 0
    tag: bytes = b""
    """What tells it from every other answer to the same question: hexadecimal, the end of its signature."""
    key: bytes = b""
    record: bytes = b""
    """Where it is kept ready, and what is kept there; empty for an answer that was signed just now."""


_MALFORMED: Final = Answer(MALFORMED)
_TRY_LATER: Final = Answer(TRY_LATER)
_UNAUTHORIZED: Final = Answer(UNAUTHORIZED)


def mark(certificate: bytes) -> bytes:
    """Return four bytes by which a certificate is known in the ready store."""
    return hashlib.sha256(certificate).digest()[:4]


class Issuing:
    """One issuing CA as the responder answers for it: its names, and the signer that it has delegated to."""

    def __init__(self, name: str, certificate: x509.Certificate, signer: Callable[[], Signer]) -> None:
        self.name = name
        self.hashes = ocsp.issuer_hashes(certificate)
        self.key = mark(self.hashes[0].name_hash + self.hashes[0].key_hash)
        self._signer = signer
        self._seen: Signer | None = None
        self._mark = b""
        self._forms: dict[bytes, tuple[AnswerForm, ...]] = {}

    def current(self) -> tuple[bytes, tuple[AnswerForm, ...]]:
        """Return the mark and the forms, one for each hash, of the signer in use."""
        signer = self._signer()
        if signer is not self._seen:
            self._mark = mark(signer.certificate.tbs_certificate_bytes)
            self._forms[self._mark] = tuple(AnswerForm(signer, each) for each in self.hashes)
            self._seen = signer
        return self._mark, self._forms[self._mark]

    def form_of(self, signer: bytes, place: int) -> AnswerForm | None:
        """Return the form of a signer that this process has seen, also after another took over."""
        forms = self._forms.get(signer)
        if forms is None:
            forms = self.current()[1] if self.current()[0] == signer else None
        return None if forms is None else forms[place]


class _Asked(NamedTuple):
    issuing: Issuing
    place: int
    """Which of the hashes names the issuer."""


class _Usual(NamedTuple):
    asked: _Asked
    ends: int
    """Where the serial number ends."""
    middle: bytes


_NOTHING_USUAL: Final[dict[int, dict[bytes, _Usual]]] = {}


class Given:
    """How many answers of each kind were given; `again` are those that the wire said once more."""

    __slots__ = ("again", "later", "malformed", "ready", "signed", "unauthorized")

    def __init__(self) -> None:
        self.ready = self.again = self.signed = self.malformed = self.unauthorized = self.later = 0


class Answers:
    """Answers questions about the certificates of some issuing CAs."""

    def __init__(
        self, issuing: Sequence[Issuing], ready: ReadyStore | None, records: Records, answer_seconds: int, clock: Clock
    ) -> None:
        self._ready = ready
        self._records = records
        self._answer_seconds = answer_seconds
        self._clock = clock
        self._complained = -_SECONDS_BETWEEN_COMPLAINTS
        self._waited_for: ocsp.OcspStatus | Exception | None = None
        self.given = Given()
        self._by_hash: dict[IssuerHash, _Asked] = {}
        self._usual: dict[int, dict[int, dict[bytes, _Usual]]] = {}
        """Usual requests, by their length, where in them the serial number begins, and what stands before it."""
        for each in issuing:
            for place, issuer in enumerate(each.hashes):
                asked = self._by_hash[issuer] = _Asked(each, place)
                for usual in ocsp.usual_requests(issuer):
                    begins = len(usual.beginning)
                    known = self._usual.setdefault(usual.length, {}).setdefault(begins, {})
                    known[usual.beginning] = _Usual(asked, begins + usual.serial_length, usual.middle)

    def use(self, ready: ReadyStore | None) -> None:
        """Look into this ready store from now on, or into none."""
        self._ready = ready

    def answer(self, encoded: bytes) -> Answer:
        """Answer a request in DER; what cannot be answered gets an answer that says so.

        Raises Waits, if the records do; then `awaited` answers.
        """
        for begins, known in self._usual.get(len(encoded), _NOTHING_USUAL).items():
            usual = known.get(encoded[:begins])
            if usual is not None:
                asked, ends, middle = usual
                serial = ocsp.serial_bytes(encoded[begins:ends])
                nonce_begins = ends + len(middle)
                if serial is not None and encoded[ends:nonce_begins] == middle:
                    return self._look(asked, serial, encoded[begins - 2 : ends], encoded[nonce_begins:] or None)
        return self._parsed(encoded)

    async def awaited(self, encoded: bytes) -> Answer:
        """Answer a request in DER, after a look at records that have to be waited for. Raises nothing."""
        try:
            return self.answer(encoded)
        except Waits as records:
            try:
                found: ocsp.OcspStatus | Exception = await records.told()
            except Exception as error:
                found = error
        self._waited_for = found
        try:
            return self.answer(encoded)
        finally:
            self._waited_for = None

    def stands(self, answer: Answer) -> bool:
        """Tell whether a ready answer of this second is kept still, and current: then it is the answer again."""
        return self._kept(answer.key) == (answer.record, True)

    def _parsed(self, encoded: bytes) -> Answer:
        try:
            query = ocsp.parse_request(encoded)
        except ocsp.MalformedRequest:
            self.given.malformed += 1
            return _MALFORMED
        asked = self._by_hash.get(query.issuer)
        if asked is None:
            self.given.unauthorized += 1
            return _UNAUTHORIZED
        serial = query.serial.to_bytes((query.serial.bit_length() + 7) // 8, "big")
        return self._look(asked, serial, der.integer(query.serial), query.nonce)

    def _look(self, asked: _Asked, serial: bytes, number: bytes, nonce: bytes | None) -> Answer:
        try:
            record, is_current = self._kept(asked.issuing.key + serial)
            if record is not None and nonce is None:
                ready = self._ready_answer(asked, number, asked.issuing.key + serial, record)
                if ready is not None and (is_current or self._agrees(asked, serial, unpacked(record))):
                    self.given.ready += 1
                    return ready
            if is_current and record is not None:
                status = status_of(unpacked(record))
            else:
                status = self._by_records(asked, serial, is_current=is_current)
            signed = self._signed(asked, number, status, nonce)
            self.given.signed += 1
            return signed
        except Waits:
            raise
        except Exception:
            self._complain("OCSP could not be answered")
            self.given.later += 1
            return _TRY_LATER

    def _kept(self, key: bytes) -> tuple[bytes | None, bool]:
        if self._ready is None:
            return None, False
        if len(key) > _LONGEST_KEY:
            return None, True
        try:
            return self._ready.look(key, time.monotonic())
        except Exception:
            self._complain("The answers kept ready cannot be read")
            return None, False

    def _ready_answer(self, asked: _Asked, number: bytes, key: bytes, record: bytes) -> Answer | None:
        this_update, next_update, revoked_at, _, is_revoked, reason, signer, cut = FIXED.unpack_from(record)
        if not this_update <= self._clock.now() < next_update:
            return None
        form = asked.issuing.form_of(signer, asked.place)
        if form is None:
            return None
        middle = FIXED.size + cut
        signature = record[middle:] if asked.place else record[FIXED.size : middle]
        status = _revoked_der(revoked_at, reason) if is_revoked else _GOOD_DER
        data = form.to_be_signed(number, status, this_update, next_update)
        tag = hexlify(signature[-_TAG_BYTES:])
        return Answer(form.answer(data, signature), this_update, next_update, tag, key, record)

    def _agrees(self, asked: _Asked, serial: bytes, entry: Entry) -> bool:
        """Tell whether the records say what the entry says, or cannot be asked: it is valid until its end."""
        try:
            return ocsp.status_der(self._ask(asked, serial)) == status_of(entry)
        except Waits:
            raise
        except Exception:
            self._complain("The records cannot be read; the answers kept ready are given while they are valid")
            return True

    def _by_records(self, asked: _Asked, serial: bytes, *, is_current: bool) -> bytes:
        """Return how the records stand now: a certificate issued a moment ago may be in none but them."""
        try:
            return ocsp.status_der(self._ask(asked, serial))
        except Waits:
            raise
        except Exception:
            if is_current:
                return _UNKNOWN_DER
            raise

    def _ask(self, asked: _Asked, serial: bytes) -> ocsp.OcspStatus:
        found = self._waited_for
        if isinstance(found, Exception):
            raise found
        return found or self._records(asked.issuing.name, serial.hex().lstrip("0") or "0")

    def _signed(self, asked: _Asked, number: bytes, status: bytes, nonce: bytes | None) -> Answer:
        now = self._clock.now()
        form = asked.issuing.current()[1][asked.place]
        if now > form.ends:
            raise ocsp.SignerEnded("The OCSP signer's certificate is over; a new one is due.")
        until = min(now + self._answer_seconds, form.ends)
        data = form.to_be_signed(number, status, now, until, nonce)
        signature = form.sign(data)
        answer = form.answer(data, signature)
        if nonce is not None or status == _UNKNOWN_DER:
            return Answer(answer)
        return Answer(answer, now, until, hexlify(signature[-_TAG_BYTES:]))

    def _complain(self, trouble: str) -> None:
        """Log an error with its trace, once a minute: strangers ask thousands of times a second."""
        if not 0 <= time.monotonic() - self._complained < _SECONDS_BETWEEN_COMPLAINTS:
            self._complained = time.monotonic()
            log.exception(trouble)


def status_of(entry: Entry) -> bytes:
    """Return the CertStatus of what is kept."""
    if not entry.is_revoked:
        return _GOOD_DER
    return _revoked_der(entry.revoked_at, entry.reason)


@lru_cache(maxsize=4096)
def _revoked_der(revoked_at: int, reason: int) -> bytes:
    return ocsp.status_der(ocsp.revoked(revoked_at, RevocationReason(reason)))
