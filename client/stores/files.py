"""What a PC has, in folders under one home; its private keys stand there too, or are held elsewhere (`holder`).

    HOME/lock               one process at a time
    HOME/pending/SHA256/    an enrolment under way, called by the SHA-256 of its kid (`folder.SeatFolder`)
    HOME/F123456-001/       an enrolled seat, called by its CN

An enrolment becomes a seat by renaming its folder; where the seat's folder is there already (a renewal by mail, or a
certificate issued anew) by moving its parts. What a kill leaves half moved is moved to the end by whoever locks next.
"""

import hashlib
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from client.errors import ClientError
from client.language import sentence
from client.stores.disk import make_folder
from client.stores.folder import TRUSTED, Record, SeatFolder, begin_seat, leftovers, make_live, next_path
from client.stores.key_slot import dispose, dispose_if_possible
from client.stores.lock import LOCK, WAIT_SECONDS, locked
from keys.keystore import write_private
from protocol.names import BadName, CommonName

_TRASH = ".warifu-deleted-"

_HALF_WRITTEN = re.compile(r"\.((account|ca|cert|chain|key|nss|order|renewal|revocation|warifu-\w+)\..*|live.*)")
"""The hidden files of ours (`write_private` puts a dot before a name and letters after it); others are let be."""


def credential_name(kid: str) -> str:
    """Return what an enrolment is called by on this PC: the SHA-256 of its kid, which tells nothing of it."""
    return hashlib.sha256(kid.encode("ascii")).hexdigest()


class FilesStore:
    """The seats of this PC; change them with the lock held."""

    def __init__(self, home: Path, wait_seconds: float = WAIT_SECONDS) -> None:
        self.home: Final = home
        self._wait_seconds = wait_seconds

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from changing the store, and finish what a killed one began.

        Raises TryLater when another process is at work for too long.
        """
        make_folder(self.home)
        with locked(self.home / LOCK, self._wait_seconds):
            self._settle()
            yield

    def seats(self) -> list[SeatFolder]:
        """Return the enrolled seats, by their CN."""
        paths = sorted(self.home.iterdir()) if self.home.exists() else []
        return [SeatFolder(path) for path in paths if _is_common_name(path.name) and SeatFolder(path).begun]

    def seat(self, common_name: CommonName) -> SeatFolder:
        """Return one seat. Raises ClientError when it is not on this PC."""
        folder = SeatFolder(self.home / str(common_name))
        if not folder.begun:
            raise ClientError(
                "unknownCertificate",
                sentence("There is no certificate {cn} on this PC."),
                sentence("`warifu status` lists those that there are."),
                facts={"cn": common_name},
            )
        return folder

    def enrolled_with(self, credential: str) -> SeatFolder | None:
        """Return the seat whose account came from a credential, so that enrolling again does nothing."""
        return next((each for each in self.seats() if each.record().credential == credential), None)

    def pending(self) -> list[SeatFolder]:
        """Return the enrolments under way."""
        folder = self.home / "pending"
        paths = sorted(folder.iterdir()) if folder.exists() else []
        return [SeatFolder(path) for path in paths if SeatFolder(path).begun]

    def pending_with(self, credential: str) -> SeatFolder | None:
        """Return the enrolment under way with a credential."""
        return next((each for each in self.pending() if each.path.name == credential), None)

    def begin(self, record: Record, trusted: bytes | None) -> SeatFolder:
        """Begin an enrolment: both keys are made, on disk or in their token, when this returns.

        Raises ClientError when a token is not there or refuses.
        """
        path = self.home / "pending" / record.credential
        if path.exists():
            dispose(path)
        return begin_seat(path, record, trusted)

    def promote(self, pending: SeatFolder) -> SeatFolder:
        """Make an enrolment whose certificate has come a seat, and its certificate the live one."""
        seat = pending.record().seat
        assert seat is not None  # noqa: S101  its certificate could not have come
        folder = SeatFolder(self.home / str(seat.common_name))
        if folder.path.exists():
            _take_over(folder, pending)
            shutil.rmtree(pending.path)
        else:
            pending.path.rename(folder.path)
        _make_newest_live(folder)
        return folder

    def discard(self, folder: SeatFolder) -> None:
        """Delete a seat, or an enrolment, with its keys; at one stroke for whoever looks.

        Raises ClientError when a token is away; its keys are then deleted when it is there at a later lock.
        """
        trash = self.home / f"{_TRASH}{folder.path.name}-{secrets.token_hex(4)}"
        folder.path.rename(trash)
        dispose(trash)

    def leftovers(self) -> list[Path]:
        """Return the folders that are on their way out, or were never whole."""
        pending = self.pending()
        kept = {folder.path for folder in pending}
        unbegun = [path for path in (self.home / "pending").glob("[!.]*") if path not in kept]
        parts = [path for folder in (*pending, *self.seats()) for path in leftovers(folder)]
        return [*self.home.glob(f"{_TRASH}*"), *unbegun, *parts]

    def _settle(self) -> None:
        """Finish what a killed process left: half-made keys and files go, installed certificates get their place."""
        for leftover in self.leftovers():
            dispose_if_possible(leftover)
        for folder in (*self.pending(), *self.seats()):
            _sweep(folder)
        for pending in self.pending():
            if all(generation.complete for generation in pending.generations()):
                self.promote(pending)
        for folder in self.seats():
            _make_newest_live(folder)


def _is_common_name(text: str) -> bool:
    try:
        CommonName.parse(text)
    except BadName:
        return False
    return True


def _take_over(folder: SeatFolder, pending: SeatFolder) -> None:
    """Give a seat the certificate and the account of a later enrolment.

    The steps, each at one stroke, may be gone through again after a kill: the certificate moves first, and an
    enrolment without one is known to be on its way here.
    """
    for generation in pending.generations():
        generation.path.rename(next_path(folder))
    folder.account_slot.take(pending.account_slot)
    trusted = pending.trusted
    if trusted is None:
        (folder.path / TRUSTED).unlink(missing_ok=True)
    else:
        write_private(folder.path / TRUSTED, trusted.read_bytes(), replace=True)
    folder.write(pending.record())


def _make_newest_live(folder: SeatFolder) -> None:
    complete = [generation for generation in folder.generations() if generation.complete]
    if complete and folder.live() != complete[-1]:
        make_live(folder, complete[-1])


def _sweep(folder: SeatFolder) -> None:
    """Delete the half-written files of a killed process, for they may hold keys."""
    for path in (folder.path, *(generation.path for generation in folder.generations())):
        for leftover in path.glob(".*"):
            if _HALF_WRITTEN.fullmatch(leftover.name):
                leftover.unlink()
