"""Makes folders and reads files of a store; written they are by `keys.keystore.write_private`, whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from client.errors import CALL_HELP_DESK, ClientError, from_keys
from client.language import sentence
from protocol.problems import Problem

_Value = TypeVar("_Value")


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, that only its owner may enter; their names are on disk when this returns."""
    for missing in reversed([each for each in (path, *path.parents) if not each.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
        if os.name == "nt":  # NTFS keeps the names in its journal, and a folder cannot be opened
            continue
        descriptor = os.open(missing.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(path: Path, parse: Callable[[bytes], _Value]) -> _Value:
    """Return what a file tells. Raises ClientError when it is missing, damaged or closed to this login."""
    try:
        return parse(path.read_bytes())
    except PermissionError as error:
        raise from_keys(error) from error
    except (OSError, ValueError, Problem) as error:
        what = sentence("{path} is missing or damaged.")
        raise ClientError("damagedStore", what, CALL_HELP_DESK, facts={"path": path}) from error
