"""What becomes of speed and memory as the records grow: OCSP from ten thousand to ten million, enrolment to a million.

CRLs of all sizes are a section of their own.
"""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from bench import enrolment, ready_answers, responders
from bench.asking import Asking, Judge, questions
from bench.figures import Figure, Table, Wanted, tabulated
from bench.ground import populated, require_room
from bench.loads import Wrk
from bench.peers import Peer, warifu
from bench.population import Population
from bench.processes import memory, wait_until_quiet
from bench.records import NOTE
from bench.responders import Server
from bench.rounds import Asked, Step, interleaved
from ca_server.keyring import load_certificate
from tests.end_to_end.agency import Agency

_SIZES = (10_000, 1_000_000, 10_000_000)
_ALL_SIGNED = 100_000
_DISTANCE = 10
_ENROLLED = (1_000, 1_000_000)
_QUICK = (300, 1_200)
_ASKED = 10_000  # as many of each size: what is asked again within the second is cheaper
_OCTETS_A_CERTIFICATE = 1_500
_OCTETS_AN_ENROLMENT = 5_500
_MINUTES_TO_REST = 5
_GIB = 1 << 30


def steps(asked: Asked) -> Iterator[Step]:
    """Yield OCSP, then enrolment."""
    yield "OCSP", partial(_ocsp, asked)
    yield "enrolment", partial(_enrolment, asked)


def _ocsp(asked: Asked) -> Table:
    sizes = _QUICK if asked.quick else _SIZES
    require_room(asked.folder, sum(sizes) * _OCTETS_A_CERTIFICATE)
    with contextlib.ExitStack() as stack:
        fields = {f"{size:,}": stack.enter_context(_field(asked, size)) for size in sizes}
        names = list(fields)
        figures = interleaved(asked.rounds, {name: partial(field.measure, asked) for name, field in fields.items()})
        figures = {name: columns | fields[name].holds() for name, columns in figures.items()}
    work = f"CPU a request at {names[-1]} certificates against {names[0]}"
    notes = (
        NOTE,
        f"ready answers are a generator's: up to {_ALL_SIGNED:,} all are really signed, above every {_DISTANCE}th, and "
        f"each signature was verified; the others bear copies and are not asked for",
        f"asked: up to {_ASKED:,} of the signed ones, drawn from the whole key space, each answer judged beforehand",
        "SQL holds the certificates' rows alone; memory is of all processes, RSS counting shared pages for each",
    )
    wanted = (Wanted(work, names[-1], names[0], "CPU µs each", 1.3, 1.1),)
    return tabulated(
        "OCSP by certificates on record, GET, one core", figures, wanted, notes=notes, drawn=("CPU µs each",)
    )


@dataclasses.dataclass(frozen=True)
class _Field:
    """A responder that runs over a population, and the list of what it is asked."""

    agency: Agency
    server: Server
    wrk: Wrk

    def measure(self, asked: Asked) -> Mapping[str, float]:
        held = memory(self.server.pid)
        figures = self.wrk.measure("GET", self.server.port, self.server.pid, asked.seconds)
        return figures | {"PSS MiB": held.pss, "RSS MiB": held.rss}

    def holds(self) -> dict[str, Figure]:
        """Return the sizes of its files."""
        ready = sum(each.stat().st_blocks * 512 for each in self.agency.folder.glob("ready/**/*.mdb"))
        records = (self.agency.folder / "warifu.db").stat().st_size
        return {"SQL GiB": Figure((records / _GIB,)), "LMDB GiB": Figure((ready / _GIB,))}


@contextlib.contextmanager
def _field(asked: Asked, size: int) -> Iterator[_Field]:
    population = Population(size, int(time.time()))
    distance = 1 if size <= _ALL_SIGNED and not asked.quick else _DISTANCE
    agency = populated(asked.folder / f"ocsp-{size}", population)
    responders.set_workers(agency, 1)
    plan = ready_answers.Plan(agency.config, population, distance)
    ready_answers.fill(plan)
    issuer = load_certificate(agency.folder / "authority" / "issuing-1.pem")
    drawn = Population(len(plan.signed), 0).drawn(_ASKED, seed=size)
    wrk = Wrk(_made(asked.folder / f"asked-{size}"))
    asked_about = questions(population, [place * distance for place in drawn], issuer)
    wrk.write(asked_about)
    with responders.ours(agency) as server:
        wait_until_quiet(server.pid, _MINUTES_TO_REST * 60)
        with contextlib.closing(Asking(server.port, Judge(issuer))) as asking:
            asking.get(asked_about)
        yield _Field(agency, server, wrk)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _enrolment(asked: Asked) -> Table:
    sizes = _QUICK if asked.quick else _ENROLLED
    require_room(asked.folder, sum(sizes) * _OCTETS_AN_ENROLMENT)
    with contextlib.ExitStack() as stack:
        peers: dict[str, Peer] = {}
        for size in sizes:
            population = Population(size, int(time.time()))
            agency = populated(asked.folder / f"enrolled-{size}", population, certificates_alone=False)
            responders.set_workers(agency, 1)
            ready_answers.fill(ready_answers.Plan(agency.config, population, _DISTANCE))
            peers[f"{size:,}"] = stack.enter_context(warifu(agency, balances=False))
            wait_until_quiet(peers[f"{size:,}"].pid, _MINUTES_TO_REST * 60)
        with enrolment.on_the_client_core():
            figures = enrolment.measured(asked, peers)
    drawn = (enrolment.RATE, enrolment.CPU)
    return tabulated("Enrolment by certificates on record, one core", figures, notes=(NOTE,), drawn=drawn)
