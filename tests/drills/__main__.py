"""`python -m tests.drills [NAME…]`: what is demanded beside what was measured. Exit 1 when a figure is missed."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.drills import canaries, crash, disk, flood, fuzz, mail, ocsp, race, seen, slow, tls, walks
from tests.drills.figures import Figure, missed, table

DRILLS: dict[str, Callable[[Path], list[Figure]]] = {
    "race": race.drill,
    "crash": crash.drill,
    "fuzz": fuzz.drill,
    "disk": disk.drill,
    "mail": mail.drill,
    "ocsp": ocsp.drill,
    "slow": slow.drill,
    "tls": tls.drill,
    "walks": walks.drill,
    "canaries": canaries.drill,
    "seen": seen.drill,
    "flood": flood.drill,
}


def main() -> int:
    """Run the drills that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(DRILLS))
    names = parser.parse_args().names or list(DRILLS)
    unknown = [name for name in names if name not in DRILLS]
    if unknown:
        parser.error(f"there is no drill {unknown[0]}; there are {', '.join(DRILLS)}")
    figures: list[Figure] = []
    for name in names:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"warifu-{name}-", ignore_cleanup_errors=True) as folder:
            figures += DRILLS[name](Path(folder))
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    print("\n".join(table(figures)))
    return 1 if missed(figures) else 0


if __name__ == "__main__":
    sys.exit(main())
