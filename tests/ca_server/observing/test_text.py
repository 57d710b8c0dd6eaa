"""Metrics as Prometheus reads them: judged by its own parser."""

import random

from prometheus_client.parser import text_string_to_metric_families

from ca_server.observing.text import counter, gauge, histogram, rendered
from ca_server.tally import Requests, Spread


def read(text: bytes) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_values_come_through_with_their_labels_whatever_stands_in_them() -> None:
    text = rendered([counter("met", "says", {('a"\\\n', "b"): 2.0}, "x", "y"), gauge("now", "says", 1.5)])
    assert read(text) == {("met_total", 'x=a"\\\n', "y=b"): 2.0, ("now",): 1.5}


def test_a_histogram_counts_each_value_below_every_bound_that_it_reaches() -> None:
    values = [random.Random(5).choice((0.5, 1.0, 1.5, 2.0, 7.0)) for _ in range(200)]
    spread = Spread((1.0, 2.0))
    for value in values:
        spread.add(value)
    read_back = read(rendered([histogram("took", "says", {"r": spread}, "route")]))
    for bound in (1.0, 2.0):
        assert read_back["took_bucket", f"le={bound}", "route=r"] == sum(value <= bound for value in values)
    assert read_back["took_bucket", "le=+Inf", "route=r"] == read_back["took_count", "route=r"] == len(values)
    assert read_back["took_sum", "route=r"] == sum(values)


def test_an_answer_is_counted_once_by_route_and_a_refusal_by_its_type() -> None:
    requests = Requests()
    for problem in (None, "badNonce", "badNonce"):
        requests.count("/a", 400 if problem else 200, problem, 0.01)
    assert requests.routes["/a"].statuses == {200: 1, 400: 2}
    assert sum(requests.routes["/a"].seconds.counts) == 3
    assert requests.refusals == {"badNonce": 2}
