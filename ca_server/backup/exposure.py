"""Alarms for files that others on the machine can reach: keys that they may read, records that they may alter.

One wrong `cp -r` is enough. Which of the configuration's files are secret is told by `contents`; a folder that lets
nobody in covers what lies in it.
"""

import stat
from collections.abc import Iterator
from pathlib import Path

from ca_server.backup import contents
from ca_server.config import Config
from ca_server.officer_keys import WRITABLE_BY_OTHERS


def exposed(config: Config) -> tuple[str, ...]:
    """Return an alarm for each file, with the way out; one that is not there exposes nothing."""
    return tuple(_exposed(config))


def _exposed(config: Config) -> Iterator[str]:
    for path in contents.secrets(config):
        if others_have(path, stat.S_IROTH | stat.S_IWOTH):
            yield f"Others may read or change {path}: chmod 600 it, and ask whether it must be replaced."
    keys = config.applications.officer_keys
    if _mode(keys) & WRITABLE_BY_OTHERS:
        yield f"Others may change {keys}, so no signature counts: chmod go-w it, and see who stands in it."
    records = config.server.database
    altered = [config.path] if not isinstance(records, Path) else [config.path, records]
    for path in altered:
        if others_have(path, stat.S_IWOTH):
            yield f"Others may change {path}: chmod 600 it, and see `warifu-ca reconcile`."


def _mode(path: Path) -> int:
    """Return the rights of a file, none of one that is not there or cannot be asked about."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def others_have(path: Path, rights: int) -> bool:
    """Tell whether everybody has one of the rights (of `stat`), and comes through the folders on the way."""
    whole = path.absolute()
    try:
        return bool(whole.stat().st_mode & rights) and all(each.stat().st_mode & stat.S_IXOTH for each in whole.parents)
    except OSError:
        return False
