"""Demands that what runs with the machine's rights lies where only its administrators may write.

Else any user of the PC could have root run a program of theirs.
"""

import sys
import sysconfig
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePath, PureWindowsPath
from typing import Final

import client
from client.errors import ClientError
from client.language import sentence
from client.ownership import open_to_others

ROOT: Final = 0

_WINDOWS_PLACES = ("ProgramFiles", "ProgramFiles(x86)", "SystemRoot")
"""The variables that name folders in which, as Windows comes, only administrators and the system may write."""

_PROGRAM, _HOME, _CONFIG = sentence("the program"), sentence("the folder --home"), sentence("the file --config")


def parts_of(program: Path, home: Path, configured: Iterable[Path]) -> dict[PurePath, str]:
    """Return all that a scheduled run reads programs or settings from, and what to call it.

    `configured` is the configuration file, if there is one, and what it names.
    """
    packages = (Path(client.__file__).parent, Path(sysconfig.get_paths()["purelib"]))
    named: dict[PurePath, str] = dict.fromkeys((program, Path(sys.executable), *packages), _PROGRAM)
    return {**named, home: _HOME, **dict.fromkeys(configured, _CONFIG)}


def require_administrators(
    parts: Mapping[PurePath, str], owners: Collection[int], platform: str, environment: Mapping[str, str]
) -> None:
    """Do nothing if only `owners` may write the parts and what is above them. Raises ClientError that names the path.

    On Windows the part must lie below the folders of programs or of the system.
    """
    for path, what in parts.items():
        other = _open_on_windows(path, environment) if platform == "win32" else open_to_others(Path(path), owners)
        if other is not None:
            raise ClientError(
                "unsafeSchedule",
                sentence(
                    "For the whole machine {path} will not do ({what}): others than administrators may write {other}."
                ),
                sentence(
                    "Keep program, --home and --config where only administrators may write, such as /opt, /var/lib and "
                    "/etc, or C:\\Program Files; or leave --system out."
                ),
                facts={"path": path, "what": what, "other": other},
            )


def _open_on_windows(path: PurePath, environment: Mapping[str, str]) -> PurePath | None:
    places = [PureWindowsPath(environment[name]) for name in _WINDOWS_PLACES if environment.get(name)]
    inside = ".." not in path.parts and any(PureWindowsPath(path).is_relative_to(each) for each in places)
    return None if inside else path
