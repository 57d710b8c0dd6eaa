"""Full durable enrolments over TLS, one server core, 32 at once, beside pebble.

Ours checks the binding, lints, signs, verifies its own signature, commits every step to the disk, writes the audit log
and mails the administrator; pebble keeps everything in memory and validates nothing. Each chain that comes back is
judged and counted before its round counts.
"""

import asyncio
import contextlib
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.caller import Job, load
from bench.figures import Figure, Table, Wanted, left_out, tabulated
from bench.peers import Peer, pebble, warifu
from bench.processes import CLIENT_CORE, cpu_seconds, memory
from bench.rounds import Asked, Step, interleaved
from tests.end_to_end.agency import Agency

RATE, CPU = "enrolments/s", "CPU µs each"
_AT_ONCE = 32
_A_ROUND, _WARM_UP, _QUICK = 300, 60, 8
_RATE = Wanted("full durable enrolment over TLS on one core against pebble: rate", "warifu", "pebble", RATE, 1.0, 1.3)
_CPU = Wanted("full durable enrolment over TLS on one core against pebble: CPU", "pebble", "warifu", CPU, 1.0, 1.3)


class WrongChain(Exception):
    """An enrolment did not bring a certificate of its own for what it asked."""


def steps(asked: Asked) -> Iterator[Step]:
    """Yield what is measured."""
    yield "beside pebble", partial(_beside_pebble, asked)


def _beside_pebble(asked: Asked) -> Table:
    """Enrol at ours and at pebble in turn."""
    notes = ["pebble is not durable and validates nothing; ours syncs each commit, lints, audits and mails"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(on_the_client_core())
        peers: list[Peer] = [stack.enter_context(warifu(Agency(asked.folder / "enrolment")))]
        with left_out(notes):
            peers.append(stack.enter_context(pebble(asked.folder / "pebble")))
        figures = measured(asked, {peer.name: peer for peer in peers})
    return tabulated("Enrolment, one server core, 32 at once", figures, (_RATE, _CPU), notes=notes, drawn=(RATE, CPU))


def measured(asked: Asked, peers: Mapping[str, Peer]) -> dict[str, dict[str, Figure]]:
    """Return what the rounds gave, after a round that warms up and does not count."""
    for peer in peers.values():
        _round(peer, _QUICK if asked.quick else _WARM_UP)
    count = _QUICK if asked.quick else _A_ROUND
    return interleaved(asked.rounds, {name: partial(_round, peer, count) for name, peer in peers.items()})


def _round(peer: Peer, count: int) -> Mapping[str, float]:
    jobs = peer.jobs(count)
    before = cpu_seconds(peer.pid)
    done = asyncio.run(load(peer.directory_url, peer.root, jobs, _AT_ONCE))
    used = cpu_seconds(peer.pid) - before
    _judge(jobs, done.chains)
    return {
        RATE: count / done.seconds,
        CPU: 1e6 * used / count,
        "ms": 1000 * statistics.median(done.latencies),
        "requests": done.requests / count,
        "PSS MiB": memory(peer.pid).pss,
    }


def _judge(jobs: Sequence[Job], chains: Sequence[bytes]) -> None:
    """Do nothing when every job's own key was certified by the CA of its chain, once. Raises WrongChain."""
    certified = []
    for chain in chains:
        leaf, issuer, *_ = x509.load_pem_x509_certificates(chain)
        leaf.verify_directly_issued_by(issuer)
        certified.append(leaf.public_key())
    asked = [x509.load_der_x509_csr(job.csr).public_key() for job in jobs]
    if sorted(map(_octets, certified)) != sorted(map(_octets, asked)):
        raise WrongChain(f"{len(jobs)} enrolments brought certificates for other keys")


def _octets(key: object) -> bytes:
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@contextlib.contextmanager
def on_the_client_core() -> Iterator[None]:
    """Keep this process, which is the load, off the servers' core."""
    before = os.sched_getaffinity(0)
    if len(before) > 1:
        os.sched_setaffinity(0, {CLIENT_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
