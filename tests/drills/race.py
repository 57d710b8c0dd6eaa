"""Race: ten finalizes at once on one URL, from two processes, while another account takes its binding over.

Whoever wins, there is exactly one certificate for the URL, in the records and as answered, and nobody is told of an
error of the server's but the 503 that says when to come back.
"""

import asyncio
import collections
import dataclasses
import json
import multiprocessing
import random
import ssl
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from cryptography import x509

from keys.csr import build_signing_request
from keys.generate import generate
from protocol import base64url
from tests.drills import canaries, ground
from tests.drills.enrolling import Answer, Caller, Candidate, Refused, Signer, bind, enrol, order
from tests.drills.figures import Figure, counted, none_of
from tests.end_to_end.agency import Agency, Invitation

_FINALIZES_A_PROCESS = 5
_PATIENCE = 0.1
_HEAD_START = 0.03


@dataclasses.dataclass(frozen=True)
class Lot:
    """What one of the two processes works on; keys travel as PEM of the trial."""

    public_url: str
    root: Path
    seed: int
    takes_over: bool
    entries: list[tuple[Invitation, bytes, str, str]]
    """Invitation, account key (PEM), account URL, finalize URL."""


@dataclasses.dataclass
class Seen:
    """What one process was answered: certificate URLs by CN, statuses with their problem words, chains by CN."""

    promised: dict[str, set[str]] = dataclasses.field(default_factory=lambda: collections.defaultdict(set))
    tally: collections.Counter[tuple[int, str]] = dataclasses.field(default_factory=collections.Counter)
    taken_over: dict[str, bytes] = dataclasses.field(default_factory=dict)


def drill(folder: Path, urls: int = 200, seed: int = 1, defect: str | None = None) -> list[Figure]:
    """Run the race on `urls` URLs and return its figures."""
    with ground.standing(folder, defect, hurry=True) as agency:
        first, figures = run("race", agency, urls, seed)
        return figures + canaries.figures("race", agency, first)


def run(what: str, agency: Agency, urls: int, seed: int) -> tuple[list[Candidate], list[Figure]]:
    """Run the race where an agency stands already; return the PCs, and the figures under a name."""
    first = [Candidate(invitation) for invitation in ground.invited(agency, urls)]
    finalize = asyncio.run(_ordered(agency, first))
    seen = _run(agency, first, finalize, seed)
    chains, tally = asyncio.run(_fetched(agency, first, seen))
    ground.settled(agency, 60)
    return first, _judged(what, agency, first, seen, chains, tally)


async def _ordered(agency: Agency, first: list[Candidate]) -> list[str]:
    """Bind every URL and open its order; return the finalize URLs."""
    async with Caller(agency.public_url, agency.trust()) as caller:

        async def one(candidate: Candidate) -> str:
            await bind(caller, candidate)
            return str((await order(caller, candidate))["finalize"])

        return [await one(candidate) for candidate in first]


def _run(agency: Agency, first: list[Candidate], finalize: list[str], seed: int) -> list[Seen]:
    entries = [
        (candidate.invitation, canaries.pem(candidate.account_key), str(candidate.account_url), url)
        for candidate, url in zip(first, finalize, strict=True)
    ]
    # spawned, not forked: each client is a process of its own, with nothing of ours in it
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    lots = [Lot(agency.public_url, agency.root, seed + place, place == 1, entries) for place in range(2)]
    clients = [context.Process(target=client, args=(lot, barrier, answers)) for lot in lots]
    for each in clients:
        each.start()
    seen: list[Seen] = [answers.get(timeout=30 + 3 * len(entries)) for _ in clients]
    for each in clients:
        each.join(30)
    return seen


def client(lot: Lot, barrier: Barrier, answers: "multiprocessing.Queue[Seen]") -> None:
    """Be one of the two client processes."""
    answers.put(asyncio.run(_race(lot, barrier)))


