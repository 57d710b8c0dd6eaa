"""A responder on another machine: it follows the changes over HTTPS, and brings the published files along.

What it has read it keeps in the ready store; it holds no other records. When the source cannot be reached, nothing is
known to be current any more: ready answers are given while they are valid, and nothing is signed.
"""

import http.client
import json
import logging
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ca_server.operations.publication import place
from ca_server.store.standings import Standing, Stretch, Witness

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_QUESTIONS: Final = 0.5
_SECONDS_FOR_AN_ANSWER: Final = 5
_CHANGES: Final = "/responder/changes"
_FOLDERS: Final = {".crl": "crl", ".cer": "ca"}


class SourceTrouble(Exception):
    """The source cannot be reached, refuses, or says what nobody understands."""


class Follower:
    """Asks one source for changes."""

    def __init__(self, url: str, token: str, trust: ssl.SSLContext, public_folder: Path) -> None:
        self._parts = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": "warifu-ca responder"}
        self._trust = trust
        self._folder = public_folder
        self._line: http.client.HTTPSConnection | None = None
        self._asked = 0.0
        self._last: Stretch | None = None
        self._files: dict[str, int] = {}
        self._missed: set[str] = set()

    def since(self, after: int, most: int, witness: Witness | None = None) -> Stretch:
        """Return the changes after a place; the last answer, when it is young and the place was its end.

        Raises SourceTrouble.
        """
        last, now = self._last, time.monotonic()
        if last is not None and last.until == after == last.last and now - self._asked < _SECONDS_BETWEEN_QUESTIONS:
            return Stretch(after, after, [])
        self._last = None
        named = "" if witness is None else f"&last={witness.place}&newest={witness.serial}"
        document = self._document(self._get(f"{_CHANGES}?after={after}{named}"))
        self._asked = now
        self._last = stretch = document[0]
        self._fetch(document[1])
        return stretch

    def _document(self, body: bytes) -> tuple[Stretch, Mapping[str, int]]:
        try:
            read: dict[str, Any] = json.loads(body)
            changes = [Standing(*each) for each in read["changes"]]
            stretch = Stretch(int(read["until"]), int(read["last"]), changes, str(read["newest"]))
            return stretch, dict(read["files"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise SourceTrouble("The source's answer cannot be read; do both machines run the same version?") from error

    def _fetch(self, files: Mapping[str, int]) -> None:
        """Bring along what was published since.

        A file that does not come is tried again at the next question; a revocation does not wait for it.
        """
        for name, stamp in files.items():
            path = self._folder / name
            folder = _FOLDERS.get(path.suffix)
            if folder is None or path.name != name or self._files.get(name) == stamp:
                continue
            try:
                place(path, self._get(f"/{folder}/{name}"))
            except (SourceTrouble, OSError) as error:
                if name not in self._missed:
                    self._missed.add(name)
                    log.warning("ALARM: %s could not be brought along: %s", name, error)
            else:
                self._missed.discard(name)
                self._files[name] = stamp

    def _get(self, target: str) -> bytes:
        """Return a body; the connection is kept, and made anew once when the source has closed it."""
        fresh = self._line is None
        try:
            return self._got(target)
        except (OSError, http.client.HTTPException) as error:
            self._hang_up()
            if fresh:
                raise SourceTrouble(f"{self._parts.netloc} does not answer: {error}") from error
        return self._get(target)

    def _got(self, target: str) -> bytes:
        if self._line is None:
            host, port = self._parts.hostname or "", self._parts.port
            self._line = http.client.HTTPSConnection(host, port, timeout=_SECONDS_FOR_AN_ANSWER, context=self._trust)
        self._line.request("GET", target, headers=self._headers)
        answer = self._line.getresponse()
        body = answer.read()
        if answer.status == 404 and target.startswith(_CHANGES):
            raise SourceTrouble(
                f"{self._parts.netloc} knows no such follower: is its feed_token_file the same as here?"
            )
        if answer.status != 200:
            raise SourceTrouble(f"{self._parts.netloc} answered {answer.status} to {target.partition('?')[0]}")
        return body

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
