"""What the store keeps through crashes, crowds and file systems without links."""

from pathlib import Path

import pytest

from client.errors import ClientError, TryLater
from client.stores.files import FilesStore, credential_name
from client.stores.folder import Record, SeatFolder, make_live
from protocol.names import CommonName
from protocol.resources import Seat
from tests.client.small_authority import Issuer

CN = CommonName.parse("F123456-001")
SEAT = Seat(CN, "みどり銀行", renewal=False)
ISSUER = Issuer.root("Client authority")


@pytest.fixture
def store(tmp_path: Path) -> FilesStore:
    return FilesStore(tmp_path / "home", 0.1)


def begun(store: FilesStore, kid: str, trusted: bytes | None = None) -> SeatFolder:
    record = Record("https://ca.example/directory", credential_name(kid), f"https://ca.example/{kid}", SEAT, True)
    with store.lock():
        return store.begin(record, trusted)


def install(folder: SeatFolder) -> None:
    (generation,) = folder.generations()
    public_key = generation.key().public_key()
    generation.install([ISSUER.client(str(CN), public_key, 30), ISSUER.certificate])  # type: ignore[arg-type]


def settle(store: FilesStore) -> None:
    with store.lock():
        pass


def test_a_record_reads_back_as_it_was_written(store: FilesStore) -> None:
    folder = begun(store, "A")
    assert folder.record() == Record(
        "https://ca.example/directory", credential_name("A"), "https://ca.example/A", SEAT, agreed=True
    )


def test_one_process_at_a_time(store: FilesStore) -> None:
    with store.lock(), pytest.raises(TryLater), FilesStore(store.home, 0.1).lock():
        pass
    settle(store)


def test_a_certificate_installed_before_a_kill_gets_its_place_at_the_next_lock(store: FilesStore) -> None:
    install(begun(store, "A"))
    settle(store)
    live = store.seat(CN).live()
    assert live is not None
    assert live.complete
    assert store.pending() == []


def test_a_kill_between_certificate_and_pointer_is_mended(store: FilesStore) -> None:
    install(begun(store, "A"))
    settle(store)
    generation = store.seat(CN).next_generation()
    public_key = generation.key().public_key()
    generation.install([ISSUER.client(str(CN), public_key, 30)])  # type: ignore[arg-type]
    assert store.seat(CN).live() != generation
    settle(store)
    assert store.seat(CN).live() == generation


@pytest.mark.parametrize("writes", range(5))
def test_a_second_enrolment_killed_while_it_moves_in_is_moved_to_the_end(
    store: FilesStore, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    install(begun(store, "A", b"old"))
    settle(store)
    second = begun(store, "B", b"new")
    install(second)
    account_key = second.account_key().public_key()
    left = iter(range(writes))

    def killed(*_: object) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    real_replace, real_rename = Path.replace, Path.rename
    monkeypatch.setattr(Path, "replace", lambda *a: (killed(), real_replace(*a))[1])
    monkeypatch.setattr(Path, "rename", lambda *a: (killed(), real_rename(*a))[1])
    with pytest.raises(KeyboardInterrupt):
        settle(store)
    monkeypatch.undo()
    settle(store)
    seat = store.seat(CN)
    assert store.pending() == []
    assert seat.account_key().public_key() == account_key
    assert seat.record().credential == credential_name("B")
    assert seat.trusted is not None
    assert seat.trusted.read_bytes() == b"new"
    assert [each.path.name for each in seat.generations()] == ["0001", "0002"]
    assert seat.live() == seat.generations()[1]


def test_half_written_files_of_a_killed_process_are_deleted(store: FilesStore) -> None:
    folder = begun(store, "A")
    leftovers = [folder.path / ".account.json.x", folder.generations()[0].path / ".key.pem.x"]
    for path in leftovers:
        path.write_text("half a key")
    foreign = store.home / ".profile"
    foreign.write_text("of somebody else")
    settle(store)
    assert [path.exists() for path in (*leftovers, foreign)] == [False, False, True]


def test_hidden_folders_and_files_of_others_are_let_be(store: FilesStore) -> None:
    install(begun(store, "A"))
    settle(store)
    begun(store, "B")
    seat = store.seat(CN)
    places = (seat.path, seat.generations()[0].path, seat.generations()[0].path.parent, store.home / "pending")
    for place in places:
        (place / ".snapshot").mkdir()
        (place / ".nfs0001").touch()
    settle(store)
    assert all((place / name).exists() for place in places for name in (".snapshot", ".nfs0001"))
    assert store.leftovers() == []


def test_an_enrolment_killed_while_it_began_is_begun_anew(store: FilesStore) -> None:
    folder = begun(store, "A")
    (folder.path / "account.json").unlink()
    assert store.pending() == []
    assert begun(store, "A").begun


def test_a_deletion_killed_halfway_is_finished(store: FilesStore, monkeypatch: pytest.MonkeyPatch) -> None:
    install(begun(store, "A"))
    settle(store)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("client.stores.files.shutil.rmtree", killed)
    with store.lock(), pytest.raises(KeyboardInterrupt):
        store.discard(store.seat(CN))
    assert store.seats() == []
    monkeypatch.undo()
    settle(store)
    assert list(store.home.rglob("*.pem")) == []


def test_without_links_a_file_points_to_the_live_generation(store: FilesStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refused)
    install(begun(store, "A"))
    settle(store)
    seat = store.seat(CN)
    assert not (seat.path / "live").is_symlink()
    assert seat.live() == seat.generations()[0]
    second = seat.next_generation()
    make_live(seat, second)
    assert seat.live() == second


def test_a_damaged_record_is_named(store: FilesStore) -> None:
    install(begun(store, "A"))
    settle(store)
    path = store.seat(CN).path / "account.json"
    path.write_text("{")
    with pytest.raises(ClientError, match=r"account\.json is missing or damaged"):
        store.seat(CN).record()


def test_what_is_no_seat_is_left_alone(store: FilesStore) -> None:
    settle(store)
    for name in ("notes", "F123456-002"):
        (store.home / name).mkdir()
    assert store.seats() == []
    assert list((store.home / "notes").iterdir()) == []
