"""macOS: a property list for launchd (launchd.plist(5)): an agent of the user, or a daemon of the machine.

launchd makes up for a start that was slept through, but spreads nothing: the command waits for a random time itself.
"""

import plistlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.parsers.expat import ExpatError

from client.schedule.plan import DELAY_SECONDS, Job, Plan

LABEL: Final = "warifu.renew"


def plan(job: Job, folder: Path, uid: int) -> Plan:
    """Return the plan; `folder` is where property lists of this kind lie, `uid` whose agent it is."""
    file = folder / f"{LABEL}.plist"
    domain = "system" if job.system else f"gui/{uid}"
    return Plan(
        files={file: property_list(job)},
        install=[("launchctl", "bootstrap", domain, str(file))],
        remove=[("launchctl", "bootout", f"{domain}/{LABEL}")],
        show=("launchctl", "print", f"{domain}/{LABEL}"),
        read=_command_of,
    )


def _command_of(content: bytes) -> Sequence[str]:
    try:
        return [str(word) for word in plistlib.loads(content)["ProgramArguments"]]
    except ExpatError:
        return ()


def property_list(job: Job) -> bytes:
    """Return the property list."""
    members = {
        "Label": LABEL,
        "ProgramArguments": [*job.command, "--random-delay", str(DELAY_SECONDS)],
        "StartCalendarInterval": {"Hour": 0, "Minute": 0},
        "ProcessType": "Background",
    }
    return plistlib.dumps(members, sort_keys=False)
