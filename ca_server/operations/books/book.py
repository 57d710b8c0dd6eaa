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
    """Return the book with the findings as they come; records too broken to be read any further are one more."""
    found: list[str] = []
    try:
        for finding in findings:
            found.append(finding)
    except Exception as error:  # a row may hold anything once somebody wrote it by hand
        found.append(f"The book cannot be read any further: {error!r}")
    return Book(name, checked, tuple(found))
