"""Workbooks in the hands of a person: filled in and looked at with LibreOffice, as the office of an institution does.

One LibreOffice serves all tests, for its start costs seconds. typist.py sits at it, a program of Debian's Python, to
which `uno` belongs; what is saved here was therefore saved by LibreOffice itself, with its ways and its cached values.
"""

import contextlib
import dataclasses
import json
import os
import selectors
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

_DEBIAN_PYTHON = "/usr/bin/python3"
_TYPIST = Path(__file__).with_name("typist.py")
_SECONDS = 90  # for one job; the first waits for LibreOffice as well
_PACKAGES = {"soffice": "libreoffice-calc", "pdftoppm": "poppler-utils"}

Cells = Sequence[tuple[str, str]]
"""Cells by the title of the sheet and the address."""
Copies = Sequence[tuple[str, str]]
"""Sheets that are copied, and the titles of the copies."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """What somebody enters into a cell; an empty text is the delete key."""

    sheet: str
    cell: str
    text: str
    pasted: bool = False
    """Whether it comes from the clipboard, which no validation looks at."""


@dataclasses.dataclass(frozen=True)
class Step:
    """What came of an entry."""

    entry: Entry
    took: bool
    """Whether the cell took it: no when it is locked, or the entry is against the rules of the cell."""
    shown: tuple[str, ...]
    """What the cells that were looked at showed after it."""


class Spreadsheet:
    """LibreOffice, with somebody who types."""

    def __init__(self, folder: Path) -> None:
        # A session of its own, so that LibreOffice can be ended with it; on no screen, and in no other days than ours.
        self._typist = subprocess.Popen(
            [_DEBIAN_PYTHON, str(_TYPIST), str(folder / "profile")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name not in ("DISPLAY", "LD_PRELOAD")},
            text=True,
            start_new_session=True,
        )

    def fill(
        self, blank: Path, filled: Path, entries: Sequence[Entry], *, look: Cells = (), copies: Copies = ()
    ) -> list[Step]:
        """Fill in a copy of a workbook and look at cells after each entry; copy sheets past its protection; save."""
        typed = [dataclasses.asdict(entry) for entry in entries]
        done = self._do(blank=str(blank), filled=str(filled), entries=typed, look=look, copies=copies)
        return [
            Step(entry, step["took"], tuple(step["shown"])) for entry, step in zip(entries, done["steps"], strict=True)
        ]

    def render(self, workbook: Path) -> list[Path]:
        """Return pictures of a workbook's pages beside it, for people to look at."""
        pdf = workbook.with_suffix(".pdf")
        self._do(workbook=str(workbook), pdf=str(pdf))
        subprocess.run(
            ["pdftoppm", "-r", "70", "-png", str(pdf), str(workbook.with_suffix(""))], check=True, timeout=60
        )
        return sorted(workbook.parent.glob(f"{workbook.stem}-*.png"))

    def close(self) -> None:
        """Leave LibreOffice; what does not leave is ended."""
        assert self._typist.stdin is not None
        assert self._typist.stdout is not None
        try:
            self._typist.stdin.close()
            self._typist.wait(20)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._typist.pid, signal.SIGKILL)
            self._typist.wait()
            self._typist.stdout.close()

    def _do(self, **job: object) -> Any:
        assert self._typist.stdin is not None
        assert self._typist.stdout is not None
        self._typist.stdin.write(json.dumps(job) + "\n")
        self._typist.stdin.flush()
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._typist.stdout, selectors.EVENT_READ)
            assert waiting.select(_SECONDS), "LibreOffice did not answer"
        answer = json.loads(self._typist.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer


@contextlib.contextmanager
def spreadsheet(folder: Path) -> Iterator[Spreadsheet]:
    """Run LibreOffice, or skip the test naming the Debian packages that bring it."""
    missing = [package for program, package in _PACKAGES.items() if shutil.which(program) is None]
    if subprocess.run([_DEBIAN_PYTHON, "-c", "import uno"], capture_output=True, check=False).returncode != 0:
        missing.append("python3-uno")
    if missing:
        pytest.skip(f"a spreadsheet program is missing: install the Debian packages {' '.join(missing)}")
    running = Spreadsheet(folder)
    try:
        yield running
    finally:
        running.close()
