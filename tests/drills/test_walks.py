"""The walks with small counts, and that their drill tells of a finding."""

from pathlib import Path

import pytest

from ca_server.store import certificates
from tests.drills import walks
from tests.drills.figures import missed


def test_ten_walks_balance_the_books(tmp_path: Path) -> None:
    figures = walks.drill(tmp_path, walks=10)
    assert missed(figures) == []
    assert figures[0].what == "walks: walks with balanced books"


def test_the_drill_tells_what_a_walk_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "restore", lambda *_: 0)
    (figure,) = missed(walks.drill(tmp_path, walks=200))
    assert figure.what == "walks: findings"
    assert "OCSP, (found, expected)" in figure.findings[0]
