"""No memory of a process that may open keys gets onto a disk, nor to another process of the same login.

A core would hold them (core(5)), and who may debug a process may read them (ptrace(2), PR_SET_DUMPABLE in prctl(2)).
"""

import ctypes
import resource
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def forbid() -> None:
    """Forbid cores and debuggers for the rest of this process; what it starts forbids them for itself."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
