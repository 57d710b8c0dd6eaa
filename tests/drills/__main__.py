"""`python -m tests.drills [NAME…]`: what is demanded beside what was measured. Exit 1 when a figure is missed.

Each drill has a short form or a long one (`--long`), or both; without names all of that kind are run.
"""

import argparse
import dataclasses
import functools
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.drills import (
    canaries,
    crash,
    disk,
    flood,
    fuzz,
    inserts,
    jumps,
    limits,
    mail,
    ocsp,
    primary,
    race,
    restore,
    seen,
    slow,
    soak,
    stopping,
    sync_points,
    tampering,
    tls,
    two_servers,
    unknown,
    walks,
    write_sites,
)
from tests.drills.figures import Figure, missed, table

Drill = Callable[[Path], list[Figure]]

_AT_ONCE = 2  # of the short ones, which mostly wait; the long ones measure times, each alone

SHORT: dict[str, Drill] = {
    "crash": functools.partial(crash.drill, enrolments=1_000, kills=60),
    "syncs": functools.partial(sync_points.drill, every=5),
    "writes": functools.partial(write_sites.drill, every=20),
    "inserts": inserts.drill,
    "race": functools.partial(race.drill, urls=60),
    "disk": functools.partial(disk.drill, full=20),
    "mail": functools.partial(mail.drill, outages=((mail.DOWN,),), certificates=100),
    "clock": jumps.drill,
    "stop": stopping.drill,
    "limits": limits.drill,
    "unknown": unknown.drill,
    "canaries": canaries.drill,
    "walks": walks.drill,
    "tampering": tampering.drill,
    "restore": restore.drill,
    "two": functools.partial(two_servers.drill, urls=60, replays=20, enrolments=30),
    "primary": functools.partial(primary.drill, enrolments=60),
}
LONG: dict[str, Drill] = {
    "crash": functools.partial(crash.drill, enrolments=10_000, kills=1_000),
    "syncs": sync_points.drill,
    "writes": write_sites.drill,
    "race": functools.partial(race.drill, urls=500),
    "mail": mail.drill,
    "soak": soak.drill,
    "fuzz": fuzz.drill,
    "ocsp": ocsp.drill,
    "slow": slow.drill,
    "tls": tls.drill,
    "seen": seen.drill,
    "flood": flood.drill,
    "restore": functools.partial(restore.drill, grow=10_000, log=True),
    "two": two_servers.drill,
    "primary": primary.drill,
}


def main() -> int:
    """Run the drills that were named, or all short ones, or all long ones."""
    asked = _asked()
    names = asked.names or list(LONG if asked.long else SHORT)
    running: list[subprocess.Popen[bytes]] = []

    def end(*_: object) -> None:
        """End what was started, as whoever ends the drills means it."""
        for each in running:
            each.terminate()
        sys.exit(1)

    signal.signal(signal.SIGTERM, end)
    if len(names) == 1:
        figures = _run(names[0], asked)
    else:
        with ThreadPoolExecutor(1 if asked.long else _AT_ONCE) as pool:
            figures = [each for found in pool.map(lambda name: _apart(name, asked, running), names) for each in found]
    if asked.json:
        print(json.dumps([dataclasses.asdict(figure) for figure in figures], ensure_ascii=False, indent=1))
    else:
        print("\n".join(table(figures)))
    return 1 if missed(figures) else 0


def _asked() -> argparse.Namespace:
    names = ", ".join(dict.fromkeys((*SHORT, *LONG)))
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=names)
    parser.add_argument("--long", action="store_true", help="the long form of each drill")
    parser.add_argument("--minutes", type=float, help="how long the soak lasts (20)")
    parser.add_argument("--json", action="store_true", help="one JSON list of figures instead of a table")
    asked = parser.parse_args()
    unheard = [name for name in asked.names if name not in SHORT and name not in LONG]
    if unheard:
        parser.error(f"there is no drill {unheard[0]}; there are {names}")
    return asked


def _run(name: str, asked: argparse.Namespace) -> list[Figure]:
    """Run a drill; one that breaks off has missed its figures, and the others are run all the same."""
    first, second = (LONG, SHORT) if asked.long else (SHORT, LONG)
    drill = first.get(name) or second[name]
    drill = functools.partial(drill, minutes=asked.minutes) if asked.minutes and name == "soak" else drill
    with tempfile.TemporaryDirectory(prefix=f"warifu-{name}-", ignore_cleanup_errors=True) as folder:
        try:
            return drill(Path(folder))
        except Exception as error:
            return [_broken_off(name, f"{error!r:.2000}")]


def _broken_off(name: str, why: str) -> Figure:
    return Figure(f"{name}: broke off", "no", "yes", met=False, findings=(why,))


def _apart(name: str, asked: argparse.Namespace, running: list[subprocess.Popen[bytes]]) -> list[Figure]:
    """Run a drill in a process of its own, for some change the environment that others start their services in."""
    started = time.monotonic()
    options = ["--long"] * asked.long + (["--minutes", str(asked.minutes)] if asked.minutes else [])
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.drills", name, "--json", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    running.append(process)
    said, complaints = process.communicate()
    try:
        found = [Figure(**each) for each in json.loads(said)]
    except ValueError:
        found = [_broken_off(name, complaints.decode("utf-8", "replace")[-2000:])]
    verdict = f"{len(missed(found))} figures missed" if missed(found) else "as demanded"
    print(f"{name}: {verdict}, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
