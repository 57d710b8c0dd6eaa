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
    if system:
        _require_administrators(settings)
    before, home = _home_of(carrying_out.command_of(plan)), str(settings.home.absolute())
    carrying_out.install(plan)
    console.result(
        {"action": "installed", "home": home, "files": [str(path) for path in plan.files]},
        [console.say("The certificates of this PC are renewed every day from now on.")],
    )
    if before not in (None, home):
        console.tell("It is about {home} now, instead of {before}.", home=home, before=before)
    _warn(console, settings)
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
    home = _home_of(carrying_out.command_of(plan)) or str(settings.home.absolute())
    document = {"installed": installed, "home": home if installed else None, "files": files, "platform": known}
    if known is None:
        lines = [console.say("There is no daily renewal; `warifu schedule install` sets it up.")]
    else:
        lines = [
            console.say("The daily renewal is set up: {files}", files=", ".join(files)),
            console.say("Folder of the certificates: {home}", home=home),
            known.rstrip(),
        ]
    console.result(document, lines)


def is_scheduled(settings: Settings) -> bool | None:
    """Tell whether the daily renewal is set up, for this user or for the machine; None where there is none of ours."""
    from client.errors import ClientError
    from client.schedule.carrying_out import installed

    try:
        return any(installed(plan_of(settings, system)) for system in (False, True))
    except ClientError:
        return None


def _home_of(command: list[str]) -> str | None:
    return command[command.index("--home") + 1] if "--home" in command[:-1] else None


def _require_administrators(settings: Settings) -> None:
    import os
    import sys
    from pathlib import Path

    from client.schedule.administrators import ROOT, parts_of, require_administrators
    from client.schedule.carrying_out import find_program

    program = Path(find_program(sys.argv, sys.executable)[0])
    path, named = config_file()
    config = path.absolute() if named or path.exists() else None
    configured = [each for each in (config, settings.hooks, settings.pkcs11.module) if each is not None]
    parts = parts_of(program, settings.home.absolute(), configured)
    require_administrators(parts, {ROOT}, sys.platform, os.environ)


def _warn(console: Console, settings: Settings) -> None:
    """Tell of seats that a run without a person cannot renew, and of a home that has none."""
    from client.cli.seats import store_of
    from client.doctor.seats import needs_pin

    seats = store_of(settings).seats()
    if not seats:
        console.tell(
            "Warning: there is no certificate in {home} yet; get one with `warifu enroll URL`.", home=settings.home
        )
    for folder in seats:
        if needs_pin(folder):
            console.tell(
                "Warning: {cn} needs its token's PIN, which nobody types in a daily run. Put it into a file and enrol "
                "with --pkcs11-pin-file, or run `warifu renew` at a terminal when the certificate is due.",
                cn=folder.path.name,
            )


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
