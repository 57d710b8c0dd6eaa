"""The responder's processes under one `serve`: killed, starved of their records, and given new keys, while others ask.

Every answer is judged; what relying systems must never hear is a refusal, silence, or good from ignorance.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ca_server import config, keyring
from tests.end_to_end.agency import Agency, CommandFailed
from tests.end_to_end.questions import Crowd, Judge, judge
from tests.end_to_end.relying import enrolled, is_alive, processes, serial_of, wait_until

_CERTIFICATES = 8
_NEVER_ISSUED = 0x1234567890ABCDEF
_UNDER_LOAD = 5
"""Seconds for what takes less than one on a machine that does nothing else; the drills measure that."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Agency, list[int], list[str]]]:
    """Run an agency of these tests' own, for they kill its processes: with serials and CNs of good certificates."""
    agency = Agency(tmp_path_factory.mktemp("responder"))
    agency.serve()
    try:
        candidates = enrolled(agency, _CERTIFICATES)
        yield agency, [serial_of(each) for each in candidates], [each.invitation.cn for each in candidates]
    finally:
        if agency.process is not None:
            agency.stop()


@pytest.fixture
def agency(authority: tuple[Agency, list[int], list[str]]) -> Agency:
    """Return the agency, served, every worker with answers that are ready."""
    running = authority[0]
    if running.process is None or running.process.poll() is not None:
        running.serve()
    wait_until(lambda: are_ready(judge(running.chain), running.http_port, authority[1][0]), 20)
    return running


@pytest.fixture
def serials(authority: tuple[Agency, list[int], list[str]]) -> list[int]:
    """Return serials of which the first are good; each test that revokes takes the last."""
    return authority[1]


@pytest.fixture
def asked(agency: Agency) -> Judge:
    """Return who asks and judges."""
    return judge(agency.chain)


def are_ready(asked: Judge, port: int, serial: int) -> bool:
    """Tell whether every worker gives an answer that was signed some time before."""
    told = [asked.ask(port, serial) for _ in range(12)]
    return {each.word for each in told} == {"good"} and all(each.was_ready for each in told)


def supervisor(agency: Agency) -> int:
    """Return the process of `serve`."""
    assert agency.process is not None
    return agency.process.pid


async def test_a_worker_or_keeper_killed_is_replaced_while_everybody_is_answered(
    agency: Agency, asked: Judge, serials: list[int], authority: tuple[Agency, list[int], list[str]]
) -> None:
    pid = supervisor(agency)
    crowd = Crowd(asked, serials[:4])
    async with crowd.asking(agency.http_port):
        before = processes(pid, "worker")
        os.kill(before[0], signal.SIGKILL)
        await asyncio.to_thread(wait_until, lambda: len(set(processes(pid, "worker")) - set(before)) == 1, _UNDER_LOAD)
        (keeper,) = processes(pid, "keeper")
        os.kill(keeper, signal.SIGKILL)
        authority[1].remove(revoked := serials[-1])
        await asyncio.to_thread(agency.revoke, authority[2].pop())
        await asyncio.to_thread(wait_until, lambda: asked.ask(agency.http_port, revoked).word == "revoked", 1)
        await asyncio.to_thread(wait_until, lambda: processes(pid, "keeper") not in ([], [keeper]), _UNDER_LOAD)
        await asyncio.sleep(0.5)
    assert crowd.words.keys() <= {"good", "broken"}, crowd.words
    assert crowd.words.get("broken", 0) <= 20
    assert max(crowd.seconds) < _UNDER_LOAD


def test_no_process_outlives_a_supervisor_that_was_killed(agency: Agency, asked: Judge, serials: list[int]) -> None:
    pid = supervisor(agency)
    own = processes(pid, "keeper") + processes(pid, "worker")
    with socket.create_connection(("127.0.0.1", agency.http_port)) as slow:
        slow.sendall(b"POST /ocsp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90\r\nExpect: 100-continue\r\n\r\n0")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, own)), 5)
    agency.stop()
    agency.serve()
    assert asked.ask(agency.http_port, serials[0]).word == "good"


