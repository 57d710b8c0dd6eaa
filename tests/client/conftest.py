"""One server and one PC a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.pc import Pc
from tests.client.stand_in import StandIn


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path) as server:
        yield server


@pytest.fixture
def pc(tmp_path: Path, server: StandIn) -> Pc:
    return Pc(tmp_path / "home", server)
