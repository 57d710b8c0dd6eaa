"""A book: what was compared, how often, and what does not agree."""

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Book:
    """One book as it was found. Each finding is a sentence that names the thing; a balanced book has none."""

    name: str
    checked: int
    findings: tuple[str, ...]


def book(name: str, checked: int, findings: Iterable[str]) -> Book:
    """Return the book with the findings as they come."""
    return Book(name, checked, tuple(findings))
