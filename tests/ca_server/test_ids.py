"""Ids: of one form, each once, and never the same in two processes."""

import re
import subprocess
import sys

from ca_server.ids import new_id, request_id


def test_an_id_is_26_letters_of_crockfords_alphabet() -> None:
    assert re.fullmatch("[0-9a-hjkmnp-tv-z]{26}", new_id())


def test_no_id_comes_twice() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000


_FORKED = """
import os
from ca_server.ids import new_id
new_id()
child = os.fork()
os.write(1, "".join(f"{new_id()} " for _ in range(10)).encode())  # in one piece
if child:
    os.waitpid(child, 0)
"""


def test_a_process_that_was_forked_makes_ids_of_its_own() -> None:
    told = subprocess.run(
        [sys.executable, "-c", _FORKED], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert len(set(told.split())) == 20


def test_an_id_sorts_behind_those_made_before() -> None:
    made = [new_id() for _ in range(1000)]
    assert [each[:16] for each in made] == sorted(each[:16] for each in made)


def test_the_id_of_a_request_tells_no_moment() -> None:
    made = [request_id() for _ in range(1000)]
    assert all(re.fullmatch("[0-9a-hjkmnp-tv-z]{20}", each) for each in made)
    assert made != sorted(made)
    assert len({each[:8] for each in made}) == 1000
