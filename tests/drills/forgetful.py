"""Runs `warifu-ca` with a defect planted in what makes restored records safe.

    python forgetful.py DEFECT ARGUMENTS…

Nothing of this is in the product.
"""

import sys
from collections.abc import Callable
from typing import Any

from ca_server import cli
from ca_server.operations import restoration


def disbelieve_the_list() -> None:
    """Nothing is taken from the newest CRL but its number."""
    _replace("_take_over", lambda *_: None)


def count_on() -> None:
    """The next CRL number is the one after the last that the records took."""
    _replace("_NUMBERS_A_SECOND", 0)


def leave_pairs_open() -> None:
    """Pairs that were open stay so."""
    _replace("_replace_pairs", lambda *_: None)


DEFECTS: dict[str, Callable[[], None]] = {
    plant.__name__.replace("_", "-"): plant for plant in (disbelieve_the_list, count_on, leave_pairs_open)
}


def _replace(name: str, with_what: Any) -> None:
    assert hasattr(restoration, name), f"there is no {name} any more: the defect must be planted anew"
    setattr(restoration, name, with_what)


if __name__ == "__main__":
    DEFECTS[sys.argv[1]]()
    sys.argv = sys.argv[1:]
    cli.main()
