"""Ids: of one form, each once, and never the same in two processes."""

import os
import re

from ca_server.ids import new_id, sorted_id


def test_an_id_is_26_letters_of_crockfords_alphabet() -> None:
    assert re.fullmatch("[0-9a-hjkmnp-tv-z]{26}", new_id())


def test_no_id_comes_twice() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_a_process_that_was_forked_makes_ids_of_its_own() -> None:
    new_id()
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, "".join(new_id() for _ in range(100)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        theirs = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    assert not {new_id() for _ in range(100)} & {theirs[at : at + 26] for at in range(0, len(theirs), 26)}


def test_an_id_that_sorts_comes_behind_those_made_before() -> None:
    made = [sorted_id() for _ in range(1000)]
    assert {len(each) for each in made} == {26}
    assert [each[:16] for each in made] == sorted(each[:16] for each in made)
