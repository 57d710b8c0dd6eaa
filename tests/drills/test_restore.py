"""A small CA is lost and restored; that the drill notices what is wrong is shown by hand (`forgetful`)."""

from pathlib import Path

from tests.drills import restore
from tests.drills.figures import missed


def test_a_lost_ca_is_restored_and_nothing_goes_back(tmp_path: Path) -> None:
    assert missed(restore.drill(tmp_path, certificates=8)) == []
