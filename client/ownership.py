"""Tells who may change what lies at a path: what others may write must not run with our rights.

On Windows the access lists are what counts, and nothing is looked at here.
"""

import os
import stat
import sys
from collections.abc import Collection
from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def ours() -> set[int]:
    """Return the users who may write what we run: this one, and root."""
    return set() if sys.platform == "win32" else {0, os.geteuid()}


def open_to_others(path: Path, owners: Collection[int]) -> Path | None:
    """Return the file or folder, on the way from a path up to /, that others than its owners may change; None if none.

    Looked at are the path as it is given and the path that its links lead to; what is not there yet is passed over. In
    a folder with the sticky bit, as /tmp, others cannot touch what belongs to an owner.
    """
    if sys.platform == "win32":
        return None
    given, target = path.absolute(), path.resolve()
    for end in dict.fromkeys((target, given)):
        for each in (end, *end.parents):
            if os.path.lexists(each) and _is_open(each, owners, above=each != end):
                return each
    return None


def _is_open(path: Path, owners: Collection[int], *, above: bool) -> bool:
    found = path.lstat()
    if found.st_uid not in owners:
        return True
    if stat.S_ISLNK(found.st_mode) or (above and found.st_mode & stat.S_ISVTX):
        return False
    return bool(found.st_mode & _OTHERS_WRITE)
