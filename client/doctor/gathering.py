"""Finds the facts out: what lies here is read, what is far is asked, all side by side. Nothing is changed or locked."""

import asyncio
import contextlib
import os
import shutil
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from client import ocsp
from client.clock import now
from client.config import Settings
from client.doctor.facts import Facts, Server, Stage
from client.doctor.probes import BRIEF, LONGEST, ahead_of, aside, probe
from client.doctor.seats import seat_of
from client.errors import ClientError, from_any
from client.hooks import find_hooks
from client.journal import LOG, last_line, runs_daily
from client.stores.custody import Custody
from client.stores.files import FilesStore
from client.stores.folder import SeatFolder
from client.stores.holder import holder_of
from client.stores.lock import LOCK
from client.stores.token_uri import TokenUri
from keys.errors import KeysError
from protocol.names import CommonName

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITTEN = (LOCK, LOG, f"{LOG}.lock")
"""The files of a home that are opened to be written to; all others are put in their place whole."""
_LEAST_ROOM = 1_000_000  # octets; a renewal writes some ten thousand


async def gather(
    store: FilesStore, settings: Settings, common_name: CommonName | None, scheduled: bool | None
) -> Facts:
    """Find out all about the seats of this PC, or about the one of a CN; what is closed to this login comes first."""
    barred = tuple(_barred(settings.home))
    if any(not os.access(settings.home / each, os.R_OK | os.X_OK) for each in barred if each not in _WRITTEN):
        return Facts(now(), barred=barred, read_only=_is_read_only(settings.home), scheduled=None)
    settings = replace(settings, patience=BRIEF)
    folders = [each for each in store.seats() if common_name is None or each.path.name == str(common_name)]
    pending = store.pending()
    places = {
        directory: asyncio.create_task(probe(directory, trusted, settings))
        for directory, trusted in _servers([*folders, *pending], settings).items()
    }
    examined = [seat_of(each, settings, places) for each in folders]
    seats, strangers = await asyncio.gather(asyncio.gather(*examined), _strangers(store))
    servers = [await _timed(await place, folders) for place in places.values()]
    return Facts(
        now(),
        tuple(seats),
        tuple(servers),
        wanted=None if common_name is None or folders else str(common_name),
        pending=len(pending),
        leftovers=len(store.leftovers()),
        strangers=strangers,
        exposed=tuple(_exposed(settings.home)),
        exposed_pins=tuple(sorted(_exposed_pins(folders))),
        barred=barred,
        full=settings.home.is_dir() and shutil.disk_usage(settings.home).free < _LEAST_ROOM,
        read_only=_is_read_only(settings.home),
        hook_trouble=_hook_trouble(settings),
        scheduled=scheduled,
        runs_daily=runs_daily(settings.home),
        log=last_line(settings.home),
    )


def _servers(folders: Sequence[SeatFolder], settings: Settings) -> dict[str, Path | None]:
    """Return the servers' directories, and what each is trusted by."""
    found: dict[str, Path | None] = {}
    for folder in folders:
        try:
            found.setdefault(folder.record().directory, settings.ca_file or folder.trusted)
        except ClientError:  # told of with its seat
            continue
    return found


async def _timed(server: Server, folders: Sequence[SeatFolder]) -> Server:
    """Return a server with the time it tells; where TLS refused it, by the plain HTTP address of its certificates."""
    if server.failed is not Stage.TLS:
        return server
    for folder in folders:
        live = folder.live()
        address = ocsp.address_of(live.certificate()) if live is not None and live.complete else None
        if address is not None:
            return replace(server, ahead=await ahead_of(address))
    return server


async def _strangers(store: FilesStore) -> int:
    """Count the certificates under our names that the platform has and this home does not know."""
    folders: dict[Custody, SeatFolder] = {}
    known = set()
    try:
        for folder in store.seats():
            folders.setdefault(folder.record().custody, folder)
            known |= {each.certificate() for each in folder.generations() if each.complete}
        holders = [holder_of(custody, folder.path) for custody, folder in folders.items() if _is_open(custody)]
        installed = await asyncio.gather(*(aside(holder.found, LONGEST) for holder in holders))
    except (ClientError, KeysError, OSError, TimeoutError):
        return 0
    return len({each.certificate for one in installed for each in one} - known)


def _is_open(custody: Custody) -> bool:
    """Tell whether a key store lists its certificates without a PIN."""
    return custody.store != "pkcs11" or "pin-source" in custody.place


def _exposed(home: Path) -> list[str]:
    """Return what others than the owner may read or write, hooks aside, relative to the home."""
    if os.name == "nt" or not home.is_dir():
        return []
    kept = [home, *(path for path in home.rglob("*") if "hooks" not in path.relative_to(home).parts[:1])]
    return [str(each.relative_to(home)) for each in kept if not each.is_symlink() and _mode(each) & _OTHERS]


def _mode(path: Path) -> int:
    """Return the rights of a file, none of one that is gone meanwhile or closed to this login."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _barred(home: Path) -> list[str]:
    """Return the folders that this login may not look into and write to, and what else it must write, hooks aside.

    A key or certificate is never written again, so it may be read-only.
    """
    if not home.is_dir():
        return []
    folders = [home]
    for above, names, _ in os.walk(home):
        names[:] = [each for each in names if above != str(home) or each != "hooks"]
        folders += [Path(above, each) for each in names]
    written = [home / each for each in _WRITTEN]
    barred = [
        *(each for each in folders if not os.access(each, os.R_OK | os.W_OK | os.X_OK)),
        *(each for each in written if not os.access(each, os.W_OK)),
    ]
    return [str(each.relative_to(home)) for each in barred if os.path.lexists(each)]


def _is_read_only(home: Path) -> bool:
    return home.is_dir() and hasattr(os, "statvfs") and bool(os.statvfs(home).f_flag & os.ST_RDONLY)


def _exposed_pins(folders: Sequence[SeatFolder]) -> set[str]:
    """Return the files with tokens' PINs that others than the owner may read or write."""
    exposed = set()
    for folder in folders if os.name != "nt" else ():
        with contextlib.suppress(
            ClientError, OSError
        ):  # of a seat that is damaged, of a file that is gone: told of there
            custody = folder.record().custody
            file = TokenUri.parse(custody.place).pin_file if custody.store == "pkcs11" else None
            if file is not None and file.stat().st_mode & _OTHERS:
                exposed.add(str(file))
    return exposed


def _hook_trouble(settings: Settings) -> ClientError | None:
    try:
        find_hooks(settings.hooks or settings.home / "hooks", {})
    except (ClientError, OSError) as error:
        return from_any(error)
    return None
