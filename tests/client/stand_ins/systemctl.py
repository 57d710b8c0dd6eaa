"""Plays systemctl: knows which timers are enabled, and refuses one whose unit file is not there."""

import os
from pathlib import Path


def main(state: Path, arguments: list[str]) -> int:
    """Run one command."""
    units = Path(os.environ["XDG_CONFIG_HOME"]) / "systemd" / "user"
    assert arguments[0] == "--user"
    match arguments[1:]:
        case ["daemon-reload"]:
            return 0
        case ["enable", "--now", unit]:
            if not (units / unit).exists():
                print(f"Failed to enable unit: Unit file {unit} does not exist.")
                return 1
            (state / unit).touch()
            return 0
        case ["disable", "--now", unit]:
            (state / unit).unlink()
            return 0
        case ["list-timers", "--all", "--no-pager", unit]:
            print(f"NEXT LEFT LAST PASSED UNIT ACTIVATES\n- - - - {unit if (state / unit).exists() else ''}")
            return 0
    print("Unknown command verb.")
    return 1
