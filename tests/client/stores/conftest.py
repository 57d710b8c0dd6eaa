"""A token and a TPM a run; each test finds the token empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tokens import SoftToken, SoftTpm, quick_folder, soft_tpm


@pytest.fixture(scope="session")
def _token() -> Iterator[SoftToken]:
    # PKCS#11 modules read their configuration once a process, so that all tests share one token.
    with quick_folder() as folder:
        yield SoftToken.make(folder)


@pytest.fixture
def quick() -> Iterator[Path]:
    """Return a folder in memory."""
    with quick_folder() as folder:
        yield folder


@pytest.fixture
def token(_token: SoftToken, tmp_path: Path) -> SoftToken:
    """Return a token without any key."""
    from client.stores.pkcs11 import Pkcs11

    with Pkcs11(_token.place, tmp_path)._session() as session:
        for each in list(session.get_objects()):
            each.destroy()
    return _token


@pytest.fixture(scope="session")
def tpm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftTpm]:
    """Return a TPM."""
    with soft_tpm(tmp_path_factory.mktemp("swtpm") / "state") as running:
        yield running
