"""`make bench`: every figure of the README by one command in one run, peers beside us.

What a server answers is judged before it is timed. Servers take turns in five rounds; a figure is the median of the
rounds with the least and the most, a ratio is taken pair by pair. CPU is user's and system's time of a server's whole
process tree. A section that fails is told of, and the others go on.
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import client, crl, enrolment, growth, ocsp, picture, report
from bench.figures import Findings
from bench.rounds import Asked, Step

SECTIONS: dict[str, Callable[[Asked], Iterator[Step]]] = {
    "ocsp": ocsp.steps,
    "crl": crl.steps,
    "growth": growth.steps,
    "enrolment": enrolment.steps,
    "client": client.steps,
}


def main() -> int:
    """Measure what was asked for, print it, and return 1 when something failed."""
    words = argparse.ArgumentParser(prog="python -m bench", description="\n".join(__doc__.splitlines()[:1]))
    words.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all when none is named"
    )
    words.add_argument("--quick", action="store_true", help="one short round on small records: does it all work?")
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--json", type=Path, metavar="FILE", help="write every round's values")
    words.add_argument("--picture", type=Path, metavar="FILE", help="draw the figures (SVG)")
    words.add_argument("--markdown", action="store_true", help="print tables for the README instead")
    asked = words.parse_args()
    unknown = [name for name in asked.sections if name not in SECTIONS]
    if unknown:
        words.error(f"there is no section {', '.join(unknown)}")
    began, load = time.monotonic(), os.getloadavg()[0]
    found = []
    for name in asked.sections or SECTIONS:
        with tempfile.TemporaryDirectory(prefix=f"warifu-bench-{name}-", ignore_cleanup_errors=True) as folder:
            plan = Asked(Path(folder), 1, 1, True) if asked.quick else Asked(Path(folder), asked.rounds)
            found.append(measured(name, plan))
    machine = report.machine(load, time.monotonic() - began, quick=asked.quick)
    print(report.markdown(machine, found) if asked.markdown else report.text(machine, found))
    if asked.json is not None:
        asked.json.write_text(report.json_of(machine, found), "utf-8")
    if asked.picture is not None:
        asked.picture.write_text(picture.drawn(machine, found), "utf-8")
    return 1 if any(each.faults for each in found) else 0


def measured(name: str, asked: Asked) -> Findings:
    """Carry a section out; what fails is noted and takes nothing else with it."""
    findings = Findings(name)
    try:
        for what, step in SECTIONS[name](asked):
            print(f"{name}: {what}", file=sys.stderr)
            try:
                findings.tables.append(step())
            except Exception as error:
                _note(findings, f"{what}: {error}")
    except Exception as error:
        _note(findings, str(error))
    return findings


def _note(findings: Findings, fault: str) -> None:
    traceback.print_exc(file=sys.stderr)
    findings.faults.append(fault)


if __name__ == "__main__":
    sys.exit(main())
