"""The block for the help desk (manual 9.1.2): plain text to copy into a mail, or to read out.

It has what a help desk asks for and nothing that must stay here: no kid, URL, password, key or path of one, and no
folder that holds a user's name.
"""

import platform
from collections.abc import Sequence

from client.account import this_device
from client.columns import wrapped
from client.console import Console
from client.doctor.diagnosis import Diagnosis
from client.doctor.screen import detail_of, discreet
from client.doctor.symptoms import Level
from client.language import sentence
from protocol.members import rfc3339

_LEVELS = {Level.OK: " ", Level.ATTENTION: "!", Level.FAULT: "X"}


def report(diagnosis: Diagnosis, console: Console) -> list[str]:
    """Return the block's lines."""
    facts, device = diagnosis.facts, this_device("")
    institutions = sorted({each.institution for each in facts.seats if each.institution})
    names = [*(each.cn for each in facts.seats), *([] if facts.wanted is None else [facts.wanted])]
    rows = (
        (sentence("Institution"), ", ".join(institutions)),
        (sentence("Your name"), ""),
        (sentence("How to reach you"), ""),
        (sentence("CN"), ", ".join(names)),
        (sentence("Time"), rfc3339(facts.now)),
        (sentence("Versions"), f"{device.agent}, Python {platform.python_version()}, {device.os}"),
        (sentence("Server"), ", ".join(each.host for each in facts.servers)),
        (sentence("Key store"), ", ".join(sorted({each.store for each in facts.seats if each.store}))),
        (sentence("Last operation"), discreet(facts.log or "")),
        (sentence("Act"), " ".join(each for each in (diagnosis.act.word, str(diagnosis.act.form or "")) if each)),
    )
    lines = [line for label, value in rows for line in _hanging(f"{console.say(label)}: ", value)]
    return [
        console.say(sentence("----- for the help desk -----")),
        *lines,
        *_findings(diagnosis, console),
        console.say(sentence("----- end -----")),
    ]


def _findings(diagnosis: Diagnosis, console: Console) -> list[str]:
    return [
        line
        for each in diagnosis.findings
        for line in _hanging(f"[{_LEVELS[each.symptom.level]}] ", f"{each.word}: {detail_of(each, console)}")
    ]


def _hanging(label: str, value: str) -> Sequence[str]:
    first, *more = wrapped(label + value)
    return [first, *(f"    {line}" for more_line in more for line in wrapped(more_line, 76))]
