"""Walks: a thousand random walks of officers, institutions, PCs and the clock on a real CA, beside a small model.

`tests.ca_server.operations.walks` says what a walk is; the tests take a hundred from another seed.
"""

from pathlib import Path

from tests.ca_server.operations.walks import walk
from tests.drills.figures import Figure, none_of


def drill(_: Path, walks: int = 1000, seed: int = 2) -> list[Figure]:
    """Walk `walks` times and return the figures."""
    try:
        tally = walk(walks, seed=seed, shrink=False)
    except AssertionError as finding:
        way = getattr(finding, "__notes__", ())
        return [none_of("walks: findings", [str(finding), *way])]
    return [
        Figure("walks: walks with balanced books", f"{walks}, more", str(tally.walks), tally.walks >= walks),
        Figure("walks: steps that agree with the model", "any number", str(tally.steps), met=True),
        none_of("walks: findings", ()),
    ]
