"""Runs `warifu` again and again in children of one process, and kills a child (SIGKILL) just before its n-th write.

Writes are changes of names in a folder, for contents are synced before they get their names, and changes of a PKCS#11
token. Each line of standard input is a run in JSON: words, password, and n, 0 for not killed; each line of output is
what became of it: the exit code, or minus the signal. One process for all, because starting costs more than running.
"""

import gc
import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import client.agent
import client.cli.enroll
import client.cli.renew
import client.config_file
import client.enrolment
import client.export
import client.listing
import client.stores.pkcs11
from client.cli import main
from client.config import agent, default_file

_NAMES = ("replace", "rename", "hardlink_to", "unlink", "symlink_to", "mkdir")
_TOKEN = ("create_object", "generate_keypair", "destroy", "__setitem__")


class Fate:
    """Counts writes and ends the process before one of them."""

    def __init__(self, deadly: int) -> None:
        self._left = deadly

    def __call__(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def written(*arguments: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return write(*arguments, **named)

        return written


class Watched:
    """An object of a token, or a session, whose changes are counted; all else goes through."""

    def __init__(self, inner: Any, fate: Fate) -> None:
        self._inner, self._fate = inner, fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name in _TOKEN:
            return self._fate(found)
        if name in ("get_objects", "create_domain_parameters"):
            return lambda *arguments, **named: self._wrapped(found(*arguments, **named))
        return found

    def __getitem__(self, name: Any) -> Any:
        return self._inner[name]

    def __setitem__(self, name: Any, value: Any) -> None:
        self._fate(self._inner.__setitem__)(name, value)

    def _wrapped(self, found: Any) -> Any:
        if hasattr(found, "__next__"):
            return iter([Watched(each, self._fate) for each in found])
        return Watched(found, self._fate)


def run(order: dict[str, Any]) -> None:
    """Run the command to its end, or to its death."""
    if order["n"]:
        fate = Fate(order["n"])
        for name in _NAMES:
            setattr(Path, name, fate(getattr(Path, name)))
        shutil.rmtree = fate(shutil.rmtree)  # type: ignore[assignment]
        opened = client.stores.pkcs11.Pkcs11._opened
        client.stores.pkcs11.Pkcs11._opened = lambda self: Watched(opened(self), fate)  # type: ignore[method-assign,assignment]
    sys.stdin = io.TextIOWrapper(io.BytesIO(order["password"].encode()))
    sys.stdout = sys.stderr
    main(order["words"])


agent()
default_file()
gc.freeze()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run(json.loads(line))
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
