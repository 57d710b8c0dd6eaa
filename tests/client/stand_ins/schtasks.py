"""Plays schtasks.exe: takes a task as XML in UTF-16 and starts what it says when asked to."""

import shutil
from pathlib import Path
from xml.etree import ElementTree

_NAMESPACE = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}


def main(state: Path, arguments: list[str]) -> int:
    """Run one command."""
    match arguments:
        case ["/Create", "/TN", name, "/XML", file, "/F"]:
            content = Path(file).read_bytes()
            assert content.startswith(b"\xff\xfe"), "UTF-16 with a byte order mark"
            root = ElementTree.fromstring(content.decode("utf-16").partition("?>")[2])
            for path in ("t:Triggers/t:CalendarTrigger/t:RandomDelay", "t:Settings/t:StartWhenAvailable"):
                assert root.find(path, _NAMESPACE) is not None, path
            shutil.copy(file, _place(state, name))
            print(f'SUCCESS: The scheduled task "{name}" has successfully been created.')
            return 0
        case ["/Delete", "/TN", name, "/F"] if _place(state, name).exists():
            _place(state, name).unlink()
            return 0
        case ["/Query", "/TN", name, "/V", "/FO", "LIST"] if _place(state, name).exists():
            root = ElementTree.fromstring(_place(state, name).read_bytes().decode("utf-16").partition("?>")[2])
            print(f"TaskName: \\{name}\nTask To Run: {root.findtext('.//t:Command', '', _NAMESPACE)}")
            return 0
    print("ERROR: The system cannot find the file specified.")
    return 1


def _place(state: Path, name: str) -> Path:
    return state / name.replace("\\", "_")
