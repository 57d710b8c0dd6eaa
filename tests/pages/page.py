"""Runs the modules of the enrolment page, unchanged, in the node that Playwright brings, so that Python may judge them.

One process answers a whole list of calls: starting it takes longer than most of what it does.
"""

import base64
import dataclasses
import json
import subprocess
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
    run = subprocess.run(
        [_NODE, str(_HERE / script)],
        input=json.dumps(question, default=_from_bytes).encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr.decode()
    return json.loads(run.stdout, object_hook=_to_bytes)


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
