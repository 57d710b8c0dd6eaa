"""The PC's ACME account (RFC 8555 §7.3): a key bound to one seat, which signs all that the PC asks for."""

import platform
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from client.config import Settings, agent
from client.stores.folder import SeatFolder
from client.transport import Answer, Tell, Transport, open_transport
from keys.algorithms import PrivateKey
from protocol import resources
from protocol.requests import Device, NewAccount

_LONGEST = 200


class Account:
    """Signs requests with the account's key, under its URL."""

    def __init__(self, transport: Transport, key: PrivateKey, url: str) -> None:
        self.transport: Final = transport
        self.url: Final = url
        self._key = key

    async def fetch(self, url: str) -> Answer:
        """Read one of the account's resources by POST-as-GET (§6.3). Raises Problem."""
        return await self.transport.post(url, self._key, None, self.url)

    async def send(self, url: str, request: Mapping[str, object]) -> Answer:
        """Ask for something. Raises Problem."""
        return await self.transport.post(url, self._key, request, self.url)


async def open_account(transport: Transport, key: PrivateKey, request: NewAccount) -> tuple[Account, resources.Account]:
    """Make the account of a key, or find it (§7.3.1), and return it with what the server says of it.

    Raises Problem: unauthorized with the refusal's reason, or with status 401 when the account has ended.
    """
    answer = await transport.post(transport.directory.new_account, key, request.render(), None)
    return Account(transport, key, answer.location), resources.Account.parse(answer.json())


@asynccontextmanager
async def connected(folder: SeatFolder, settings: Settings, tell: Tell) -> AsyncIterator[Transport]:
    """Connect to the server that a seat was enrolled at, trusting what was trusted then unless told otherwise."""
    directory = folder.record().directory
    async with open_transport(settings, settings.ca_file or folder.trusted, directory, tell) as transport:
        await transport.connect(directory)
        yield transport


def this_device(store: str) -> Device:
    """Return what the list of PCs is told of this one; `store` is the word of how its keys are held."""
    return Device(*(_showable(each) for each in (socket.gethostname(), _system(), store, agent())))


def _system() -> str:
    """Return system, version and machine; `platform.platform` would start a program to find as much out."""
    found = platform.uname()
    versions = {"Windows": ("Windows", found.version), "Darwin": ("macOS", platform.mac_ver()[0])}
    return " ".join((*versions.get(found.system, (found.system, found.release)), found.machine))


def _showable(text: str) -> str:
    return "".join(each for each in text if each.isprintable())[:_LONGEST]
