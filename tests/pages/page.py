"""Runs the modules of the enrolment page, unchanged, in the node that Playwright brings, so that Python may judge them.

One process a script answers all questions: starting it takes longer than most of what it does.
"""

import atexit
import base64
import dataclasses
import functools
import json
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis.strategies import SearchStrategy
from playwright._impl._driver import compute_driver_executable

_HERE = Path(__file__).parent
_NODE = compute_driver_executable()[0]


@dataclasses.dataclass(frozen=True)
class Refused:
    """The name of the error that a call threw, and its code where it has one."""

    error: str
    code: str | None = None


def call(module: str, name: str, *calls: Sequence[object]) -> list[Any]:
    """Return what a function of a module gives for each list of arguments, a Refused where it threw."""
    outcomes = ask("calls.mjs", {"module": module, "name": name, "calls": calls})
    return [
        Refused(outcome["refused"], outcome.get("code")) if "refused" in outcome else outcome.get("value")
        for outcome in outcomes
    ]


def ask(script: str, question: object) -> Any:
    """Return the answer of a script beside this file to a question; bytes travel both ways."""
    node = _running(script)
    assert node.stdin is not None
    assert node.stdout is not None
    impatient = threading.Timer(60, node.kill)
    impatient.start()
    try:
        node.stdin.write(json.dumps(question, default=_from_bytes).encode() + b"\n")
        node.stdin.flush()
        answer = node.stdout.readline()
    finally:
        impatient.cancel()
    if not answer:
        _running.cache_clear()  # the next question is asked of another
    assert answer, "node has told above why it ended, or has taken a minute"
    return json.loads(answer, object_hook=_to_bytes)


@functools.cache
def _running(script: str) -> "subprocess.Popen[bytes]":
    """Start a script, once in this process."""
    node = subprocess.Popen([_NODE, str(_HERE / script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(node.communicate)  # it ends with what it is asked through
    return node


def examples(strategy: SearchStrategy[Any], count: int) -> list[Any]:
    """Return texts and the like that hypothesis thinks of, always the same ones."""
    found: list[Any] = []

    @settings(max_examples=count, derandomize=True, database=None, deadline=None)
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


def _from_bytes(value: object) -> object:
    assert isinstance(value, bytes)
    return {"$bytes": base64.b64encode(value).decode("ascii")}


def _to_bytes(members: dict[str, Any]) -> Any:
    return base64.b64decode(members["$bytes"]) if members.keys() == {"$bytes"} else members
