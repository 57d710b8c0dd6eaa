"""How long a person waits for `warifu`: whole processes on loopback against a real service, start to finish.

The processor's time stands beside the clock's, for a busy machine is slow.
"""

import resource
import subprocess
import time
from collections.abc import Iterator, Sequence
from functools import partial

from bench.figures import Figure, Row, Table
from bench.rounds import Asked, Step
from tests.end_to_end.agency import BIN, agency, environment

_RUNS, _QUICK = 20, 2


def steps(asked: Asked) -> Iterator[Step]:
    """Yield what is measured."""
    yield "commands", partial(_commands, asked)


def _timed(words: Sequence[str]) -> tuple[float, float]:
    """Run `warifu` once; return the seconds it took, and those of the processor."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([str(BIN / "warifu"), *words], check=True, capture_output=True, env=environment())
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _commands(asked: Asked) -> Table:
    runs = _QUICK if asked.quick else _RUNS
    figures: dict[str, list[tuple[float, float]]] = {}
    with agency(asked.folder / "agency") as running:
        for number, invitation in enumerate(running.approve(runs)):
            home, password = ("--home", str(asked.folder / f"home-{number}")), asked.folder / f"password-{number}"
            password.write_text(invitation.password)
            enrolment = ("enroll", invitation.url, "--password-file", str(password), "--yes")
            commands: dict[str, Sequence[str]] = {
                "--version": ("--version",),
                "status, nothing there": ("status", *home),
                "enroll": (*enrolment, "--ca-file", str(running.root), *home),
                "status": ("status", *home),
                "renew": ("renew", *home),
            }
            for what, command in commands.items():
                figures.setdefault(what, []).append(_timed(command))
    rows = []
    for what, pairs in figures.items():
        walls, processors = zip(*pairs, strict=True)
        rows.append(Row(f"warifu {what}", {"s": Figure(walls), "CPU s": Figure(processors)}))
    return Table(f"The client: {runs} whole processes each", tuple(rows), drawn=("s",))
