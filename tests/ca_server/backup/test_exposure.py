"""Others who can reach a secret or the records are an alarm; a closed folder covers what lies in it."""

from collections.abc import Iterator

import pytest

from ca_server.backup.exposure import exposed
from ca_server.config import Config, load
from tests.end_to_end.agency import Agency


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """A CA whose folders, and all above them, everybody may enter."""
    folder = tmp_path_factory.mktemp("exposed")
    made = load(Agency(folder).config)
    closed = [each for each in (folder, *folder.parents) if not each.stat().st_mode & 0o001]
    for each in (*closed, made.path.parent, *(made.path.parent / name for name in ("secrets", "authority", "tls"))):
        each.chmod(0o711)
    yield made
    for each in closed:
        each.chmod(0o700)


def test_what_init_makes_is_exposed_to_nobody(config: Config) -> None:
    assert exposed(config) == ()


@pytest.mark.parametrize(
    "name", ["authority/issuing-1.key.pem", "secrets/server.secret", "secrets/issuing-1.passphrase"]
)
def test_a_secret_that_others_may_read_is_an_alarm_until_its_folder_is_closed(config: Config, name: str) -> None:
    path = config.path.parent / name
    path.chmod(0o644)
    assert exposed(config) == (f"Others may read or change {path}: chmod 600 it, and ask whether it must be replaced.",)
    path.parent.chmod(0o700)
    assert exposed(config) == ()
    path.parent.chmod(0o711)
    path.chmod(0o600)


def test_records_and_a_configuration_that_others_may_change_are_alarms(config: Config) -> None:
    for path in (config.path, config.path.parent / "warifu.db"):
        path.chmod(0o666)
        assert exposed(config) == (f"Others may change {path}: chmod 600 it, and see `warifu-ca reconcile`.",)
        path.chmod(0o600)


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_list_of_officers_keys_that_others_may_change_is_an_alarm(config: Config, mode: int) -> None:
    path = config.applications.officer_keys
    path.touch()
    path.chmod(mode)
    assert exposed(config) == (
        f"Others may change {path}, so no signature counts: chmod go-w it, and see who stands in it.",
    )
    path.chmod(0o600)
    assert exposed(config) == ()
    path.unlink()
