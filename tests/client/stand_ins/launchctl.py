"""Plays launchctl: loads a property list once, and knows what it has loaded."""

import plistlib
from pathlib import Path


def main(state: Path, arguments: list[str]) -> int:
    """Run one command."""
    match arguments:
        case ["bootstrap", domain, file]:
            label = plistlib.loads(Path(file).read_bytes())["Label"]
            place = state / f"{domain}/{label}".replace("/", "_")
            if place.exists():
                print("Bootstrap failed: 5: Input/output error")
                return 5
            place.touch()
            return 0
        case ["bootout", target] if (state / target.replace("/", "_")).exists():
            (state / target.replace("/", "_")).unlink()
            return 0
        case ["print", target] if (state / target.replace("/", "_")).exists():
            print(f"{target} = {{ state = not running }}")
            return 0
    print("Boot-out failed: 3: No such process")
    return 3
