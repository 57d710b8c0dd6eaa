"""The public address and the service's own work as watchers see them."""

from ca_server.observing.text import Metric, counter, histogram
from ca_server.tally import Requests, Work
from protocol.problems import ProblemType


class Front:
    """What was asked at the public address, and what came of it."""

    def __init__(self, requests: Requests, work: Work) -> None:
        self._requests = requests
        self._work = work

    async def metrics(self, now: int) -> list[Metric]:
        """Return requests, refusals, issuances, and how soon revocations were visible."""
        routes = self._requests.routes
        refusals = {each.word: self._requests.refusals[each.word] for each in ProblemType}
        return [
            histogram(
                "warifu_http_request_duration_seconds",
                "Seconds that a request took.",
                {name: route.seconds for name, route in routes.items()},
                "route",
            ),
            counter(
                "warifu_http_requests",
                "Requests answered.",
                {(name, str(status)): n for name, route in routes.items() for status, n in route.statuses.items()},
                "route",
                "status",
            ),
            counter("warifu_refusals", "Problem documents by type.", refusals, "type"),
            counter("warifu_certificates_issued", "Certificates signed and recorded.", self._work.issued),
            histogram(
                "warifu_revocation_visible_seconds",
                "Seconds from the decision to revoke until OCSP and the CRL showed it.",
                self._work.visible,
            ),
        ]

    async def troubles(self, now: int) -> list[str]:
        """Return nothing: whoever can be asked serves."""
        return []
