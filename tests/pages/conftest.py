"""Several hundred keys that the page made, once for all tests of a process."""

import dataclasses

import pytest

from tests.pages.page import ask

_KINDS = ["P-256"] * 300 + ["RSA-3072"] * 10


@dataclasses.dataclass(frozen=True)
class Made:
    """A key of the page, in PKCS#8, and the signing request that the page made with it."""

    kind: str
    private_key: bytes
    request: bytes


@pytest.fixture(scope="session")
def made() -> list[Made]:
    """Let the page make keys of both kinds, and requests."""
    return [Made(each["kind"], each["privateKey"], each["request"]) for each in ask("requests.mjs", _KINDS)]
