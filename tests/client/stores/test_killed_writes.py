"""A client killed at any of its writes, in a folder or in a token, is gone on with by running it again."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pkcs11 import Attribute

from client.stores.pkcs11 import Pkcs11
from tests.client.pc import Pc
from tests.client.stand_in import StandIn, soon
from tests.tokens import SoftToken

KILLED = -9
Run = Callable[[Pc, list[str], str, int], int]


@pytest.fixture
def run() -> Iterator[Run]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LC_")} | {"LANG": "C.UTF-8"}
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("deadly.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[3],
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[3])},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        pipes: tuple[Any, Any] = process.stdin, process.stdout

        def ordered(pc: Pc, words: list[str], password: str, n: int) -> int:
            order = {"words": [*words, "--home", str(pc.home)], "password": password, "n": n}
            pipes[0].write(json.dumps(order) + "\n")
            pipes[0].flush()
            return int(pipes[1].readline())

        yield ordered
        process.stdin.close()


def identifiers(token: SoftToken, folder: Path) -> list[str]:
    with Pkcs11(token.place, folder)._session() as session:
        return sorted(each[Attribute.ID].decode() for each in session.get_objects())


def empty(token: SoftToken, folder: Path) -> None:
    with Pkcs11(token.place, folder)._session() as session:
        for each in list(session.get_objects()):
            each.destroy()


def assert_whole(pc: Pc, token: SoftToken, cn: str, certificates: int) -> None:
    """Demand what was issued, and in the token its keys, its certificates and the account's key, nothing else."""
    issued = pc.server.issued_for(cn)
    seat = pc.seat(cn)
    live = seat.live()
    assert live is not None
    assert live.certificate() == issued[-1]
    assert [each.certificate() for each in seat.generations()] == issued
    assert live.key().public_key() == issued[-1].public_key()
    assert len(issued) == certificates
    assert pc.store.pending() == []
    keys = [reference(each.path / "key.json") for each in seat.generations()]
    account = reference(seat.path / "account.key.json")
    assert identifiers(token, pc.home) == sorted([account] * 2 + [each for key in keys for each in [key] * 3])


def reference(note: Path) -> str:
    return str(json.loads(note.read_text())["reference"])


@pytest.mark.slow
def test_an_enrolment_killed_at_each_write_ends_with_one_certificate(
    run: Run, server: StandIn, token: SoftToken, quick: Path
) -> None:
    for n in itertools.count(1):
        empty(token, quick)
        cn = f"F123456-{n:03d}"
        pc, credential = Pc(quick / str(n), server), server.invite(cn)
        words = [*pc.enrol_words(credential), *token.options]
        killed = run(pc, words, credential.password, n)
        if killed == 0:
            break
        assert killed == KILLED
        assert run(pc, words, credential.password, 0) == 0, n
        assert_whole(pc, token, cn, 1)
    assert n > 20


@pytest.mark.slow
def test_a_mailed_renewal_killed_at_each_write_moves_in_whole(
    run: Run, server: StandIn, token: SoftToken, quick: Path
) -> None:
    pc, cn = Pc(quick, server), "F123456-001"
    for n in itertools.count(0):  # the first run, which nothing kills, enrols
        credential = server.invite(cn, renewal=n > 0)
        words = [*pc.enrol_words(credential), *token.options]
        killed = run(pc, words, credential.password, n)
        if killed == 0 and n:
            break
        assert killed == (KILLED if n else 0)
        assert run(pc, words, credential.password, 0) == 0, n
        assert_whole(pc, token, cn, n + 1)
    assert n > 20


@pytest.mark.slow
def test_a_renewal_killed_at_each_write_is_gone_on_with_once_it_has_begun(
    run: Run, server: StandIn, token: SoftToken, quick: Path
) -> None:
    pc, cn, credential = Pc(quick, server), "F123456-001", server.invite()
    assert run(pc, [*pc.enrol_words(credential), *token.options], credential.password, 0) == 0
    made, server.window = 1, soon(days=2)
    for n in itertools.count(1):
        killed = run(pc, ["renew", cn, "--force"], "", n)
        if killed == 0:
            break
        assert killed == KILLED
        assert run(pc, ["renew", cn], "", 0) == 0, n
        now = len(server.issued_for(cn))
        assert now - made in (0, 1)
        made = now
        assert_whole(pc, token, cn, made)
    assert made > 10
