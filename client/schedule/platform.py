"""Chooses the plan for a platform, with the places that it keeps such things in."""

import os
from collections.abc import Mapping
from pathlib import Path

from client.errors import ClientError
from client.language import sentence
from client.schedule import launchd, systemd, windows_task
from client.schedule.plan import Job, Plan


def plan_for(platform: str, job: Job, home: Path, environment: Mapping[str, str]) -> Plan:
    """Return the plan for a platform, a word of `sys.platform`; `home` is the store's folder.

    Raises ClientError for a platform that has no schedule known to us, and for a path that would not stay one word.
    """
    for word in job.command:
        if not word.isprintable():
            raise ClientError(
                "unusablePath",
                sentence("A schedule cannot hold {path}: there are control characters in it."),
                sentence("Give the folder another name."),
                facts={"path": ascii(word)},
            )
    if platform == "linux":
        return systemd.plan(job, Path("/etc/systemd/system") if job.system else _config(environment) / "systemd/user")
    if platform == "win32":
        user = f"{environment.get('USERDOMAIN', '.')}\\{environment.get('USERNAME', '')}"
        return windows_task.plan(job, home, user)
    if platform == "darwin":
        library = Path("/Library/LaunchDaemons") if job.system else _person(environment) / "Library/LaunchAgents"
        return launchd.plan(job, library, 0 if job.system else os.getuid())
    raise ClientError(
        "noSchedule",
        sentence("There is no schedule for {platform}."),
        sentence("Have cron run `warifu renew` every day."),
        facts={"platform": platform},
    )


def _config(environment: Mapping[str, str]) -> Path:
    given = environment.get("XDG_CONFIG_HOME")
    return Path(given) if given else _person(environment) / ".config"


def _person(environment: Mapping[str, str]) -> Path:
    given = environment.get("HOME")
    return Path(given) if given else Path.home()
