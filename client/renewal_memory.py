"""What a seat remembers of its renewal between two runs, in `renewal.json` beside its account.

- the window that the server suggested, and when it may be asked again: a schedule that runs every hour asks no more
  often than Retry-After says (RFC 9773 §4.3);
- a final answer, when it was first given and when last: once the same was given again after three days, it is asked
  for once a week;
- the generation whose deploy hooks are still to run, so that neither a kill nor a failure loses them.

The first two belong to one certificate and are forgotten with it. A damaged file is as good as none.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from client.errors import ClientError, NeedsPerson
from client.stores.folder import SeatFolder
from keys.keystore import write_private
from protocol.members import Members, rfc3339
from protocol.problems import Problem
from protocol.resources import RenewalInfo
from protocol.strict_json import strict_json

NOTHING_TO_RENEW: Final = "nothingToRenew"

PATIENCE: Final = timedelta(days=3)
"""How far the first and the last time of a final answer are apart when it is believed: mistakes are mended."""

RESPITE: Final = timedelta(days=7)
"""How long a final answer that is believed is not asked for again."""

MOST_TRIES: Final = 3
"""How often deploy hooks that failed are run again, once a run."""

# RFC 9773 §4.3.2 wants limits on what a server says, and §4.3.3 six hours where it says nothing.
_SHORTEST, _LONGEST, _USUAL = 60.0, 86_400.0, 21_600.0

_MOMENTS = ("window_start", "window_end", "asked_at", "ask_again_at")


@dataclass(frozen=True, slots=True)
class LastWord:
    """An answer that no waiting changes, as the error that it was; when it was first given, and when last."""

    type: str
    sentence: str
    remedy: str
    facts: Mapping[str, object]
    since: datetime
    confirmed: datetime

    def error(self) -> NeedsPerson:
        """Return the error, to be raised again."""
        return NeedsPerson(self.type, self.sentence, self.remedy, facts=self.facts)

    def render(self) -> dict[str, object]:
        """Return the JSON object."""
        return {
            "type": self.type,
            "sentence": self.sentence,
            "remedy": self.remedy,
            "facts": dict(self.facts),
            "since": rfc3339(self.since),
            "confirmed": rfc3339(self.confirmed),
        }

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return what a JSON object tells. Raises Problem (malformed)."""
        members = Members(value)
        since = members.moment("since")
        return cls(
            members.text("type"),
            members.text("sentence"),
            members.text("remedy"),
            members.mapping("facts"),
            since,
            members.optional("confirmed", members.moment) or since,
        )


@dataclass(frozen=True, slots=True)
class Memory:
    """One seat's; `certificate` is the CertID (RFC 9773 §4.1) of what the rest, but `deploy`, is about."""

    certificate: str
    window_start: datetime | None = None
    window_end: datetime | None = None
    asked_at: datetime | None = None
    ask_again_at: datetime | None = None
    last_word: LastWord | None = None
    deploy: str | None = None
    deploy_tries: int = 0

    def asks(self, now: datetime) -> bool:
        """Tell whether the server may be asked (again). A clock that was set back since must not silence us."""
        if self.asked_at is None or self.ask_again_at is None:
            return True
        return not self.asked_at <= now < self.ask_again_at

    def asked(self, now: datetime, info: RenewalInfo | None, retry_after: float | None) -> Self:
        """Return the memory after the server was asked; without an answer the former window stays.

        A window takes the word back that there is nothing to renew, but not what was said of an order.
        """
        seconds = _USUAL if retry_after is None else min(max(retry_after, _SHORTEST), _LONGEST)
        return replace(
            self,
            window_start=self.window_start if info is None else info.window_start,
            window_end=self.window_end if info is None else info.window_end,
            asked_at=now,
            ask_again_at=now + timedelta(seconds=seconds),
            last_word=None if info is not None and self.nothing_to_renew else self.last_word,
        )

    @property
    def nothing_to_renew(self) -> bool:
        """Tell whether the server's last word is that it has no such certificate to renew."""
        return self.last_word is not None and self.last_word.type == NOTHING_TO_RENEW

    def answered(self, now: datetime, error: ClientError) -> Self:
        """Return the memory after a final answer."""
        known = self.last_word
        same = known is not None and known.type == error.type and known.since <= now
        since = known.since if same and known is not None else now
        return replace(self, last_word=LastWord(error.type, error.sentence, error.remedy, _texts(error), since, now))

    def settled(self, now: datetime) -> LastWord | None:
        """Return the final answer if it is believed and need not be asked for again yet."""
        word = self.last_word
        if word is None or word.confirmed - word.since < PATIENCE:
            return None
        return word if word.confirmed <= now < word.confirmed + RESPITE else None

    def deployed(self, *, succeeded: bool) -> Self:
        """Return the memory after deploy hooks ran; those that failed are owed for some runs more."""
        if succeeded or self.deploy_tries >= MOST_TRIES:
            return replace(self, deploy=None, deploy_tries=0)
        return replace(self, deploy_tries=self.deploy_tries + 1)

    def render(self) -> bytes:
        """Return the file's content."""
        moments = {name: getattr(self, name) for name in _MOMENTS}
        members = {
            "certificate": self.certificate,
            **{name: None if moment is None else rfc3339(moment) for name, moment in moments.items()},
            "last_word": None if self.last_word is None else self.last_word.render(),
            "deploy": self.deploy,
            "deploy_tries": self.deploy_tries,
        }
        return json.dumps(members, ensure_ascii=False, indent=1).encode()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Return what a file's content tells. Raises Problem (malformed)."""
        members = Members(strict_json(content))
        word = members.optional("last_word", members.mapping)
        window_start, window_end, asked_at, ask_again_at = (members.optional(name, members.moment) for name in _MOMENTS)
        return cls(
            members.text("certificate"),
            window_start,
            window_end,
            asked_at,
            ask_again_at,
            None if word is None else LastWord.parse(word),
            members.optional("deploy", members.text),
            members.optional("deploy_tries", members.integer) or 0,
        )


def recall(folder: SeatFolder, certificate: str) -> Memory:
    """Return what a seat remembers about a certificate."""
    try:
        memory = Memory.parse(_file(folder).read_bytes())
    except (OSError, ValueError, Problem):
        return Memory(certificate)
    return (
        memory
        if memory.certificate == certificate
        else Memory(certificate, deploy=memory.deploy, deploy_tries=memory.deploy_tries)
    )


def remember(folder: SeatFolder, memory: Memory) -> None:
    """Write a seat's memory down. Raises KeystoreError."""
    write_private(_file(folder), memory.render(), replace=True)


def _file(folder: SeatFolder) -> Path:
    return folder.path / "renewal.json"


def _texts(error: ClientError) -> dict[str, object]:
    return {name: str(fact) for name, fact in error.facts.items()}
