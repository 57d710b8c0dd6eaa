"""What the benchmark's own tests start with."""

from pathlib import Path

import pytest

from bench.rounds import Asked


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """Return the plan of a quick run."""
    return Asked(tmp_path, rounds=1, seconds=1, quick=True)
