"""The machine that a responder elsewhere follows: one connection over HTTPS, kept from question to question.

No answer takes longer than its deadline, however little at a time comes: what waits for it has other work.
"""

import http.client
import ssl
import time
from typing import Final
from urllib.parse import urlsplit

CHANGES: Final = "/responder/changes"

_SECONDS_OF_SILENCE: Final = 5.0
_BYTES_AT_ONCE: Final = 1 << 16


class SourceTrouble(Exception):
    """The source cannot be reached, refuses, or says what nobody understands."""


class Source:
    """Asks for one thing after the other, for one thread; each answer is there within `seconds`."""

    def __init__(self, url: str, token: str, trust: ssl.SSLContext, seconds: float) -> None:
        self._parts = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": "warifu-ca responder"}
        self._trust = trust
        self._seconds = seconds
        self._line: http.client.HTTPSConnection | None = None

    def get(self, target: str) -> bytes:
        """Return a body; the connection is made anew once when the source has closed it. Raises SourceTrouble."""
        until = time.monotonic() + self._seconds
        fresh = self._line is None
        try:
            try:
                return self._got(target, until)
            except (OSError, http.client.HTTPException):
                self.hang_up()
                if fresh:
                    raise
            return self._got(target, until)
        except (OSError, http.client.HTTPException) as error:
            self.hang_up()
            raise SourceTrouble(f"{self._parts.netloc} does not answer: {error}") from error

    def hang_up(self) -> None:
        """Let the connection go; the next question makes a new one."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _got(self, target: str, until: float) -> bytes:
        line = self._line
        if line is None or line.sock is None:  # None once the source has said that it closes
            line = self._dialled(until)
        wire = line.sock
        wire.settimeout(_patience(until))
        line.request("GET", target, headers=self._headers)
        pieces: list[bytes] = []
        with line.getresponse() as answer:
            while True:
                wire.settimeout(_patience(until))
                piece = answer.read1(_BYTES_AT_ONCE)
                if not piece:
                    break
                pieces.append(piece)
            if answer.length:  # read1 takes an early end for the end
                raise http.client.IncompleteRead(b"", answer.length)
        if answer.status == 404 and target.startswith(CHANGES):
            raise SourceTrouble(
                f"{self._parts.netloc} knows no such follower: is its feed_token_file the same as here?"
            )
        if answer.status != 200:
            raise SourceTrouble(f"{self._parts.netloc} answered {answer.status} to {target.partition('?')[0]}")
        return b"".join(pieces)

    def _dialled(self, until: float) -> http.client.HTTPSConnection:
        """Return a new connection; half of the time left is for TCP, as much for TLS."""
        host, port = self._parts.hostname or "", self._parts.port
        self._line = http.client.HTTPSConnection(host, port, timeout=_patience(until) / 2, context=self._trust)
        self._line.connect()
        return self._line


def _patience(until: float) -> float:
    """Return for how long to wait for the next bytes. Raises TimeoutError when the time is over."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("the whole answer did not come in time")
    return min(left, _SECONDS_OF_SILENCE)
