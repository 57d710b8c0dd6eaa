"""What the responder's tests stand on: an issuing CA and its OCSP signer, records that can be away, questions."""

import dataclasses
import functools
import hashlib
import time
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp as library
from cryptography.x509.ocsp import OCSPCertStatus

from ca_server.authority import hierarchy, ocsp
from ca_server.authority.signer import Signer
from ca_server.clock import DAY, HOUR
from ca_server.ids import new_id
from ca_server.responder.answers import Answers, Issuing
from ca_server.responder.keeper import Keeper
from ca_server.responder.ready import Keeping, ReadyStore
from ca_server.store.standings import Standing, Stretch
from keys.algorithms import verify
from keys.generate import generate
from protocol.vocabulary import RevocationReason
from tests.ca_server.authority.conftest import House, house, key
from tests.ca_server.web.office import TurnedClock

ISSUER = "issuing-1"
HASHES: dict[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}


@functools.cache
def the_house() -> House:
    """A hierarchy that the whole process shares."""
    return house("P-256")


@functools.cache
def foreign() -> Signer:
    """An issuing CA that is none of ours."""
    at = the_house()
    return hierarchy.make_issuing(at.hierarchy_profile, at.root, key("P-256", 7), at.now)


def fresh_signer(now: int, issuing: Signer | None = None) -> Signer:
    """Return another OCSP signer, as a rotation makes it."""
    at = the_house()
    return hierarchy.make_ocsp_signer(at.hierarchy_profile, issuing or at.issuing, generate("P-256"), now)


@functools.cache
def named(issuer: x509.Certificate, algorithm: str) -> tuple[bytes, bytes]:
    """Return the hashes of an issuer's name and of its key (RFC 6960 §4.1.1), made without our own DER."""
    name = issuer.subject.public_bytes()
    point = issuer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return hashlib.new(algorithm, name).digest(), hashlib.new(algorithm, point).digest()


def question(
    serial: int, algorithm: str = "sha1", nonce: bytes | None = None, issuer: x509.Certificate | None = None
) -> bytes:
    """Return a request about a serial, as the library writes it."""
    hashed = named(issuer or the_house().issuing.certificate, algorithm)
    builder = library.OCSPRequestBuilder().add_certificate_by_hash(*hashed, serial, HASHES[algorithm])
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


class Away(Exception):
    """The records cannot be reached."""


class Register:
    """Records in memory that tell what the store tells, and that can be out of reach."""

    def __init__(self) -> None:
        self.is_away = False
        self.asked = 0
        self._places: dict[tuple[str, str], tuple[int, Standing]] = {}
        self._last = 0
        self._entries: list[str] = []

    def set(
        self, serial: int, reason: RevocationReason | None = None, *, at: int = 0, ends: int = 0, issuer: str = ISSUER
    ) -> None:
        """Have a certificate stand so from now on: revoked, when there is a reason."""
        self._last += 1
        self._entries.append(new_id())
        revoked_at = None if reason is None else at
        standing = Standing(issuer, f"{serial:x}", revoked_at, reason, ends or the_house().now + 800 * DAY)
        self._places[issuer, f"{serial:x}"] = self._last, standing

    def restore(self, other: "Register") -> None:
        """Be as another register is."""
        self._places, self._last, self._entries = dict(other._places), other._last, list(other._entries)

    def told(self, issuer: str, serial: str) -> ocsp.OcspStatus:
        """Return how a certificate stands, as `publication.told` does."""
        self.asked += 1
        self._reach()
        found = self._places.get((issuer, serial))
        if found is None:
            return ocsp.UNKNOWN
        standing = found[1]
        if standing.revoked_at is None:
            return ocsp.GOOD
        return ocsp.revoked(standing.revoked_at, RevocationReason(standing.reason or 0))

    def since(self, after: int, most: int, witness: str | None = None) -> Stretch:
        """Return the changes after a place, as `standings.since` does."""
        self._reach()
        if witness is not None and witness not in self._entries:
            return Stretch(0, 0, [])
        until = min(after + most, self._last)
        rows = sorted((place, each) for place, each in self._places.values() if after < place <= until)
        return Stretch(until, self._last, [each for _, each in rows], self._entries[-1] if self._entries else "")

    def _reach(self) -> None:
        if self.is_away:
            raise Away


@dataclasses.dataclass
class Hand:
    """The signer in somebody's hand, which can be changed for another."""

    signer: Signer

    def current(self) -> Signer:
        """Return it."""
        return self.signer


def issuing(hand: Hand, name: str = ISSUER, certificate: x509.Certificate | None = None) -> Issuing:
    """Return the issuing CA as one process of the responder knows it."""
    return Issuing(name, certificate or the_house().issuing.certificate, hand.current)


class Stand:
    """A keeper and a worker over one folder, each with its own view of the signer, and the records of both."""

    def __init__(self, keeping: Keeping, ready: ReadyStore | None, life: int = HOUR) -> None:
        self.clock = TurnedClock(the_house().now + HOUR)
        self.register = Register()
        self.keeping = keeping
        self.keepers_hand, self.workers_hand = Hand(the_house().ocsp), Hand(the_house().ocsp)
        self.life = life
        self.keeper = self.new_keeper()
        self.answers = self.new_answers(ready)

    def new_keeper(self, others: Sequence[Issuing] = ()) -> Keeper:
        """Return a keeper as one that was just started."""
        mine = [issuing(self.keepers_hand), *others]
        return Keeper(self.keeping, self.register, mine, self.life, self.clock)

    def new_answers(self, ready: ReadyStore | None) -> Answers:
        """Return who answers in a worker that was just started."""
        return Answers([issuing(self.workers_hand)], ready, self.register.told, self.life, self.clock)

    def ask(self, serial: int, algorithm: str = "sha1", nonce: bytes | None = None) -> library.OCSPResponse:
        """Return the answer to a question."""
        return library.load_der_ocsp_response(self.answers.answer(question(serial, algorithm, nonce)).der)

    def kept(self, serial: int):
        """Return the entry of a certificate."""
        size = (serial.bit_length() + 7) // 8
        return self.keeping.get(issuing(self.keepers_hand).key + serial.to_bytes(size, "big"))

    def beat(self, seconds_ago: float = 0.0) -> None:
        """Have the changes been read to their end so many seconds ago."""
        self.keeping.beat(time.monotonic() - seconds_ago)

    def refresh_all(self) -> None:
        """Walk until there is nothing more to do."""
        while self.keeper.refresh(0.05):
            pass


def assert_ready(stand: Stand, serial: int, word: OCSPCertStatus) -> None:
    """There are answers ready for both hashes, of this moment's signer, and they say so."""
    entry = stand.kept(serial)
    assert entry.signer == issuing(stand.keepers_hand).current()[0]
    assert entry.this_update <= stand.clock.now() < entry.next_update
    for place, algorithm in enumerate(HASHES):
        response = stand.ask(serial, algorithm)
        assert response.certificate_status is word
        assert response.signature == entry.signatures[place]
        verify(stand.keepers_hand.signer.public_key, response.signature, response.tbs_response_bytes)
