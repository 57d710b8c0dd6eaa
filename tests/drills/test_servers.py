"""Two servers on a primary with its standby, in small counts."""

from pathlib import Path

import pytest

from tests.drills import clusters, primary, twins, two_servers
from tests.drills.figures import missed


@pytest.mark.skipif(clusters.program("initdb") is None, reason=clusters.MISSING)
def test_two_servers_promise_together_and_what_they_promised_outlives_the_primary(tmp_path: Path) -> None:
    with clusters.clusters(2) as made, twins.standing(tmp_path, made) as both:
        assert missed(two_servers.together(both, urls=20, replays=10)) == []
        assert missed(primary.run(both, enrolments=9, away=0.5)) == []
