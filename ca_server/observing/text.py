"""Metrics in Prometheus' text format, of numbers that were counted elsewhere; nothing here keeps any.

Names follow the conventions of Prometheus: units are seconds, moments are `_timestamp_seconds`, counters `_total`.
"""

from collections.abc import Iterable, Mapping
from itertools import accumulate

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from ca_server.tally import Spread

__all__ = ["Metric", "counter", "gauge", "histogram", "rendered"]


Values = Mapping[str, float] | Mapping[tuple[str, str], float] | float
"""One value, or one for each value of a label, or of two."""


def counter(name: str, says: str, values: Values, *labels: str) -> Metric:
    """Return a counter; `_total` is added to its name."""
    return _filled(CounterMetricFamily(name, says, labels=labels), values)


def gauge(name: str, says: str, values: Values, *labels: str) -> Metric:
    """Return a gauge."""
    return _filled(GaugeMetricFamily(name, says, labels=labels), values)


def _filled(family: CounterMetricFamily | GaugeMetricFamily, values: Values) -> Metric:
    if isinstance(values, Mapping):
        for of, value in values.items():
            family.add_metric([of] if isinstance(of, str) else of, value)
    else:
        family.add_metric([], values)
    return family


def histogram(name: str, says: str, spreads: Mapping[str, Spread] | Spread, *labels: str) -> Metric:
    """Return a histogram: of one spread, or of one for each value of a label."""
    family = HistogramMetricFamily(name, says, labels=labels)
    for of, spread in spreads.items() if isinstance(spreads, Mapping) else [(None, spreads)]:
        bounds = [*map(str, spread.bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(spread.counts), strict=True))
        family.add_metric([] if of is None else [of], buckets, spread.total)
    return family


def rendered(metrics: Iterable[Metric]) -> bytes:
    """Return the text that a scrape gets."""
    return generate_latest(_Collected(list(metrics)))


class _Collected:
    """What prometheus-client takes for a registry."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics
