"""Shows a diagnosis to a person, in lines of at most 80 columns, and to a program as a document."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from client.columns import WIDTH, columns, wrapped
from client.console import Console
from client.doctor.acts import FORM_NAMES
from client.doctor.diagnosis import Diagnosis
from client.doctor.symptoms import Finding, Level, Phrase
from client.errors import ClientError
from client.language import sentence
from protocol.credential import PATH

_MARKS: Final = {
    Level.OK: (sentence("ok"), "green"),
    Level.ATTENTION: (sentence("note"), "yellow"),
    Level.FAULT: (sentence("fault"), "red"),
}


def spoken(text: str, facts: Mapping[str, object], console: Console) -> str:
    """Return a sentence whose facts may be sentences themselves, without anything that names a user or is secret."""
    words = {name: _word(fact, console) for name, fact in facts.items()}
    return discreet(console.say(text, **words))


def discreet(text: str) -> str:
    """Return a text without the folder that holds the user's name, and without a kid should one have got so far."""
    home = Path.home()
    return re.sub(rf"{PATH}\w+", f"{PATH}…", text if home == home.parent else text.replace(str(home), "~"))


def _word(fact: object, console: Console) -> object:
    match fact:
        case Phrase(text, facts):
            return spoken(text, facts, console)
        case ClientError():
            return console.detail(fact)
    return fact


def detail_of(finding: Finding, console: Console) -> str:
    """Return what was found and what may be done about it."""
    what, remedy = (spoken(each, finding.facts, console) for each in (finding.symptom.sentence, finding.symptom.remedy))
    return f"{what}{'' if what.endswith('。') else ' '}{remedy}".rstrip()


class Screen:
    """Draws one diagnosis; `colour` as the terminal wants it."""

    def __init__(self, console: Console, diagnosis: Diagnosis, *, colour: bool, home: str) -> None:
        self._console, self._diagnosis, self._colour = console, diagnosis, colour
        found = {} if diagnosis.decisive is None else diagnosis.decisive.facts
        self._facts = {**found, "cn": diagnosis.cn or "CN", "home": home}

    def lines(self) -> list[str]:
        """Return the screen."""
        marks = {level: self._console.say(word) for level, (word, _) in _MARKS.items()}
        room = max(columns(each) for each in marks.values())
        lines = []
        for finding in self._diagnosis.findings:
            level = finding.symptom.level
            mark = marks[level] + " " * (room - columns(marks[level]))
            first, *more = wrapped(detail_of(finding, self._console), WIDTH - room - 2)
            lines += [f"{self._styled(mark, level)}  {first}", *(f"{' ' * (room + 2)}{each}" for each in more)]
        return [*lines, "", *self._act()]

    def _act(self) -> list[str]:
        act, console = self._diagnosis.act, self._console
        heading = console.say(sentence("What to do"))
        lines = [_bold(heading) if self._colour else heading, *_indented(spoken(act.sentence, self._facts, console))]
        if act.form is not None:
            lines += _indented(console.say(sentence("Form: {form}"), form=console.say(FORM_NAMES[act.form])))
        if act.command:
            lines.append(f"    {self.command}")
        if act.form is not None or act.calls:
            lines += self._whom_to_call()
        return lines

    def _whom_to_call(self) -> list[str]:
        website = website_of(self._diagnosis)
        if website is None:
            return _indented(self._console.say(sentence("Forms and help desk: as the mails name them.")))
        return _indented(
            self._console.say(sentence("Forms and help desk: as the mails name them, and {website}"), website=website)
        ) + _indented(self._console.say(sentence("`warifu doctor --report` makes the text for the help desk.")))

    @property
    def command(self) -> str:
        """Return the command that does it, "" for none."""
        return self._diagnosis.act.command.format_map(self._facts)

    def _styled(self, mark: str, level: Level) -> str:
        import click

        return click.style(mark, fg=_MARKS[level][1]) if self._colour else mark

    def document(self) -> dict[str, object]:
        """Return the document."""
        diagnosis, console = self._diagnosis, self._console
        act = diagnosis.act
        return {
            "findings": [
                {
                    "word": each.word,
                    "level": each.symptom.level.value,
                    "cn": each.cn,
                    "detail": detail_of(each, console),
                }
                for each in diagnosis.findings
            ],
            "chart": diagnosis.section or None,
            "answers": [
                {"question": each.question, "yes": each.yes, "known": each.known} for each in diagnosis.answers
            ],
            "act": {
                "word": act.word,
                "cn": diagnosis.cn,
                "detail": spoken(act.sentence, self._facts, console),
                "command": self.command or None,
                "help_desk": act.calls,
            },
            "form": None if act.form is None else act.form.value,
            "website": website_of(diagnosis),
            "exit_code": act.exit_code,
        }


def website_of(diagnosis: Diagnosis) -> str | None:
    """Return the page with the forms and the help desk's address, if a server told it."""
    seat = diagnosis.seat
    server = None if seat is None else diagnosis.facts.server_of(seat)
    if server is not None and server.website is not None:
        return server.website
    return next((each.website for each in diagnosis.facts.servers if each.website is not None), None)


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in wrapped(text, WIDTH - 2)]


def _bold(text: str) -> str:
    import click

    return click.style(text, bold=True)
