"""The members of a JSON object, each asked for by name and type: what `resources` and `requests` parse with.

A member that is missing or of another type is Problem (malformed) naming it; an optional one may also be null.
Times are RFC 3339 in UTC to the second, as RFC 8555 §7.1 wants them.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from protocol import base64url
from protocol.problems import Problem, ProblemType

_Value = TypeVar("_Value")
_Word = TypeVar("_Word", bound=StrEnum)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_LONGEST_SHOWABLE = 200


class Members:
    """Reads one JSON object. Raises Problem (malformed) when the value is something else."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise Problem(ProblemType.MALFORMED, "This must be a JSON object.")
        self._members: Mapping[str, object] = value

    def optional(self, name: str, read: Callable[[str], _Value]) -> _Value | None:
        """Return what `read`, a method of this object, finds, or None when the member is missing or null."""
        return None if self._members.get(name) is None else read(name)

    def text(self, name: str) -> str:
        """Return a text."""
        value = self._members.get(name)
        if not isinstance(value, str):
            raise rejected(name, "a text")
        return value

    def integer(self, name: str) -> int:
        """Return a whole number."""
        value = self._members.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise rejected(name, "a whole number")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self._members.get(name)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise rejected(name, "a list of texts")
        return tuple(value)

    def flag(self, name: str) -> bool:
        """Return true or false; false when the member is missing or null, as RFC 8555 has every flag."""
        value = self._members.get(name)
        if value is not None and not isinstance(value, bool):
            raise rejected(name, "true or false")
        return bool(value)

    def mapping(self, name: str) -> Mapping[str, object]:
        """Return a JSON object."""
        value = self._members.get(name)
        if not isinstance(value, dict):
            raise rejected(name, "a JSON object")
        return value

    def mappings(self, name: str) -> tuple[Mapping[str, object], ...]:
        """Return a list of JSON objects."""
        value = self._members.get(name)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise rejected(name, "a list of JSON objects")
        return tuple(value)

    def word(self, name: str, vocabulary: type[_Word]) -> _Word:
        """Return a word of a vocabulary."""
        try:
            return vocabulary(self.text(name))
        except ValueError as error:
            raise rejected(name, "one of " + ", ".join(vocabulary)) from error

    def moment(self, name: str) -> datetime:
        """Return a moment in UTC, fractions of a second dropped."""
        text = self.text(name)
        try:
            if not _MOMENT.fullmatch(text):
                raise ValueError("not RFC 3339")
            return datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)
        except (ValueError, OverflowError) as error:
            raise rejected(name, "an RFC 3339 time such as 2026-11-23T00:00:00Z") from error

    def octets(self, name: str) -> bytes:
        """Return what a text in base64url without padding stands for, such as a CSR in DER."""
        try:
            return base64url.decode(self.text(name))
        except ValueError as error:
            raise rejected(name, "base64url without padding, of DER and not of PEM") from error


def rejected(name: str, wanted: str) -> Problem:
    """Return the Problem that a member is not what it must be."""
    return Problem(ProblemType.MALFORMED, f"{name} must be {wanted}.")


def showable(name: str, text: str) -> str:
    """Return `text` if it may be stored and shown. Raises Problem (malformed) unless it is short and printable."""
    if len(text) > _LONGEST_SHOWABLE or not text.isprintable():
        raise rejected(name, f"a text of at most {_LONGEST_SHOWABLE} printable characters")
    return text


def rfc3339(moment: datetime) -> str:
    """Render an aware moment in UTC to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def without_absent(**members: object) -> dict[str, object]:
    """Return the members that have a value, in the order given."""
    return {name: value for name, value in members.items() if value is not None}
