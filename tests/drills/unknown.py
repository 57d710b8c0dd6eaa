"""Unknown: who guesses URLs or passwords learns nothing, neither from what is answered nor from how long it takes.

150 kids of every shape are tried by GET, HEAD and newAccount: unknown ones, mistyped ones, of wrong length, in wide
letters, percent-encoded; by GET and HEAD also such as are open or used. All answers are the same to the byte but for
nonce, request id and date. Then wrong passwords that differ in the first character or in the last, and MACs that differ
in the first octet or the last, take turns at one kid; Mann-Whitney's test tells whether their times differ.
"""

import asyncio
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from keys.generate import generate
from protocol import base64url, jws
from protocol.credential import ALPHABET, check_character, mac_key, make_mac, new_kid, normalise_password
from tests.drills import ground
from tests.drills.enrolling import JOSE, Answer, Caller, Candidate, enrol
from tests.drills.figures import Figure, counted, none_of
from tests.end_to_end.agency import Agency, Invitation

_KIDS = 150
_CHANGING = frozenset({"Date", "Replay-Nonce", "Request-Id"})
_MOST_APART = 4.0
_MOST_WRONG = 100
_PAIRS_A_URL = 40
_ENROLLED = 3


def drill(folder: Path, kids: int = _KIDS, pairs: int = 150, seed: int = 1, defect: str | None = None) -> list[Figure]:
    """Try `kids` kids, then `pairs` pairs of wrong passwords and of wrong MACs."""
    agency = Agency(folder)
    agency.configure("wrong_passwords = 10", f"wrong_passwords = {_MOST_WRONG}")
    agency.serve_prefix = ground.planted_with(folder, defect)
    agency.serve()
    try:
        invitations = ground.invited(agency, _ENROLLED + 2 * -(-pairs // _PAIRS_A_URL))
        return asyncio.run(_tried(agency, invitations, kids, pairs, random.Random(seed)))
    finally:
        agency.stop()


async def _tried(
    agency: Agency, invitations: list[Invitation], kids: int, pairs: int, chance: random.Random
) -> list[Figure]:
    enrolled, guessed = invitations[:_ENROLLED], iter(invitations[_ENROLLED:])
    async with Caller(agency.public_url, agency.trust(), connections=1) as caller:
        for each in enrolled:
            await enrol(caller, Candidate(each))
        strangers = [_shaped(place, chance) for place in range(kids)]
        real = [each.kid for each in invitations]
        figures = []
        for method in ("GET", "HEAD"):
            answers = [await caller.exchange(method, f"{caller.public_url}/e/{_path(kid)}") for kid in strangers + real]
            figures += _alike(f"unknown: {method} of {len(answers)} URLs", answers)
        answers = [await _bound(caller, kid) for kid in strangers]
        figures += _alike(f"unknown: newAccount with {len(answers)} kids", answers)
        for what in ("password", "MAC"):
            figures.append(await _timed(caller, guessed, what, pairs, chance))
    return figures


def _shaped(place: int, chance: random.Random) -> str:
    """Return a kid that nobody was given: of the right shape, mistyped, too short or long, or no kid at all."""
    kid = new_kid()
    shapes = (
        kid,
        kid.lower(),
        kid[:-1] + chance.choice(ALPHABET),
        kid[:25],
        kid + "0",
        f"{kid[:13]}-{kid[13:]}",
        kid.replace(kid[3], "U"),
        "".join(chr(ord(each) + 0xFEE0) for each in kid),
        "０" * 26,
        "' OR 1=1 --",
        "é" * 13,
        "%",
        "0",
        kid * 10,
        "null",
    )
    return shapes[place % len(shapes)]


def _path(kid: str) -> str:
    return quote(kid, safe="")


async def _bound(caller: Caller, kid: str) -> Answer:
    """Send newAccount with a binding by that kid and whatever key."""
    url, key = caller.url("new-account"), generate("P-256")
    payload = json.dumps({"termsOfServiceAgreed": True, "externalAccountBinding": _binding(kid, url, key, bytes(32))})
    protected = {"jwk": jws.jwk(key.public_key()), "url": url, "nonce": await caller.nonce()}
    return await caller.exchange("POST", url, jws.sign(key, payload.encode(), protected), JOSE)


def _binding(kid: str, url: str, key: object, secret: bytes) -> dict[str, str]:
    return jws.bind(kid, secret, url, key.public_key())  # type: ignore[attr-defined]


def _alike(what: str, answers: Sequence[Answer]) -> list[Figure]:
    """Return how many different answers there were, and what differs from the first."""
    first, found = _seen(answers[0]), []
    for answer in answers:
        found += [f"{name}: {value!r}, not {first.get(name)!r}" for name, value in _differing(_seen(answer), first)]
    told = f"{answers[0].status}, {len(answers[0].body)} octets"
    return [counted(f"{what}: different answers", 1, len({repr(_seen(each)) for each in answers}), f" ({told})")] + (
        [none_of(f"{what}: differences", sorted(set(found)))] if found else []
    )


def _seen(answer: Answer) -> dict[str, object]:
    """Return what a stranger sees of an answer, but for what differs each time."""
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in _CHANGING)
    return {"status": answer.status, "headers": headers, "body": answer.body}


def _differing(seen: dict[str, object], first: dict[str, object]) -> list[tuple[str, object]]:
    return [(name, value) for name, value in seen.items() if value != first[name]]


async def _timed(caller: Caller, guessed: Iterator[Invitation], what: str, pairs: int, chance: random.Random) -> Figure:
    """Let wrong passwords, or MACs, that differ at the beginning and at the end take turns, in a random order each."""
    times: dict[int, list[float]] = {0: [], -1: []}
    lots = [next(guessed) for _ in range(0, pairs, _PAIRS_A_URL)]
    for pair in range(pairs):
        invitation = lots[pair // _PAIRS_A_URL]
        for place in chance.sample((0, -1), 2):
            body, url = await _wrong(caller, invitation, what, place, chance)
            started = time.perf_counter()
            answer = await caller.exchange("POST", url, body, JOSE)
            times[place].append(time.perf_counter() - started)
            assert answer.problem == "unauthorized", answer
    apart = mann_whitney(times[0], times[-1])
    measured = f"{apart:+.2f} in {pairs} pairs"
    return Figure(f"unknown: wrong {what}, first or last, |z|", "< 4", measured, abs(apart) < _MOST_APART)


async def _wrong(
    caller: Caller, invitation: Invitation, what: str, place: int, chance: random.Random
) -> tuple[bytes, str]:
    """Return a newAccount whose password or MAC is wrong at one place only."""
    url, key = caller.url("new-account"), generate("P-256")
    password = normalise_password(invitation.password)
    if what == "password":
        wrong = _changed(password[:-1], place, chance)
        binding = _binding(invitation.kid, url, key, mac_key(invitation.kid, wrong + check_character(wrong)))
    else:
        binding = _binding(invitation.kid, url, key, mac_key(invitation.kid, password))
        message = f"{binding['protected']}.{binding['payload']}".encode()
        mac = bytearray(make_mac(mac_key(invitation.kid, password), message))
        mac[place] ^= chance.randrange(1, 256)
        binding["signature"] = base64url.encode(bytes(mac))
    payload = json.dumps({"termsOfServiceAgreed": True, "externalAccountBinding": binding}).encode()
    protected = {"jwk": jws.jwk(key.public_key()), "url": url, "nonce": await caller.nonce()}
    return jws.sign(key, payload, protected), url


def _changed(text: str, place: int, chance: random.Random) -> str:
    letters = list(text)
    letters[place] = chance.choice([each for each in ALPHABET if each != letters[place]])
    return "".join(letters)


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """Return z of Mann and Whitney's test: how far apart two lots of times are, in standard deviations."""
    ordered = sorted([(each, 0) for each in first] + [(each, 1) for each in second])
    ranks, place = [0.0, 0.0], 0
    while place < len(ordered):
        end = place
        while end < len(ordered) and ordered[end][0] == ordered[place][0]:
            end += 1
        for _, lot in ordered[place:end]:
            ranks[lot] += (place + end + 1) / 2
        place = end
    m, n = len(first), len(second)
    above = ranks[0] - m * (m + 1) / 2
    return (above - m * n / 2) / math.sqrt(m * n * (m + n + 1) / 12)
