"""A responder on another machine: it follows the changes over HTTPS, and brings the published files along.

What it has read it keeps in the ready store; it holds no other records. When the source cannot be reached, nothing is
known to be current any more: ready answers are given while they are valid, and nothing is signed.
"""

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from ca_server.responder.courier import Courier
from ca_server.responder.source import CHANGES, Source, SourceTrouble
from ca_server.store.standings import Standing, Stretch

_SECONDS_BETWEEN_QUESTIONS: Final = 0.5


class Follower:
    """Asks one source for changes."""

    def __init__(self, source: Source, courier: Courier) -> None:
        self._source = source
        self._courier = courier
        self._asked = 0.0
        self._last: Stretch | None = None

    def since(self, after: int, most: int, witness: str | None = None) -> Stretch:
        """Return the changes after a place; the last answer, when it is young and the place was its end.

        Raises SourceTrouble.
        """
        last, now = self._last, time.monotonic()
        if last is not None and last.until == after == last.last and now - self._asked < _SECONDS_BETWEEN_QUESTIONS:
            return Stretch(after, after, [])
        self._last = None
        named = "" if witness is None else f"&witness={witness}"
        document = self._document(self._source.get(f"{CHANGES}?after={after}{named}"))
        self._asked = now
        self._last = stretch = document[0]
        self._courier.want(document[1])
        return stretch

    def _document(self, body: bytes) -> tuple[Stretch, Mapping[str, int]]:
        try:
            read: dict[str, Any] = json.loads(body)
            changes = [Standing(*each) for each in read["changes"]]
            stretch = Stretch(int(read["until"]), int(read["last"]), changes, str(read["witness"]))
            return stretch, {str(name): int(stamp) for name, stamp in dict(read["files"]).items()}
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise SourceTrouble("The source's answer cannot be read; do both machines run the same version?") from error
