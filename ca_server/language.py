"""Speaks to officers, help desk and operators in Japanese or English, from one catalogue.

A sentence stands in the code in English with the facts that fill it; it *is* its English text, so that logs and the
audit trail stay English without doing anything. Only the command line, and a problem document for whoever asks for it,
say it in the language of the reader. The catalogue `catalogues/ja.po` (gettext's format) is read only when Japanese is
wanted, because reading it costs more than the rest of the start.
"""

import errno
import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

ENGLISH: Final = "en"
JAPANESE: Final = "ja"
CODES: Final = (JAPANESE, ENGLISH)
CATALOGUES: Final = Path(__file__).parent / "catalogues"

# POSIX's order (IEEE 1003.1 §8.2): the first that is set decides.
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


class Sentence(str):
    """A text in English that remembers its template and its facts, so that it can be said in another language."""

    template: str
    facts: Mapping[str, object]

    def __new__(cls, template: str, facts: Mapping[str, object]) -> Self:
        """Return the template filled with the facts."""
        made = super().__new__(cls, template.format_map(facts))
        made.template, made.facts = template, facts
        return made

    def __getnewargs__(self) -> tuple[str, Mapping[str, object]]:  # type: ignore[override]
        """Return what makes it anew when it is copied."""
        return self.template, self.facts


def sentence(template: str, /, **facts: object) -> Sentence:
    """Return the sentence; a fact that is a sentence or a word of a vocabulary is said in the reader's language too."""
    return Sentence(template, facts)


_CAUSES: Final = {
    os.strerror(number): said
    for number, said in {
        errno.ENOENT: sentence("there is no such file or folder"),
        errno.EACCES: sentence("it may not be used by this login"),
        errno.EISDIR: sentence("it is a folder"),
        errno.EEXIST: sentence("it is there already"),
        errno.ENOSPC: sentence("the disk is full"),
        errno.EADDRINUSE: sentence("another program uses this address"),
    }.items()
}


def cause(error: object) -> object:
    """Return why a file could not be used, as a sentence where that is usual: of an error, or of the system's words."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else error
    return _CAUSES.get(str(words), words)


@dataclass(frozen=True, slots=True)
class Language:
    """One language and its sentences, by their English templates."""

    code: str
    sentences: Mapping[str, str]

    def say(self, text: str) -> str:
        """Return a sentence, or a word of a vocabulary, in this language; any other text as it is.

        What the catalogue lacks stays English. What people typed is never looked up, though it may look like a word.
        """
        match text:
            case Sentence():
                facts = {
                    name: self.say(fact) if isinstance(fact, Sentence | StrEnum) else fact
                    for name, fact in text.facts.items()
                }
                return self.sentences.get(text.template, text.template).format_map(facts)
            case StrEnum():
                return self.sentences.get(str(text), str(text))
            case _:
                return str(text)


def choose(wanted: str | None, environment: Mapping[str, str]) -> Language:
    """Return the language asked for (a code, or None), else the one that the environment names, else English."""
    code = wanted or next((environment[name] for name in _VARIABLES if environment.get(name)), "")
    return japanese() if code.lower().startswith(JAPANESE) else Language(ENGLISH, {})


@functools.cache
def japanese() -> Language:
    """Return Japanese, its catalogue read from the package once."""
    from babel.messages.pofile import read_po

    with (CATALOGUES / "ja.po").open("rb") as file:
        catalogue = read_po(file, locale=JAPANESE)
    return Language(JAPANESE, {str(each.id): str(each.string) for each in catalogue if each.id and each.string})
