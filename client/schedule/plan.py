"""What a platform needs to run something every day: files to write, and commands that make it look at them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DELAY_SECONDS: Final = 43_200
"""Within how long after midnight a PC asks; spread over half a day, many PCs are no crowd."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run: the words of a command line, and whether for the whole machine or for this user."""

    command: tuple[str, ...]
    system: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How it is done on a platform.

    Commands are lists of words, run in order; `show` tells of the schedule as the platform sees it. `read` finds the
    job's command in one of the files again, nothing in another. `hint` is a sentence for the person, or "".
    """

    files: Mapping[Path, bytes]
    install: Sequence[Sequence[str]]
    remove: Sequence[Sequence[str]]
    show: Sequence[str]
    read: Callable[[bytes], Sequence[str]]
    hint: str = ""
