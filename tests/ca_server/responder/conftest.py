"""A ready store with its keeper and a worker, and a running CA."""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from ca_server.responder.ready import Keeping
from ca_server.web.doorman import tells_no_request_line
from tests.ca_server.authority.conftest import pkilint
from tests.ca_server.responder.serving import Served
from tests.ca_server.responder.stand import Stand
from tests.ca_server.web.conftest import _pages_made_once, folder, holder, office, opened

__all__ = ["_pages_made_once", "folder", "holder", "office", "opened", "pkilint"]


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have the kernel tell another boot id from now on."""
    told = tmp_path / "boot_id"
    monkeypatch.setattr("ca_server.responder.ready._BOOT_ID", told)

    def started(name: str) -> None:
        told.write_text(f"{name}\n", "ascii")

    return started


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """A keeper and a worker in this process, which share one view of the file: LMDB opens none twice in a process."""
    with contextlib.closing(Keeping.open(tmp_path / "ready")) as keeping:
        yield Stand(keeping, keeping)


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """The plain address on a real socket."""
    logging.getLogger("aiohttp.server").addFilter(tells_no_request_line)
    async with Served(tmp_path, monkeypatch).open() as opened:
        yield opened
