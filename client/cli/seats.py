"""Finds the seats that a command is about."""

from client.config import Settings
from client.errors import Misuse
from client.language import sentence
from client.stores.files import FilesStore
from client.stores.folder import SeatFolder
from protocol.names import CommonName


def store_of(settings: Settings) -> FilesStore:
    """Return what this PC keeps."""
    return FilesStore(settings.home)


def seats_of(store: FilesStore, common_name: CommonName | None) -> list[SeatFolder]:
    """Return the seat named, or all. Raises ClientError when the one named is not on this PC."""
    return store.seats() if common_name is None else [store.seat(common_name)]


def one_seat(store: FilesStore, common_name: CommonName | None) -> SeatFolder:
    """Return the seat named, or the only one. Raises Misuse when it is not clear which."""
    if common_name is not None:
        return store.seat(common_name)
    seats = store.seats()
    if len(seats) != 1:
        raise Misuse(
            "whichCertificate", sentence("Say which CN: `warifu status` lists them."), fields={"CN": "missing"}
        )
    return seats[0]
