"""Breaks text into lines of a terminal, where a wide character (East Asian Width W or F, UAX #11) takes two columns.

Japanese may break between any two characters, but no line begins with a closing mark or ends with an opening one
(禁則, JIS X 4051). Words of other scripts, paths and URLs stay whole, but for a list of choices: a|b|c.
"""

from collections.abc import Iterable
from typing import Final
from unicodedata import east_asian_width

import click

from client.language import Language, sentence

WIDTH: Final = 80

_USAGE = sentence("Usage")
_HEADINGS = (sentence("Options"), sentence("Commands"))  # click names them
_CLOSING = "、。，．・：；？！）〕］｝〉》」』】ー…々),.:;!?]}'\"”’"
_OPENING = "（〔［｛〈《「『【([{“‘"


def columns(text: str) -> int:
    """Return how many columns a text takes."""
    return sum(2 if _is_wide(each) else 1 for each in text)


def wrapped(text: str, width: int = WIDTH) -> list[str]:
    """Return the lines of a paragraph; what cannot be broken may be longer."""
    lines, gap = [""], ""
    for atom in atoms(text):
        if atom == " ":
            gap = " "
            continue
        if lines[-1] and columns(lines[-1] + gap + atom) > width:
            lines.append(atom)
        else:
            lines[-1] += (gap if lines[-1] else "") + atom
        gap = ""
    return lines


def atoms(text: str) -> list[str]:
    """Return the pieces between which a line may break; blanks are pieces of their own."""
    pieces = [" "]
    for each in text:
        last = pieces[-1][-1]
        if each.isspace():
            pieces.append(" ")
        elif last not in " |" and (each in _CLOSING or last in _OPENING or not (_is_wide(each) or _is_wide(last))):
            pieces[-1] += each
        else:
            pieces.append(each)
    return pieces[1:]


def _is_wide(character: str) -> bool:
    return east_asian_width(character) in "WF"


class HelpPage(click.HelpFormatter):
    """click's help page with lines that count columns rather than characters."""

    language: Language

    def write_heading(self, heading: str) -> None:
        """Write the title of a section in the reader's language."""
        super().write_heading(self.language.say(heading))

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line that shows how the command is called."""
        super().write_usage(prog, args, f"{self.language.say(_USAGE)}: " if prefix is None else prefix)

    def write_text(self, text: str) -> None:
        """Write a paragraph."""
        indent = " " * self.current_indent
        self.write("".join(f"{indent}{line}\n" for line in wrapped(text, self.width - self.current_indent)))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write terms and what they mean, side by side where the term leaves room."""
        rows = list(rows)
        first = min(max(columns(term) for term, _ in rows), col_max) + col_spacing
        indent, hanging = " " * self.current_indent, " " * (self.current_indent + first)
        for term, meaning in rows:
            lines = wrapped(meaning, self.width - len(hanging))
            if columns(term) > first - col_spacing:
                self.write("".join(f"{indent}{part}\n" for part in wrapped(term, self.width - len(indent))))
                self.write(f"{hanging}{lines[0]}\n")
            else:
                self.write(f"{indent}{term}{' ' * (first - columns(term))}{lines[0]}".rstrip() + "\n")
            self.write("".join(f"{hanging}{line}\n" for line in lines[1:]))
