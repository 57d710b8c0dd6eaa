"""Linux: a systemd timer and the service that it starts (systemd.timer(5), systemd.service(5)).

`Persistent` makes up for days on which the PC was off, `RandomizedDelaySec` spreads PCs. Exit code 3, try later, is no
failure of the unit: tomorrow is later.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from client.language import sentence
from client.schedule.plan import DELAY_SECONDS, Job, Plan

NAME: Final = "warifu-renew"


def plan(job: Job, folder: Path) -> Plan:
    """Return the plan; `folder` is where units of this kind lie."""
    systemctl = ("systemctl",) if job.system else ("systemctl", "--user")
    timer = f"{NAME}.timer"
    return Plan(
        files={folder / f"{NAME}.service": service(job).encode(), folder / timer: timer_unit().encode()},
        install=[(*systemctl, "daemon-reload"), (*systemctl, "enable", "--now", timer)],
        remove=[(*systemctl, "disable", "--now", timer)],
        show=(*systemctl, "list-timers", "--all", "--no-pager", timer),
        read=_command_of,
        hint="" if job.system else _LINGER,
    )


_LINGER = sentence(
    "It runs while you are logged in, and makes up for what it missed; `loginctl enable-linger` lets it run always."
)


def service(job: Job) -> str:
    """Return the service unit."""
    network = "Wants=network-online.target\nAfter=network-online.target\n" if job.system else ""
    return f"""\
[Unit]
Description=Renew client certificates (warifu)
{network}
[Service]
Type=oneshot
SuccessExitStatus=3
ExecStart={exec_start(job.command)}
"""


def timer_unit() -> str:
    """Return the timer unit."""
    return f"""\
[Unit]
Description=Renew client certificates daily (warifu)

[Timer]
OnCalendar=daily
RandomizedDelaySec={DELAY_SECONDS}
Persistent=true

[Install]
WantedBy=timers.target
"""


def exec_start(command: Sequence[str]) -> str:
    """Return a command line; a program whose path systemd takes otherwise than an argument is started by env.

    It finds quotes and backslashes unsafe there, and leaves $$ as it is.
    """
    words = (_ENV, *command) if set(command[0]) & set("\"'\\$") else command
    return " ".join(quoted(word) for word in words)


_ENV = "/usr/bin/env"
_SPECIAL = (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$"))
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')


def _command_of(content: bytes) -> Sequence[str]:
    """Return the words that `exec_start` wrote."""
    line = next((each for each in content.decode().splitlines() if each.startswith("ExecStart=")), "")
    words = [
        re.sub(r"\\(.)|(%)%|(\$)\$", lambda found: "".join(filter(None, found.groups())), each)
        for each in _WORD.findall(line)
    ]
    return words[1:] if words[:1] == [_ENV] else words


def quoted(word: str) -> str:
    """Return a word of ExecStart, in which quotes, backslashes, % and $ have a meaning (systemd.service(5))."""
    for special, meant in _SPECIAL:
        word = word.replace(special, meant)
    return f'"{word}"'
