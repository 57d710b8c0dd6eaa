"""OCSP questions as relying systems put them, to a responder at a port of loopback; what it tells is judged first.

An answer is judged before it is believed: the signature, the signer's certificate, the serial number, the nonce, and
that it is valid at the moment it was got.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import http.client
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

_TYPE = "application/ocsp-request"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Told(NamedTuple):
    """What was told: good, revoked, unknown, or the name of an error; by the signer of that serial number."""

    word: str
    signer: int = 0
    this_update: datetime.datetime | None = None

    @property
    def was_ready(self) -> bool:
        """Tell whether it was signed before it was asked for; times have whole seconds."""
        return self.this_update is not None and _now() - self.this_update > datetime.timedelta(seconds=1.2)


class WrongAnswer(AssertionError):
    """An answer that no relying system may believe."""


class Judge:
    """Asks about the certificates of one issuing CA; `now` is by which clock answers have to be valid."""

    def __init__(self, issuer: x509.Certificate, now: Callable[[], datetime.datetime] = _now) -> None:
        self._issuer = issuer
        self._now = now
        self._signers: dict[bytes, ec.EllipticCurvePublicKey] = {}

    def question(self, serial: int, nonce: bytes | None = None) -> bytes:
        """Return a question in DER; with a nonce by SHA-256, otherwise by SHA-1 as most software asks."""
        named = self._issuer.subject.public_bytes(), _point(self._issuer)
        kind = SHA1() if nonce is None else SHA256()
        hashed = (_digest(kind, each) for each in named)
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(*hashed, serial, kind)
        if nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
        return builder.build().public_bytes(Encoding.DER)

    def told(self, encoded: bytes, serial: int, nonce: bytes | None = None) -> Told:
        """Return what an answer tells. Raises WrongAnswer."""
        answer = ocsp.load_der_ocsp_response(encoded)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return Told(answer.response_status.name)
        (signer,) = answer.certificates
        algorithm = answer.signature_hash_algorithm
        assert algorithm is not None
        self._key(signer).verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
        until, now = answer.next_update_utc, self._now()
        if answer.serial_number != serial:
            raise WrongAnswer(f"{serial:x} was asked about, {answer.serial_number:x} is told of")
        if until is None or not answer.this_update_utc <= now <= until or until > signer.not_valid_after_utc:
            raise WrongAnswer(f"the answer is valid from {answer.this_update_utc} to {until}, now is {now}")
        if nonce is not None and answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce != nonce:
            raise WrongAnswer("another nonce came back")
        return Told(answer.certificate_status.name.lower(), signer.serial_number, answer.this_update_utc)

    def ask(self, port: int, serial: int, *, nonced: bool = False) -> Told:
        """Ask on a connection of its own."""
        nonce = os.urandom(16) if nonced else None
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", "/ocsp", self.question(serial, nonce), {"Content-Type": _TYPE})
            return self.told(connection.getresponse().read(), serial, nonce)

    def _key(self, signer: x509.Certificate) -> ec.EllipticCurvePublicKey:
        name = signer.fingerprint(SHA256())
        if name not in self._signers:
            signer.verify_directly_issued_by(self._issuer)
            key = signer.public_key()
            assert isinstance(key, ec.EllipticCurvePublicKey)
            self._signers[name] = key
        return self._signers[name]


def judge(chain: Path, now: Callable[[], datetime.datetime] = _now) -> Judge:
    """Return the judge of the issuing CA whose certificate is the first of a file."""
    return Judge(x509.load_pem_x509_certificate(chain.read_bytes()), now)


class Asker:
    """One connection of a relying system, kept and made anew when it breaks."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, question: bytes) -> bytes:
        """Return the answer. Raises ConnectionRefusedError, or another OSError when the connection breaks."""
        try:
            if self._line is None:
                self._line = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._line
            head = f"POST /ocsp HTTP/1.1\r\nHost: localhost\r\nContent-Type: {_TYPE}\r\n"
            writer.write(f"{head}Content-Length: {len(question)}\r\n\r\n".encode() + question)
            said = await reader.readuntil(b"\r\n\r\n")
            length = int(said.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            return await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            if isinstance(error, OSError):
                raise
            raise ConnectionResetError("closed before the answer was whole") from error

    def close(self) -> None:
        """End the connection."""
        if self._line is not None:
            self._line[1].transport.abort()
            self._line = None


@dataclasses.dataclass
class Crowd:
    """What relying systems heard that asked on and on: every answer, refusal and broken connection, with its time."""

    judge: Judge
    serials: Sequence[int]
    words: "dict[str, int]" = dataclasses.field(default_factory=dict)
    wrong: list[str] = dataclasses.field(default_factory=list)
    seconds: list[float] = dataclasses.field(default_factory=list)

    @contextlib.asynccontextmanager
    async def asking(self, port: int, askers: int = 20, pause: float = 0.1) -> AsyncIterator[None]:
        """Let `askers` ask, each after a pause; every second one on a new connection each time."""
        tasks = [asyncio.create_task(self._ask(port, number, pause)) for number in range(askers)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.01)  # connections are closed in the loop's next turns

    async def _ask(self, port: int, number: int, pause: float) -> None:
        with contextlib.closing(Asker(port)) as asker:
            await self._ask_on(asker, number, pause)

    async def _ask_on(self, asker: Asker, number: int, pause: float) -> None:
        while True:
            serial = self.serials[(number + len(self.seconds)) % len(self.serials)]
            started = time.monotonic()
            try:
                word = self.judge.told(await asker.ask(self.judge.question(serial)), serial).word
            except ConnectionRefusedError:
                word = "refused"
            except OSError:
                word = "broken"
            except WrongAnswer as wrong:
                word = "wrong"
                self.wrong.append(str(wrong))
            self.seconds.append(time.monotonic() - started)
            self.words[word] = self.words.get(word, 0) + 1
            if number % 2:
                asker.close()
            await asyncio.sleep(pause)


def _digest(kind: SHA1 | SHA256, octets: bytes) -> bytes:
    digest = Hash(kind)
    digest.update(octets)
    return digest.finalize()


def _point(certificate: x509.Certificate) -> bytes:
    """Return what a CertID hashes of the key: the octets of subjectPublicKey (RFC 6960 §4.1.1)."""
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
