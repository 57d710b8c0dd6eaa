"""OCSP over HTTP as nobody and everybody asks it: whole exchanges, each drawn from a seeded `random.Random`."""

import base64
import functools
import itertools
import random

from cryptography.hazmat.primitives.asymmetric import ec

from ca_server.authority import hierarchy
from ca_server.authority.signer import Signer
from tests.ca_server.responder.stand import question, the_house
from tests.drills import mutations

GOOD, REVOKED, UNKNOWN = 2**100 + 5, 2**100 + 6, 2**100 + 7
SERIALS = (GOOD, REVOKED, UNKNOWN, 0xFF, 5)
_USUAL = (
    b"Host: ca.example", b"Host: ca.example:8080", b"host:ca.example", b"Accept: */*", b"User-Agent: tester/1.0",
    b"Content-Type: application/ocsp-request", b"Connection: keep-alive", b"Cache-Control: no-cache",
    b"Pragma: no-cache", b"Accept-Encoding: gzip, deflate, br", b"Accept-Language:ja", b"X-Trace: \t abc\t ",
    b"Cookie: a=b", b"X-Empty:",
)  # fmt: skip
_CONDITIONS = (
    b"If-None-Match: *", b'If-None-Match: "other"',
    b"If-None-Match: {etag}", b"If-None-Match: W/{etag}", b'If-None-Match: "a", {etag}',
    b"If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT", b"If-Modified-Since: nonsense",
    b"If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT", b"If-Match: *", b"If-Unmodified-Since: x", b"If-Range: x",
)  # fmt: skip
_UNUSUAL = (
    b"Host: other.example", b"Host: ", b"Host: [::1", b"Host: a b", b"Host : ca.example", b" Host: ca.example",
    b"Connection: close", b"Connection: CLOSE", b"Connection: keep-alive, close", b"Connection: upgrade",
    b"Connection: keep-alive\r\nConnection: close", b"Upgrade: websocket", b"Upgrade: h2c", b"Expect: 100-continue",
    b"Expect: nonsense", b"Range: bytes=0-5", b"TE: trailers", b"Trailer: X", b"Content-Encoding: gzip",
    b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: +83", b"Content-Length: 83, 83",
    b"Content-Length: -1", b"Content-Length: 83\r\nContent-Length: 83", b"Content-Length:", b"Content-Length: 0x53",
    b"Content-Length : 83", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding:\x0bchunked",
    b"X-Folded: a\r\n b", b"X-Bare: a\nX: b", b"X-Return: a\rb", b"X-Nul: a\x00b", b"X-High: \xff\xfe",
    b"X-Del: \x7f", b"No colon", b":", b": empty", b"", *_CONDITIONS, *_CONDITIONS,
    b"User-Agent: a\r\nUser-Agent: b", b"Content-Type: a\r\nContent-Type: b", b"Sec-WebSocket-Key1: x", b"Server: x",
    b"HTTP2-Settings: x", b"Keep-Alive: timeout=5", b"X-Long: " + b"a" * 3000, b"X-Longer: " + b"a" * 9000,
    b"X-Many: a" + b"".join(b"\r\nX-%d: a" % number for number in range(140)),
)  # fmt: skip
_TARGETS = (
    b"http://ca.example/ocsp/%s", b"/ocsp/%s?x", b"/ocsp/%s#x", b"/ocsp//%s", b"/OCSP/%s", b"/ocsp/./%s", b"//ocsp/%s",
    b"/ocsp/../ocsp/%s", b"/ocsp%%2F%s", b"*", b"", b"/ocsp", b"/ocsp?%s", b"/ocsp/%s ", b"/ocsp/%s\t", b"/ocsp/%%%s",
    b"/ocsp/%s%%0A", b"/ocsp/%s\xff", b"/crl/%s.crl", b"/ca/root.cer", b"/x/ocsp/%s",
)  # fmt: skip
_METHODS = (b"HEAD", b"PUT", b"OPTIONS", b"get", b"POST", b"GETX", b"")
_VERSIONS = (b"HTTP/1.0", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"")


@functools.cache
def issuer() -> Signer:
    """An issuing CA whose key is always the same, so that a case is found again by its number."""
    at = the_house()
    return hierarchy.make_issuing(at.hierarchy_profile, at.root, ec.derive_private_key(6, ec.SECP256R1()), at.now)


def about(serial: int, algorithm: str = "sha1", nonce: bytes | None = None) -> bytes:
    """Return a request about one of its certificates."""
    return question(serial, algorithm, nonce, issuer().certificate)


