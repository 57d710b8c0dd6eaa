"""The published files of the source, brought along to a responder elsewhere.

A list of megabytes may take minutes on a slow line, and a revocation waits for none: files come in a thread of their
own, over a connection of their own.
"""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ca_server.operations.publication import place
from ca_server.responder.source import Source, SourceTrouble

log = logging.getLogger(__name__)

_FOLDERS: Final = {".crl": "crl", ".cer": "ca"}


class Courier:
    """Brings what was published since into one folder."""

    def __init__(self, source: Source, public_folder: Path) -> None:
        self._source = source
        self._folder = public_folder
        self._wanted: Mapping[str, int] = {}
        self._news = threading.Event()
        self._brought: dict[str, int] = {}
        self._missed: set[str] = set()

    def start(self) -> None:
        """Bring along what is wanted from now on, until the process ends."""
        threading.Thread(target=self._run, name="courier", daemon=True).start()

    def want(self, files: Mapping[str, int]) -> None:
        """Take note of what the source publishes now, each file with a number that changes with its contents."""
        self._wanted = files
        self._news.set()

    def bring(self) -> None:
        """Bring along once what is wanted and not here; a file that does not come is tried again the next time."""
        for name, stamp in self._wanted.items():
            path = self._folder / name
            folder = _FOLDERS.get(path.suffix)
            if folder is None or path.name != name or self._brought.get(name) == stamp:
                continue
            try:
                place(path, self._source.get(f"/{folder}/{name}"))
            except (SourceTrouble, OSError, ValueError) as error:  # ValueError: nothing can have that name
                if name not in self._missed:
                    self._missed.add(name)
                    log.warning("ALARM: %s could not be brought along: %s", name, error)
            else:
                self._missed.discard(name)
                self._brought[name] = stamp

    def _run(self) -> None:
        while self._news.wait():
            self._news.clear()
            self.bring()
