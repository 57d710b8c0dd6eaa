"""`make bench`: full durable enrolments over TLS on one core, beside pebble, five interleaved rounds.

Each chain that comes back is read and counted before its round counts. Prints medians and spread, rate and CPU per
enrolment, and the ratio of each round's pair, since the machine's own speed drifts.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
from pathlib import Path

from cryptography import x509

from bench.caller import load
from bench.peers import CLIENT_CORE, Peer, cpu_seconds, pebble, warifu

_WARM_UP = 60


def main() -> int:
    """Run the benchmark and print its table."""
    arguments = argparse.ArgumentParser(prog="bench", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--enrolments", type=int, default=300, help="a round and peer")
    arguments.add_argument("--at-once", type=int, default=32)
    asked = arguments.parse_args()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {CLIENT_CORE})
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warifu-bench-")))
        peers: list[Peer] = [stack.enter_context(warifu(folder / "warifu"))]
        other = stack.enter_context(pebble(folder / "pebble"))
        if other is None:
            print("pebble is not installed (Debian: pebble); measuring ours alone", file=sys.stderr)
        else:
            peers.append(other)
        rounds: dict[str, list[tuple[float, float, float, float]]] = {peer.name: [] for peer in peers}
        for peer in peers:
            _measure(peer, _WARM_UP, asked.at_once)
        for number in range(asked.rounds):
            for peer in peers:
                figures = _measure(peer, asked.enrolments, asked.at_once)
                rounds[peer.name].append(figures)
                print(f"round {number + 1} {peer.name}: {figures[0]:.0f}/s, {figures[1]:.0f} µs CPU", file=sys.stderr)
    _report(rounds)
    return 0


def _measure(peer: Peer, count: int, at_once: int) -> tuple[float, float, float, float]:
    """Return enrolments a second, server CPU µs an enrolment, median latency in ms, requests an enrolment."""
    jobs = peer.jobs(count)
    before = cpu_seconds(peer.pid)
    done = asyncio.run(load(peer.directory_url, peer.root, jobs, at_once))
    used = cpu_seconds(peer.pid) - before
    serials = {x509.load_pem_x509_certificates(chain)[0].serial_number for chain in done.chains}
    assert len(serials) == count, "each enrolment must bring a certificate of its own"
    latency = 1000 * statistics.median(done.latencies)
    return count / done.seconds, 1e6 * used / count, latency, done.requests / count


def _report(rounds: dict[str, list[tuple[float, float, float, float]]]) -> None:
    print(f"{'':8} {'enrolments/s':>20} {'CPU µs each':>22} {'ms':>6} {'requests':>9}")
    for name, figures in rounds.items():
        rates, cpus, latencies, requests = (list(column) for column in zip(*figures, strict=True))
        print(
            f"{name:8} {_spread(rates):>20} {_spread(cpus):>22} {statistics.median(latencies):>6.0f} "
            f"{statistics.median(requests):>9.1f}"
        )
    if len(rounds) == 2:
        ours, theirs = rounds.values()
        rate = [one[0] / other[0] for one, other in zip(ours, theirs, strict=True)]
        cpu = [other[1] / one[1] for one, other in zip(ours, theirs, strict=True)]
        print(f"ratio    {_spread(rate, 2):>20} {_spread(cpu, 2):>22}   (more is better for us)")


def _spread(values: list[float], digits: int = 0) -> str:
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}–{max(values):.{digits}f}]"


if __name__ == "__main__":
    sys.exit(main())
