"""What a process counts while it works: plain numbers of one thread, read when somebody asks.

Who watches makes metrics of them (`observing`). Counting costs some tenths of a microsecond and takes no lock, where a
counter of prometheus-client costs several times that; on the way of a request that is felt.
"""

from bisect import bisect_left
from collections import Counter
from typing import Final

REQUEST_SECONDS: Final = (0.005, 0.025, 0.1, 0.5, 2.5)
VISIBLE_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


class Spread:
    """A histogram: how many values came up to each bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Route:
    """What was answered on one route, and how long that took."""

    __slots__ = ("seconds", "statuses")

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.seconds = Spread(REQUEST_SECONDS)


class Requests:
    """What was answered at one address; the names of routes and problems are few, and none is a stranger's."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.refusals: Counter[str] = Counter()

    def count(self, route: str, status: int, problem: str | None, seconds: float) -> None:
        """Count one answer."""
        found = self.routes.get(route)
        if found is None:
            found = self.routes[route] = Route()
        found.statuses[status] += 1
        found.seconds.add(seconds)
        if problem is not None:
            self.refusals[problem] += 1


class Work:
    """What the service itself did since its start."""

    def __init__(self) -> None:
        self.issued = 0
        """Certificates signed and recorded."""
        self.visible = Spread(VISIBLE_SECONDS)
        """Seconds from the decision to revoke until OCSP and the CRL showed it."""
