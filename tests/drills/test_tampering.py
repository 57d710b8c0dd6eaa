"""The tampering drill in small, and that a verifier which skips a comparison makes it red."""

from pathlib import Path

import pytest

from tests.drills import tampering


def test_every_alteration_is_found(tmp_path: Path) -> None:
    made, unfound = tampering.alter(tmp_path, 150)
    assert made.keys() == tampering.OF_EXPORTS.keys() | {"records"}
    assert unfound == []


@pytest.mark.parametrize("skipped", ["kept checkpoints", "roots", "signatures", "hashes"])
def test_a_verifier_that_skips_a_comparison_is_noticed(tmp_path: Path, skipped: str) -> None:
    with tampering.blind(skipped):
        _, unfound = tampering.alter(tmp_path, 150)
    assert unfound
