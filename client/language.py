"""Speaks to people in Japanese or English, from one catalogue.

Sentences stand in the code in English, marked by `sentence` or as the argument of `say`; the catalogue
`catalogues/ja.po` (gettext's format) maps each to Japanese. It is read only when Japanese is wanted, because reading it
costs more than the rest of the start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ENGLISH: Final = "en"
JAPANESE: Final = "ja"
CODES: Final = (JAPANESE, ENGLISH)
CATALOGUES: Final = Path(__file__).parent / "catalogues"

# POSIX's order (IEEE 1003.1 §8.2): the first that is set decides.
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


class Sentence(str):
    """A text of the catalogue: it is said in the reader's language, also where it is a fact of another one."""


def sentence(text: str) -> Sentence:
    """Return `text`, marked for the catalogue where it is written down but spoken later."""
    return Sentence(text)


@dataclass(frozen=True, slots=True)
class Language:
    """One language and its sentences, by their English."""

    code: str
    sentences: Mapping[str, str]

    def say(self, text: str, **facts: object) -> str:
        """Return the sentence in this language, filled with facts; one that the catalogue lacks stays English."""
        return (self.sentences.get(text) or text).format_map(facts)


def choose(wanted: str | None, environment: Mapping[str, str]) -> Language:
    """Return the language asked for (a code, or None), else the one that the environment names, else English."""
    code = wanted or next((environment[name] for name in _VARIABLES if environment.get(name)), "")
    return japanese() if code.lower().startswith(JAPANESE) else Language(ENGLISH, {})


def japanese() -> Language:
    """Return Japanese, its catalogue read from the package."""
    from babel.messages.pofile import read_po

    with (CATALOGUES / "ja.po").open("rb") as file:
        catalogue = read_po(file, locale=JAPANESE)
    return Language(JAPANESE, {str(each.id): str(each.string) for each in catalogue if each.id and each.string})