def exchange(chance: random.Random, etag: bytes) -> list[bytes]:
    """Return one to four requests, plain or not, changed or not, in one piece or in many.

    The last request is whole, plain, and asks for the end.
    """
    requests = [request(chance).replace(b"{etag}", etag) for _ in range(chance.choice((1, 1, 2, 4)))]
    whole = b"".join(requests)
    if chance.random() < 0.3:
        whole = mutations.octets(chance, whole)
    whole += LAST
    places = {chance.randrange(len(whole)) for _ in range(chance.choice((0, 0, 1, 2, 5)))}
    if chance.random() < 0.3:
        places.add(whole.find(b"\n", chance.randrange(len(whole))) + 1)
    cuts = [0, *sorted(places - {0}), len(whole)]
    return [whole[begin:end] for begin, end in itertools.pairwise(cuts)]


def request(chance: random.Random) -> bytes:
    """Return a request: half of them plain, the others strange in one thing or two."""
    encoded = about(chance.choice(SERIALS), chance.choice(("sha1", "sha256")), _nonce(chance))
    if chance.random() < 0.3:
        encoded = mutations.der(chance, encoded)[:9000]
    is_get = chance.random() < 0.5
    lines = [chance.choice(_USUAL[:3]), *chance.sample(_USUAL[3:], chance.randint(0, 3))]
    strange = chance.random()
    if strange < 0.4:
        lines.insert(chance.randint(0, len(lines)), chance.choice(_UNUSUAL))
    if strange < 0.05:
        del lines[chance.randrange(len(lines))]
    method, version, body = (b"GET" if is_get else b"POST"), b"HTTP/1.1", b""
    target = b"/ocsp/" + spelt(chance, encoded) if is_get else b"/ocsp"
    if 0.3 < strange < 0.5:
        method, target, version = _strange_line(chance, method, target, version, encoded)
    if not is_get:
        framed, body = _framed(chance, encoded)
        lines.insert(chance.randint(0, len(lines)), framed)
    return b"\r\n".join((b" ".join((method, target, version)), *lines, b"", body))


def _strange_line(
    chance: random.Random, method: bytes, target: bytes, version: bytes, encoded: bytes
) -> tuple[bytes, bytes, bytes]:
    match chance.randrange(3):
        case 0:
            return chance.choice(_METHODS), target, version
        case 1:
            shape = chance.choice(_TARGETS)
            return method, shape % spelt(chance, encoded) if b"%s" in shape else shape, version
        case _:
            return method, target, chance.choice(_VERSIONS)


def _framed(chance: random.Random, encoded: bytes) -> tuple[bytes, bytes]:
    """Return the field that says how long a body is, and the body."""
    match chance.randrange(12):
        case 0:
            size = chance.randint(1, 90)
            parts = [encoded[begin : begin + size] for begin in range(0, len(encoded), size)]
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
            return b"Transfer-Encoding: chunked", chunks + b"0\r\n\r\n"
        case 1:
            wrong = max(0, len(encoded) + chance.choice((-1, 1, 5)))
            return b"Content-Length: %d" % wrong, encoded
        case 2:
            return b"Content-Length: %d\r\nTransfer-Encoding: chunked" % len(encoded), encoded
        case 3:
            return b"Content-Length: 0%d" % len(encoded), encoded
        case _:
            return b"content-length: %d" % len(encoded), encoded


def _nonce(chance: random.Random) -> bytes | None:
    length = chance.choice((None, None, None, 0, 1, 15, 16, 32, 33, 128, 129, 3500))
    return None if length is None else chance.randbytes(length)


def spelt(chance: random.Random, encoded: bytes) -> bytes:
    """Return base64 as somebody spells it: with letters percent-encoded, without padding, in the other alphabet."""
    text = base64.b64encode(encoded)
    if chance.random() < 0.15:
        text = text.rstrip(b"=")
    if chance.random() < 0.15:
        text = text.translate(bytes.maketrans(b"+/", b"-_"))
    share = chance.choice((0, 0, 0.02, 1))
    marks = chance.choice((b"+/=", b"", b"+", b"/", b"="))
    shape = chance.choice((b"%%%02x", b"%%%02X"))
    return b"".join(
        shape % letter if letter in marks or chance.random() < share else bytes((letter,)) for letter in text
    )


def get(encoded: bytes, *lines: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """Return a plain GET."""
    return b"\r\n".join(
        (b"GET /ocsp/%s %s" % (base64.b64encode(encoded), version), b"Host: ca.example", *lines, b"", b"")
    )


def post(encoded: bytes, *lines: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """Return a plain POST."""
    length = b"Content-Length: %d" % len(encoded)
    return b"\r\n".join((b"POST /ocsp %s" % version, b"Host: ca.example", length, *lines, b"", encoded))


LAST = get(about(2**90), b"Connection: close")
