"""`warifu schedule`: has the platform renew every day, stops it, tells of it."""

from typing import TYPE_CHECKING

import click

from client.config import Settings
from client.console import Console
from client.front import Group
from client.language import sentence
from client.options import config_file, settings_options

if TYPE_CHECKING:
    from client.schedule.plan import Plan


@click.group(cls=Group, help=sentence("Have the certificates renewed every day, by the platform's own clockwork."))
def schedule() -> None:
    """Stand above install, remove and show."""


system_option = click.option(
    "--system", is_flag=True, help=sentence("For the whole machine, not for this user; needs an administrator.")
)


@schedule.command(help=sentence("Set up the daily renewal, or bring it up to date."))
@system_option
@settings_options
def install(console: Console, settings: Settings, system: bool) -> None:
    from client.schedule import carrying_out

    plan = plan_of(settings, system)
    carrying_out.install(plan)
    console.result(
        {"action": "installed", "files": [str(path) for path in plan.files]},
        [console.say("The certificates of this PC are renewed every day from now on.")],
    )
    if plan.hint:
        console.tell(plan.hint)


@schedule.command(help=sentence("Stop the daily renewal."))
@system_option
@settings_options
def remove(console: Console, settings: Settings, system: bool) -> None:
    from client.schedule import carrying_out

    if carrying_out.remove(plan_of(settings, system)):
        console.result({"action": "removed"}, [console.say("The daily renewal is stopped.")])
    else:
        console.result({"action": "nothing"}, [console.say("There was no daily renewal.")])


@schedule.command(help=sentence("Tell whether the daily renewal is set up, and what the platform knows of it."))
@system_option
@settings_options
def show(console: Console, settings: Settings, system: bool) -> None:
    from client.schedule import carrying_out

    plan = plan_of(settings, system)
    installed = carrying_out.installed(plan)
    known = carrying_out.shown(plan) if installed else None
    files = [str(path) for path in plan.files if path.exists()]
    document = {"installed": installed, "files": files, "platform": known}
    if known is None:
        lines = [console.say("There is no daily renewal; `warifu schedule install` sets it up.")]
    else:
        lines = [
            console.say("The daily renewal is set up: {files}", files=", ".join(files)),
            known.rstrip(),
        ]
    console.result(document, lines)


def plan_of(settings: Settings, system: bool) -> "Plan":
    import os
    import sys

    from client.schedule.carrying_out import find_program
    from client.schedule.plan import Job
    from client.schedule.platform import plan_for

    words = [*find_program(sys.argv, sys.executable), "renew", "--quiet", "--home", str(settings.home.absolute())]
    path, named = config_file()
    if named:
        words += ["--config", str(path.absolute())]
    return plan_for(sys.platform, Job(tuple(words), system), settings.home, os.environ)