async def _race(lot: Lot, barrier: Barrier) -> Seen:
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(lot.root)
    seen, chance = Seen(), random.Random(lot.seed)
    rivals: list[asyncio.Task[None]] = []
    async with Caller(lot.public_url, trust, longest_wait=_PATIENCE) as caller:
        for invitation, pem, account_url, finalize in lot.entries:
            signer = Signer(canaries.key_of(pem), account_url)
            payloads = [_finalize(invitation.cn) for _ in range(_FINALIZES_A_PROCESS)]
            rival = Candidate(invitation)
            await asyncio.to_thread(barrier.wait, 60)
            if lot.takes_over:
                rivals.append(asyncio.create_task(_take_over(caller, rival, chance.uniform(0, _HEAD_START), seen)))
            await asyncio.sleep(chance.choice((0, 0, _HEAD_START)))
            got = await asyncio.gather(*(caller.post(signer, finalize, payload) for payload in payloads))
            seen.promised[invitation.cn] |= {url for url in map(_promise, got) if url}
        await asyncio.gather(*rivals)
        seen.tally = caller.tally
    return seen


def _finalize(cn: str) -> bytes:
    """Return a finalize with a key of its own, for each would be a certificate of its own."""
    return json.dumps({"csr": base64url.encode(build_signing_request(generate("P-256"), cn))}).encode()


def _promise(answer: Answer) -> str | None:
    return str(answer.members()["certificate"]) if answer.status == 200 and b'"certificate"' in answer.body else None


async def _take_over(caller: Caller, rival: Candidate, after: float, seen: Seen) -> None:
    """Bind the URL to another account and finalize with that one, unless the first was faster."""
    await asyncio.sleep(after)
    try:
        seen.taken_over[rival.invitation.cn] = await enrol(caller, rival, 60)
    except Refused:
        return


async def _fetched(
    agency: Agency, first: list[Candidate], seen: list[Seen]
) -> tuple[dict[str, set[str]], collections.Counter[tuple[int, str]]]:
    """Download what was promised to the first accounts; return the serials that anybody holds, by CN."""
    held: dict[str, set[str]] = collections.defaultdict(set)
    async with Caller(agency.public_url, agency.trust()) as caller:
        for candidate in first:
            cn = candidate.invitation.cn
            promised = set().union(*(each.promised.get(cn, set()) for each in seen))
            for url in promised:
                answer = await caller.post(candidate.signer, url, b"")
                held[cn].add(_serial(answer.body) if answer.status == 200 else f"lost: {answer.status} at {url}")
        tally = sum((each.tally for each in seen), caller.tally)
    for each in seen:
        for cn, chain in each.taken_over.items():
            held[cn].add(_serial(chain))
    return held, tally


def _serial(chain: bytes) -> str:
    return f"{x509.load_pem_x509_certificate(chain).serial_number:x}"


def _judged(
    what: str, agency: Agency, first: list[Candidate], seen: list[Seen], held: dict[str, set[str]], tally: Any
) -> list[Figure]:
    recorded: dict[str, set[str]] = collections.defaultdict(set)
    for one in agency.certificates():
        recorded[one["cn"]].add(one["serial"])
    cns = [candidate.invitation.cn for candidate in first]
    single = sum(len(recorded[cn]) == 1 for cn in cns)
    answered = sum(held[cn] == recorded[cn] for cn in cns)
    broken = ground.errors_of_its_own(tally)
    later = sum(count for (status, _), count in tally.items() if status == 503)
    won = len(set().union(*(each.taken_over for each in seen)))
    return [
        counted(f"{what}: URLs with one certificate on record", len(cns), single),
        counted(f"{what}: URLs answered with just that one", len(cns), answered, f", {won} taken over"),
        none_of(f"{what}: 5xx but 503", broken),
        Figure(f"{what}: come-back answers (503)", "any number", str(later), met=True),
        none_of(f"{what}: signatures unknown to the records", ground.signed_unseen(agency)),
        none_of(f"{what}: faults in the books", ground.faults(agency)),
    ]
