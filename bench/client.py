"""How long a person waits for `warifu`: whole processes on loopback against a real service, start to finish.

`python -m bench.client` prints medians of 20; the processor's time beside the clock's, for a busy machine is slow.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.end_to_end.agency import BIN, agency, environment

RUNS = 20


def timed(words: Sequence[str]) -> tuple[float, float]:
    """Run `warifu` once; return the seconds it took, and those of the processor."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([str(BIN / "warifu"), *words], check=True, capture_output=True, env=environment())
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure, and print a table."""
    figures: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name, agency(Path(name) / "agency") as running:
        folder = Path(name)
        for number, invitation in enumerate(running.approve(RUNS)):
            home, password = ("--home", str(folder / f"home-{number}")), folder / f"password-{number}"
            password.write_text(invitation.password)
            enrolment = ("enroll", invitation.url, "--password-file", str(password), "--yes")
            for command in (("--version",), ("status", *home)):
                figures.setdefault(f"{command[0]} before", []).append(timed(command))
            for command in ((*enrolment, "--ca-file", str(running.root), *home), ("status", *home), ("renew", *home)):
                figures.setdefault(command[0], []).append(timed(command))
    sys.stdout.write(f"{'warifu …':<16}{'median s':>10}{'least s':>10}{'processor s':>13}\n")
    for what, pairs in figures.items():
        walls, processors = zip(*pairs, strict=True)
        middle = statistics.median
        sys.stdout.write(f"{what:<16}{middle(walls):>10.2f}{min(walls):>10.2f}{middle(processors):>13.2f}\n")


if __name__ == "__main__":
    main()
