"""`python -m tests.rehearsal`: two years of thirty PCs under one clock. Exit 1 when a figure is missed.

The figures go to standard output, the picture to `--picture`.
"""

import argparse
import sys
import time
from pathlib import Path

from tests.drills.figures import missed, table
from tests.rehearsal import cast
from tests.rehearsal.machine import MISSING, has_faketime
from tests.rehearsal.picture import picture
from tests.rehearsal.rehearse import DEFECTS, rehearse


def main() -> int:
    """Play, print the figures, draw the picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal", description=__doc__)
    parser.add_argument("--walk", action="store_true", help="play the short walk, as `make test` does")
    parser.add_argument("--defect", choices=DEFECTS, help="plant a defect, which must show")
    parser.add_argument("--picture", type=Path, help="draw the picture (SVG) into this file")
    asked = parser.parse_args()
    if not has_faketime():
        parser.error(MISSING)
    started = time.monotonic()
    played = cast.WALK if asked.walk else cast.WHOLE

    def watch(month: str) -> None:
        print(f"{time.monotonic() - started:4.0f} s  {month}", file=sys.stderr, flush=True)

    play, figures = rehearse(played, watch, processes=True, defect=asked.defect)
    if asked.picture is not None:
        asked.picture.write_text(picture(play), "utf-8")
    print("\n".join(table(figures)))
    print(f"\n{time.monotonic() - started:.0f} s", file=sys.stderr)
    return 1 if missed(figures) else 0


if __name__ == "__main__":
    sys.exit(main())
