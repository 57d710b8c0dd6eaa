"""OCSP: ready answers on kept connections beside nginx and cfssl, answers signed live beside `openssl ocsp`."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from http.client import HTTPMessage
from pathlib import Path

from bench import responders
from bench.asking import Asking, Judge, Question, WrongAnswer, questions, request
from bench.figures import Figure, Table, Wanted, left_out, tabulated
from bench.ground import populated
from bench.loads import Wrk, one_each
from bench.population import Population
from bench.processes import SERVER_CORE, memory, wait_until_quiet
from bench.records import NOTE
from bench.responders import Server
from bench.rounds import Asked, Step, interleaved
from bench.single import NONCE
from ca_server.authority.ocsp import issuer_hashes
from ca_server.keyring import load_certificate
from tests.end_to_end.agency import Agency

_CERTIFICATES = 10_000
_DRAWN = ("requests/s", "CPU µs each")

_GET_ONE = Wanted("GET, one pinned core, against nginx static", "warifu GET", "nginx GET", "requests/s", 0.55, 0.70)
_POST = Wanted("POST against Debian cfssl, CPU per request", "cfssl POST", "warifu POST", "CPU µs each", 5, 8)
_GET_TWO = Wanted("GET, two workers, against nginx static", "warifu GET", "nginx GET", "requests/s", 0.80, 0.90)
_LIVE = Wanted("live-signed against openssl ocsp, CPU", "warifu", "openssl", "CPU µs each", 1.2, 1.0)

_Answered = tuple[Server, list[tuple[Question, bytes]], HTTPMessage]


def steps(asked: Asked) -> Iterator[Step]:
    """Yield what is measured; each step stands by itself."""
    population = Population(300 if asked.quick else _CERTIFICATES, int(time.time()))
    field = Field(populated(asked.folder / "ocsp", population), population, asked)
    yield "one core", field.one_core
    if (os.cpu_count() or 1) > 1:
        yield "two workers", field.two_workers
    yield "signed live", field.signed_live


class Field:
    """One agency with its population, and all that is asked of it."""

    def __init__(self, agency: Agency, population: Population, asked: Asked) -> None:
        self._agency = agency
        self._population = population
        self._asked = asked
        self._issuer = load_certificate(agency.folder / "authority" / "issuing-1.pem")
        self._judge = Judge(self._issuer)
        every = questions(population, population.drawn(_CERTIFICATES), self._issuer)
        self._questions = [each for each in every if not each.path.endswith("%2F")]  # no file can be called so

    def one_core(self) -> Table:
        """Ready answers, each server on one core and wrk on the other."""
        title = "OCSP ready answers, one server core, 16 kept connections"
        return self._kept_ready(title, (SERVER_CORE,), Wrk(self._folder("one")), (_GET_ONE, _POST))

    def two_workers(self) -> Table:
        """Ready answers, two workers on two cores that wrk shares."""
        title = "OCSP ready answers, two workers and wrk on the same two cores, 32 connections"
        wrk = Wrk(self._folder("two"), connections=32, threads=2, cores=(0, 1))
        return self._kept_ready(title, (0, 1), wrk, (_GET_TWO,))

    def _kept_ready(self, title: str, cores: tuple[int, ...], wrk: Wrk, wanted: Sequence[Wanted]) -> Table:
        wrk.write(self._questions)
        with contextlib.ExitStack() as stack:
            mine, answers, headers = self._ours(stack, cores)
            served = {"warifu GET": (mine, "GET"), "warifu POST": (mine, "POST")}
            notes = [f"{len(answers):,} certificates; {NOTE}", "every answer of every server was judged beforehand"]
            with left_out(notes):
                served["nginx GET"] = stack.enter_context(responders.nginx(wrk.folder, answers, headers, cores)), "GET"
            with left_out(notes):
                served["cfssl POST"] = stack.enter_context(responders.cfssl(wrk.folder, answers, cores)), "POST"
            rows = self._rounds(served, wrk)
        return tabulated(title, rows, wanted, notes=notes, drawn=_DRAWN)

    def signed_live(self) -> Table:
        """Answers to requests with a nonce, a connection for each."""
        folder = self._folder("live")
        issuer = issuer_hashes(self._issuer)[0]
        sample = self._questions[: 20 if self._asked.quick else 1_000]
        with contextlib.ExitStack() as stack:
            notes = ["each request brings a nonce of its own, and each answer was seen to bring it back"]
            servers = {"warifu": stack.enter_context(responders.ours(self._agency))}
            with left_out(notes):
                openssl = responders.openssl(folder, self._agency, self._population)
                servers["openssl"] = stack.enter_context(openssl)
            for server in servers.values():
                with contextlib.closing(Asking(server.port, self._judge, keeps=False)) as asking:
                    asking.post_with_nonces(sample, issuer)

            requests = folder / "requests"
            nonce = bytes(NONCE)
            lines = (request(issuer, each.serial, nonce).hex() + "\n" for each in self._questions)
            requests.write_text("".join(lines), "ascii")

            def measure(server: Server) -> Mapping[str, float]:
                return one_each(server.port, server.pid, requests, self._asked.seconds)

            rows = interleaved(self._asked.rounds, {name: partial(measure, server) for name, server in servers.items()})
        title = "OCSP signed live, one server core, 8 connections at once, one request each"
        return tabulated(title, rows, (_LIVE,), notes=notes, drawn=_DRAWN)

    def _folder(self, name: str) -> Path:
        folder = self._asked.folder / f"ocsp-{name}"
        folder.mkdir(mode=0o700)
        return folder

    def _ours(self, stack: contextlib.ExitStack, cores: tuple[int, ...]) -> _Answered:
        """Start ours, ask it everything both ways, and return its answers and their headers for the peers."""
        server = stack.enter_context(responders.ours(self._agency, cores))
        wait_until_quiet(server.pid)
        with contextlib.closing(Asking(server.port, self._judge)) as asking:
            answers = asking.get(self._questions)
            if asking.post(self._questions) != answers:
                raise WrongAnswer("GET and POST are answered with different bytes, so answers are not kept ready")
            return server, list(zip(self._questions, answers, strict=True)), asking.headers(self._questions[0])

    def _rounds(self, served: Mapping[str, tuple[Server, str]], wrk: Wrk) -> dict[str, dict[str, Figure]]:
        """Judge what the peers answer, then measure all."""
        for server, method in served.values():
            if server.name != "warifu":
                with contextlib.closing(Asking(server.port, self._judge)) as asking:
                    (asking.get if method == "GET" else asking.post)(self._questions)
        seconds = self._asked.seconds
        for server, method in served.values():
            wrk.measure(method, server.port, server.pid, 1)

        def measure(server: Server, method: str) -> Mapping[str, float]:
            return wrk.measure(method, server.port, server.pid, seconds) | {"PSS MiB": memory(server.pid).pss}

        return interleaved(self._asked.rounds, {name: partial(measure, *each) for name, each in served.items()})
