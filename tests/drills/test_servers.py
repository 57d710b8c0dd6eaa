"""Two servers, and a primary with its standby, in small counts."""

from pathlib import Path

import pytest

from tests.drills import clusters, primary, two_servers
from tests.drills.figures import missed

pytestmark = pytest.mark.skipif(clusters.program("initdb") is None, reason=clusters.MISSING)


def test_two_servers_make_one_certificate_of_a_url_and_take_a_nonce_once(tmp_path: Path) -> None:
    assert missed(two_servers.drill(tmp_path, urls=20, replays=10, losses=())) == []


def test_what_was_answered_outlives_the_primary(tmp_path: Path) -> None:
    assert missed(primary.drill(tmp_path, enrolments=9, away=0.5)) == []
