"""What a process costs is counted whole, and nothing of ours with it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench.processes import cpu_seconds, memory, run, running, tree, wait_until_listening
from tests.end_to_end.agency import free_ports

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}])
child = subprocess.Popen([sys.executable, "-c", {BURN!r} + "print(flush=True); input()"], stdin=subprocess.PIPE)
child.wait()
"""


def test_cpu_counts_children_that_run_and_children_that_ended() -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()  # the second child has burnt its share
        assert len(tree(parent.pid)) == 2
        assert 0.55 < cpu_seconds(parent.pid) < 2
        parent.kill()  # and the child, whose standard input ends


def test_memory_counts_shared_pages_once_in_pss() -> None:
    held = memory(os.getpid())
    assert 5 < held.pss <= held.rss


def test_the_peak_of_a_program_is_its_own_and_not_that_of_who_started_it() -> None:
    ours = bytearray(200 << 20)
    assert run(["true"]).peak < 50 < len(ours) >> 20
    assert run([sys.executable, "-c", "bytearray(100 << 20)"]).peak > 100


def test_a_program_that_fails_is_told_of_with_its_words() -> None:
    with pytest.raises(RuntimeError, match="ended with 3: no such thing"):
        run(["sh", "-c", "echo no such thing; exit 3"])


def test_a_server_that_listens_is_known_without_a_connection(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    listening = (
        f"import socket; s = socket.create_server(('127.0.0.1', {port})); s.settimeout(20); s.accept(); print('met')"
    )
    log = tmp_path / "log"
    with running([sys.executable, "-u", "-c", listening], log) as process:
        wait_until_listening(port, process, log)
        assert log.read_text() == ""
        socket.create_connection(("127.0.0.1", port)).close()
        process.wait(10)
    assert log.read_text() == "met\n"
