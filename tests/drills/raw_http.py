"""Octets on a connection of their own: HTTP that no client library would send."""

import asyncio
import random
import ssl
import time

from tests.drills import mutations
from tests.drills.enrolling import Answer

_PATIENCE_SECONDS = 0.25
_WHOLE = (
    "GET /directory HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    "GET http://evil.example/directory HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    "GET /directory HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    "GET /directory HTTP/0.9\r\n\r\n",
    "GET /directory HTTP/9.9\r\nHost: {host}\r\n\r\n",
    "POST /acme/new-account HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/jose+json\r\n"
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "POST /acme/new-account HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/jose+json\r\n"
    "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n",
    "POST /acme/new-account HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/jose+json\r\n"
    "Content-Length: -1\r\n\r\n{{}}",
    "POST /acme/new-order HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/jose+json; charset=\x00\r\n"
    "Content-Length: 2\r\nConnection: close\r\n\r\n{{}}",
    "POST /ocsp HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n",
    "POST /acme/new-order HTTP/1.1\r\nHost: {host}\r\nContent-Encoding: gzip\r\n"
    "Content-Type: application/jose+json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}",
    "OPTIONS * HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    "CONNECT evil.example:443 HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET /e/%5Z HTTP/1.1\r\nHost: {host}\r\nAccept: \xff\r\nConnection: close\r\n\r\n",
    "GET /e/x HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: {host}\r\nX-Long: {long}\r\nConnection: close\r\n\r\n",
    "GET /{long} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
)


def nonsense(chance: random.Random, host: str) -> bytes:
    """Return a request that is wrong, or one that is right with octets of it changed, or no request at all."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randint(1, 300))
    long = "a" * chance.choice((10, 8190, 9000, 40_000))
    whole = chance.choice(_WHOLE).format(host=host, long=long).encode("latin-1")
    return whole if chance.random() < 0.4 else mutations.octets(chance, whole)


async def say(port: int, trust: ssl.SSLContext | None, words: bytes) -> Answer | None:
    """Send octets and return the answer; None when the service waits for more, or hangs up without a word."""
    started = time.perf_counter()
    name = None if trust is None else "localhost"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=name)
    try:
        writer.write(words)
        await writer.drain()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            head = await reader.readline()
    except TimeoutError:
        return None
    except OSError:  # hung up while we were speaking
        return None
    finally:
        writer.close()
    parts = head.split(b" ", 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/") or not parts[1].isdigit():
        return None
    return Answer(int(parts[1]), {}, b"", time.perf_counter() - started)
