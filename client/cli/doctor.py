"""`warifu doctor`: what is wrong, and the one thing to do about it."""

from typing import TYPE_CHECKING

import click

from client.config import Settings
from client.console import Console
from client.front import Command
from client.language import sentence
from client.options import COMMON_NAME, settings_options

if TYPE_CHECKING:
    from client.doctor.charts import Question
    from client.doctor.diagnosis import AskAbout
    from client.doctor.symptoms import Finding
    from protocol.names import CommonName


@click.command(
    cls=Command, help=sentence("Find out what is wrong with the certificates, or with one CN, and what to do about it.")
)
@click.argument("common_name", metavar="[CN]", type=COMMON_NAME, required=False)
@click.option(
    "--report", is_flag=True, help=sentence("Print the text for the help desk; no secret is in it. Nothing is asked.")
)
@settings_options
def doctor(console: Console, settings: Settings, common_name: "CommonName | None", report: bool) -> int:
    import asyncio
    import os
    import sys

    from client.cli.schedule import is_scheduled
    from client.cli.seats import store_of
    from client.doctor.diagnosis import diagnose
    from client.doctor.gathering import gather
    from client.doctor.report import report as report_of
    from client.doctor.screen import Screen

    facts = asyncio.run(gather(store_of(settings), settings, common_name, is_scheduled(settings)))
    asked = not (console.json or report) and sys.stdin.isatty() and sys.stderr.isatty()
    diagnosis = diagnose(facts, _asking(console) if asked else None)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    screen = Screen(console, diagnosis, colour=colour, home=str(settings.home))
    lines = report_of(diagnosis, console) if report else screen.lines()
    console.result(screen.document(), lines)
    return diagnosis.act.exit_code


def _asking(console: Console) -> "AskAbout":
    """Return what asks at the terminal, and first says what it is about."""
    told: list[Finding] = []

    def ask(question: "Question", finding: "Finding") -> bool:
        if not told:
            told.append(finding)
            console.tell(finding.symptom.sentence, **finding.facts)
        return console.confirmed(question.text, cn=finding.cn or "CN")

    return ask
