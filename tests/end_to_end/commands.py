"""The commands `warifu-ca` and `warifu` in processes forked from one that has loaded them: starting costs most of all.

Each has its own process, environment, streams and end, as if it had been started. libfaketime comes with the start of a
program, and remembers the time for a second: those who live by it are started.

A request is one datagram: command and environment, and the three streams as descriptors. What comes back is its code.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

_ROOT = Path(__file__).parents[2]
_MAINS = {"warifu-ca": "ca_server.cli", "warifu": "client.cli"}
_LOADED = (
    "ca_server.cli.application", "ca_server.cli.certificate", "ca_server.cli.init", "ca_server.cli.officer",
    "ca_server.cli.reconcile", "client.agent", "client.cli.enroll", "client.cli.renew", "client.listing",
)  # fmt: skip
_MOST = 200_000


def run(
    command: Sequence[str], variables: Mapping[str, str], stdin: str | None, seconds: float
) -> "subprocess.CompletedProcess[str]":
    """Run a command of this tree to its end; raises TimeoutExpired when it takes longer."""
    if "LD_PRELOAD" in variables:
        return subprocess.run(
            list(command),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=dict(variables),
            check=False,
        )
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        streams[0].write((stdin or "").encode())
        streams[0].seek(0)
        connection = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        connection.settimeout(seconds)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST)
        connection.connect(_origin())
        asked = {"command": list(command), "variables": dict(variables), "folder": str(Path.cwd())}
        socket.send_fds(connection, [json.dumps(asked).encode()], [each.fileno() for each in streams])
        try:
            code = int(connection.recv(16))
        except TimeoutError:
            raise subprocess.TimeoutExpired(list(command), seconds) from None
        told = [each.read().decode() for each in streams[1:] if each.seek(0) == 0]
    return subprocess.CompletedProcess(list(command), code, *told)


@functools.cache
def _origin() -> str:
    """Start what the others are forked from, once in this process, and return its address."""
    address = f"{tempfile.mkdtemp(prefix='warifu-commands-')}/asked"
    process = subprocess.Popen(
        [sys.executable, "-c", f"from tests.end_to_end.commands import serve; serve({address!r})"],
        stdin=subprocess.PIPE, cwd=_ROOT, env={name: os.environ[name] for name in os.environ.keys() - {"LD_PRELOAD"}},
    )  # fmt: skip
    atexit.register(process.communicate)
    deadline = time.monotonic() + 60
    while not Path(address).exists():
        assert process.poll() is None, "what commands are forked from has ended"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return address


def serve(address: str) -> None:
    """Fork a process for each request until standard input ends; only the forked ones return from here."""
    for name in _LOADED:
        importlib.import_module(name)
    gc.freeze()  # what is never looked through again stays shared
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(f"{address}.new")
        listening.listen(16)
        Path(f"{address}.new").rename(address)  # whoever finds it is listened to
        while (asked := _next(listening)) is not None:
            with asked:
                request, descriptors, *_ = socket.recv_fds(asked, _MOST, 3)
                if os.fork() == 0:
                    listening.close()
                    _wait_for_one(asked, descriptors)
                    _become(json.loads(request))
                for each in descriptors:
                    os.close(each)
    shutil.rmtree(Path(address).parent)


def _next(listening: socket.socket) -> socket.socket | None:
    """Return who asks next, or None when nobody will; bury who has ended meanwhile."""
    readable, _, _ = select.select([listening, 0], [], [])
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    return listening.accept()[0] if listening in readable else None


def _wait_for_one(asked: socket.socket, streams: Sequence[int]) -> None:
    """Fork once more; in the process between, wait and tell how it ended; return in the one that is to become it."""
    pid = os.fork()
    if pid:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(OSError):
            asked.send(str(code).encode())
        os._exit(0)
    asked.close()
    for descriptor, given in enumerate(streams):
        os.dup2(given, descriptor)
        os.close(given)


def _become(asked: dict[str, Any]) -> NoReturn:
    os.environ.clear()
    os.environ.update(asked["variables"])
    time.tzset()
    os.chdir(asked["folder"])
    sys.argv = asked["command"]
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", closefd=False) for number, mode in enumerate("rww")
    )
    importlib.import_module(_MAINS[Path(sys.argv[0]).name]).main()
    sys.exit(0)