def test_what_is_asked_while_it_stops_is_answered_whole(agency: Agency, asked: Judge, serials: list[int]) -> None:
    question = asked.question(serials[0])
    own = processes(supervisor(agency), "worker")
    with socket.create_connection(("127.0.0.1", agency.http_port), 10) as line:
        line.sendall(b"POST /ocsp HTTP/1.1\r\nHost: localhost\r\n")
        line.sendall(b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(question) + question[:40])
        os.kill(supervisor(agency), signal.SIGTERM)
        line.sendall(question[40:])
        head, _, answer = b"".join(iter(lambda: line.recv(4096), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert asked.told(answer, serials[0]).word == "good"
    assert agency.stop() == 0
    assert not any(map(is_alive, own))


@pytest.mark.parametrize("shares", [False, True])
def test_another_program_at_the_address_stops_the_start_and_is_named(agency: Agency, *, shares: bool) -> None:
    agency.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", agency.http_port))
        other.listen()
        said = agency.ca("serve", code=1)["error"]
    assert said["type"] == "OSError"
    assert "http_listen" in said["detail"]
    assert f"127.0.0.1:{agency.http_port}" in said["detail"]


def test_a_worker_or_keeper_that_cannot_start_stops_the_start_and_says_why(agency: Agency) -> None:
    agency.stop()
    ready = agency.folder / "ready"
    shutil.rmtree(ready)
    ready.write_text("no folder")
    try:
        with pytest.raises(CommandFailed, match=r"the keeper of the OCSP responder cannot go on: .*ready"):
            agency.serve()
    finally:
        ready.unlink()
    assert agency.process is not None
    assert agency.stop() == 1


def test_a_broken_ocsp_key_stops_the_start_and_is_named(agency: Agency) -> None:
    agency.stop()
    key = agency.folder / "authority" / "ocsp.key.pem"
    whole = key.read_bytes()
    key.write_bytes(whole[: len(whole) // 2])
    try:
        assert "ocsp.key.pem" in agency.ca("serve", code=1)["error"]["detail"]
    finally:
        key.write_bytes(whole)


@contextlib.contextmanager
def moved_away(database: Path) -> Iterator[None]:
    """Take the records away."""
    away = database.with_suffix(".away")
    database.rename(away)
    try:
        yield
    finally:
        away.rename(database)


@contextlib.contextmanager
def a_folder_instead(database: Path) -> Iterator[None]:
    """Put a folder where the records were."""
    with moved_away(database):
        database.mkdir()
        try:
            yield
        finally:
            database.rmdir()


@contextlib.contextmanager
def nonsense_instead(database: Path) -> Iterator[None]:
    """Put a file that is no database where the records were."""
    with moved_away(database):
        database.write_bytes(b"This is no database." * 500)
        try:
            yield
        finally:
            database.unlink()


@pytest.mark.parametrize("trouble", [moved_away, a_folder_instead, nonsense_instead])
def test_without_records_ready_answers_are_given_and_nothing_is_good_from_ignorance(
    agency: Agency, asked: Judge, serials: list[int], trouble: Callable[[Path], contextlib.AbstractContextManager[None]]
) -> None:
    port = agency.http_port
    with trouble(agency.folder / "warifu.db"):
        wait_until(lambda: asked.ask(port, serials[0], nonced=True).word == "TRY_LATER", 20)
        assert asked.ask(port, serials[0]).word == "good"
        assert asked.ask(port, _NEVER_ISSUED).word == "TRY_LATER"
        shutil.rmtree(agency.folder / "ready")
        wait_until(lambda: asked.ask(port, serials[0]).word == "TRY_LATER", 20)
        assert asked.ask(port, _NEVER_ISSUED).word == "TRY_LATER"
    wait_until(lambda: {asked.ask(port, serials[0], nonced=True).word for _ in range(8)} == {"good"}, 20)
    wait_until(lambda: {asked.ask(port, _NEVER_ISSUED).word for _ in range(8)} == {"unknown"}, 20)


async def test_the_ready_folder_removed_is_made_anew_and_nobody_notices(
    agency: Agency, asked: Judge, serials: list[int]
) -> None:
    ready, crowd = agency.folder / "ready", Crowd(asked, serials[:4])
    async with crowd.asking(agency.http_port):
        shutil.rmtree(ready)
        await asyncio.to_thread(wait_until, lambda: list(ready.glob("*/data.mdb")) != [], _UNDER_LOAD)
        await asyncio.sleep(1.5)
    assert crowd.words.keys() == {"good"}, crowd.words
    assert are_ready(asked, agency.http_port, serials[0])


async def test_a_locked_database_makes_nobody_wait(agency: Agency, asked: Judge, serials: list[int]) -> None:
    crowd = Crowd(asked, serials[:4])
    with contextlib.closing(sqlite3.connect(agency.folder / "warifu.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        async with crowd.asking(agency.http_port):
            await asyncio.sleep(2)
            assert (await asyncio.to_thread(asked.ask, agency.http_port, _NEVER_ISSUED)).word == "unknown"
        writer.rollback()
    assert crowd.words.keys() == {"good"}, crowd.words


async def test_a_new_signer_takes_over_without_a_gap(agency: Agency, asked: Judge, serials: list[int]) -> None:
    settings = config.load(agency.config)
    (authority,) = settings.authorities
    issuing = keyring.load_signer(
        authority.issuing_certificate, authority.issuing_key, authority.issuing_passphrase_file
    )
    before = asked.ask(agency.http_port, serials[0]).signer
    port, crowd = agency.http_port, Crowd(asked, serials[:4])
    async with crowd.asking(port):
        old = authority.ocsp_certificate.read_bytes()
        fresh = keyring.renew_ocsp_signer(keyring.hierarchy_profile(settings), authority, issuing, int(time.time()))
        whole = authority.ocsp_certificate.read_bytes()
        authority.ocsp_certificate.write_bytes(old)  # as between the two writes: a new key, the old certificate
        await asyncio.sleep(1.5)
        authority.ocsp_certificate.write_bytes(whole)
        number = fresh.certificate.serial_number
        await asyncio.to_thread(
            wait_until, lambda: {asked.ask(port, serials[0]).signer for _ in range(8)} == {number}, _UNDER_LOAD
        )
        await asyncio.to_thread(wait_until, lambda: are_ready(asked, port, serials[0]), _UNDER_LOAD)
    assert number != before
    assert crowd.words.keys() == {"good"}, crowd.words
