"""The responder's processes as watchers see them, by what they say of themselves once a second."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from ca_server.clock import MINUTE, rfc3339
from ca_server.observing.text import Metric, counter, gauge

_KINDS: Final = ("again", "later", "malformed", "ready", "signed", "unauthorized")
_LATE: Final = MINUTE


class Place(Protocol):
    """One process and those that were there before it."""

    @property
    def name(self) -> str: ...
    @property
    def lives(self) -> bool: ...
    @property
    def begun(self) -> int: ...
    @property
    def numbers(self) -> dict[str, int]: ...


class Responders:
    """All processes that answer at the plain address."""

    def __init__(self, places: Callable[[], Sequence[Place]], answer_seconds: int) -> None:
        self._places = places
        self._answer_seconds = answer_seconds

    def alarms(self) -> int:
        """Return how many alarms they have raised."""
        return sum(place.numbers.get("alarms", 0) for place in self._places())

    async def metrics(self, now: int) -> list[Metric]:
        """Return what they answered, and what is kept ready."""
        places = self._places()
        answers = {kind: sum(place.numbers.get(kind, 0) for place in places) for kind in _KINDS}
        living = _summed((place.name, place.lives) for place in places)
        begun = _summed((place.name, place.begun) for place in places)
        keeper = places[0].numbers
        moments = {
            "warifu_ready_answers_read_timestamp_seconds": ("When changes were last read to their end.", "read_at"),
            "warifu_ready_answers_oldest_timestamp_seconds": ("When the oldest ready answer was signed.", "oldest"),
            "warifu_ocsp_signer_used_not_after_timestamp_seconds": (
                "When the first of the OCSP signers in use here ends.",
                "signer_ends",
            ),
        }
        return [
            counter("warifu_ocsp_answers", "OCSP answers by how they were made.", answers, "kind"),
            gauge("warifu_responder_processes", "Processes of the responder that run.", living, "role"),
            counter("warifu_responder_starts", "How often a process of the responder was started.", begun, "role"),
            gauge("warifu_ready_answers", "Certificates whose answers are kept ready.", keeper.get("kept", 0)),
            gauge("warifu_ready_answers_life_seconds", "How long an answer may be believed.", self._answer_seconds),
            *(gauge(name, says, keeper[of]) for name, (says, of) in moments.items() if keeper.get(of)),
        ]

    async def troubles(self, now: int) -> list[str]:
        """Return whether nobody answers, or answers are not kept, and whether a signer is over."""
        places = self._places()
        keeper, workers = places[0], places[1:]
        reasons = []
        if not any(worker.lives for worker in workers):
            reasons.append("No worker of the OCSP responder runs.")
        read_at, ends = keeper.numbers.get("read_at", 0), keeper.numbers.get("signer_ends")
        if not (keeper.lives and now - _LATE < read_at):
            reasons.append("The answers of the OCSP responder are not kept ready.")
        if ends is not None and ends <= now:
            reasons.append(f"An OCSP signer ended at {rfc3339(ends)}.")
        return reasons


def _summed(numbers: Iterable[tuple[str, int]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, number in numbers:
        found[name] += number
    return found
