"""Carries a plan out: writes and deletes its files, runs its commands."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from client.errors import ClientError
from client.language import sentence
from client.schedule.plan import Plan

_SECONDS = 60


def install(plan: Plan) -> None:
    """Write the files and have the platform take them, in place of older ones.

    Raises ClientError when it does not; the files are gone then.
    """
    if installed(plan):  # launchd refuses what it has
        _forget(plan)
    for path, content in plan.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    try:
        for command in plan.install:
            _run(command)
    except ClientError:
        _delete(plan)
        raise


def remove(plan: Plan) -> bool:
    """Have the platform forget the schedule, and delete the files; return whether there was one.

    Raises ClientError when the platform would not; the files are gone all the same.
    """
    if not installed(plan):
        return False
    trouble = _forget(plan)
    _delete(plan)
    if trouble is not None:
        raise trouble
    return True


def installed(plan: Plan) -> bool:
    """Tell whether the files are here."""
    return any(path.exists() for path in plan.files)


def shown(plan: Plan) -> str:
    """Return what the platform tells of the schedule. Raises ClientError when it does not know it."""
    return _run(plan.show)


def command_of(plan: Plan) -> list[str]:
    """Return the command line that is scheduled, empty when there is none or it cannot be told."""
    words: list[str] = []
    for path in plan.files:
        with suppress(OSError, ValueError, LookupError):  # no file, or one that somebody changed
            words = words or list(plan.read(path.read_bytes()))
    return words


def _forget(plan: Plan) -> ClientError | None:
    """Have the platform forget the schedule, and return what went wrong first: part of it may have been gone."""
    trouble = None
    for command in plan.remove:
        try:
            _run(command)
        except ClientError as error:
            trouble = trouble or error
    return trouble


def _delete(plan: Plan) -> None:
    for path in plan.files:
        path.unlink(missing_ok=True)


def _run(command: Sequence[str]) -> str:
    words, encoding = " ".join(command), "oem" if sys.platform == "win32" else "utf-8"
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(words, str(error)) from error
    if done.returncode != 0:
        reason = " ".join((done.stderr or done.stdout).decode(encoding, "replace").split())
        raise _no_bus(reason) if "--user" in command and "connect to" in reason else _failed(words, reason)
    return done.stdout.decode(encoding, "replace")


def _failed(words: str, reason: str) -> ClientError:
    return ClientError(
        "scheduleFailed",
        sentence("`{command}` failed: {reason}"),
        sentence("Until it works, run `warifu renew` every day in another way, or by hand."),
        facts={"command": words, "reason": reason},
    )


def _no_bus(reason: str) -> ClientError:
    return ClientError(
        "noUserBus",
        sentence("There is no systemd of this user here, as without a login at a desk or by SSH ({reason})."),
        sentence(
            "As root give --system; or have root run `loginctl enable-linger` for this user and log in anew; or have "
            "cron run `warifu renew --quiet` every day."
        ),
        facts={"reason": reason},
    )


def find_program(arguments: Sequence[str], executable: str) -> tuple[str, ...]:
    """Return the words that start this program again, given how it was started (`sys.argv`, `sys.executable`).

    The command's own file where there is one; else Python with our package, not looking into the current folder.
    """
    started = Path(arguments[0]).absolute()
    if started.name == "warifu" and started.is_file():
        return (str(started),)
    windowless = Path(executable).with_name("pythonw.exe")  # a console would flash up on the user's screen
    return (str(windowless) if windowless.is_file() else executable, "-P", "-m", "client")
