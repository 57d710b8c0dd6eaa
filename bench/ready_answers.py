"""Fills a ready store as the keeper would, on all cores: some answers really signed, and checked, the rest copied.

The signed ones are spread evenly over the key space, and only they are asked for. The others bear the signatures of
their neighbour before them: they take the same room and are never looked at.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from bench.population import Population
from bench.records import FIRST_PLACE
from ca_server import keyring
from ca_server.authority import der, ocsp
from ca_server.authority.signer import Signer
from ca_server.clock import MINUTE
from ca_server.config import load
from ca_server.responder.answers import Issuing
from ca_server.responder.ready import Entry, Keeping

_A_PIECE = 10_000


@dataclass(frozen=True)
class Plan:
    """What is to be signed: every `distance`th certificate of a population, in an agency."""

    config: Path
    population: Population
    distance: int

    @property
    def signed(self) -> range:
        """Return the places that are really signed."""
        return range(0, self.population.count, self.distance)


def fill(plan: Plan) -> None:
    """Write an entry for every certificate. Raises InvalidSignature when a signature does not verify."""
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        pieces = [plan.signed[start : start + _A_PIECE] for start in range(0, len(plan.signed), _A_PIECE)]
        for _ in pool.map(_fill, [plan] * len(pieces), pieces):
            pass
    with _keeping(plan) as keeping:
        keeping.put((), FIRST_PLACE + plan.population.count - 1)


def _fill(plan: Plan, places: range) -> None:
    """Sign the answers at some places, and write their entries and those of the places that follow each."""
    issuing, times = _issuing(plan.config), _times(plan)
    entries = (
        (issuing.key + plan.population.serial(place).to_bytes(16, "big"), _entry(plan, place, times, signatures))
        for first in places
        for signatures in (_signatures(plan, first, times),)
        for place in range(first, min(first + plan.distance, plan.population.count))
    )
    with _keeping(plan) as keeping:
        keeping.put(list(entries))


def _signatures(plan: Plan, place: int, times: tuple[int, int]) -> tuple[bytes, bytes]:
    """Return the signatures of the answers to SHA-1 and to SHA-256 CertIDs, each verified."""
    status, number = ocsp.status_der(plan.population.status(place)), der.integer(plan.population.serial(place))
    key = _signer(plan.config).public_key
    assert isinstance(key, ec.EllipticCurvePublicKey)
    made = []
    for form in _issuing(plan.config).current()[1]:
        content = form.to_be_signed(number, status, *times)
        made.append(form.sign(content))
        key.verify(made[-1], content, ec.ECDSA(SHA256()))
    return made[0], made[1]


def _entry(plan: Plan, place: int, times: tuple[int, int], signatures: tuple[bytes, bytes]) -> Entry:
    at, reason = plan.population.revoked(place) or (None, 0)
    mark, _ = _issuing(plan.config).current()
    is_revoked = int(at is not None)
    return Entry(*times, at or 0, plan.population.not_after, is_revoked, int(reason), mark, signatures)


def _times(plan: Plan) -> tuple[int, int]:
    """Return the answers' thisUpdate and nextUpdate: what the keeper finds too young to be signed anew."""
    return plan.population.now, plan.population.now + load(plan.config).authority.ocsp_answer_minutes * MINUTE


def _keeping(plan: Plan) -> AbstractContextManager[Keeping]:
    return closing(Keeping.open(load(plan.config).responder.ready_folder))


@cache
def _signer(path: Path) -> Signer:
    authority = load(path).authority
    return keyring.load_signer(authority.ocsp_certificate, authority.ocsp_key, authority.ocsp_passphrase_file)


@cache
def _issuing(path: Path) -> Issuing:
    signer, authority = _signer(path), load(path).authority
    return Issuing(authority.issuer, keyring.load_certificate(authority.issuing_certificate), lambda: signer)
