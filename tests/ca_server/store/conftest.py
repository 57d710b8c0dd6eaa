"""A database of seats for each test that asks for one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ca_server.store import Database, SynchronousDatabase
from tests.ca_server.store.seats import METADATA


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "a file with %41 and ? in its name.db"
    file.touch()
    database = SynchronousDatabase(file)
    database.write(METADATA.create_all)
    database.close()
    return file


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(path)
    yield opened
    await opened.close()
