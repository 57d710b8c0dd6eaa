"""One CA folder a session; for each test a copy of its records, served in this process."""

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from ca_server import pages
from ca_server.web.enrolment_page import EnrolmentPage
from ca_server.web.look import Look
from tests.ca_server.web import scenes
from tests.ca_server.web.caller import Caller
from tests.ca_server.web.office import Folder, Office, configured

Opened = Callable[..., contextlib.AbstractAsyncContextManager[Office]]


@pytest.fixture(scope="session", autouse=True)
def _pages_made_once() -> Iterator[None]:
    """Keep the pages' templates and the enrolment pages, which hold nothing of a test: they are a third of a start."""
    with pytest.MonkeyPatch.context() as patch:
        for maker in (Look, EnrolmentPage):
            patch.setattr(pages, maker.__name__, functools.cache(maker))
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """What `warifu-ca init` makes, with three approved seats."""
    return Folder.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def opened(folder: Folder, tmp_path: Path) -> Opened:
    """Open an office with changes of the configuration, by section."""

    def open_office(**changes: Mapping[str, object]) -> contextlib.AbstractAsyncContextManager[Office]:
        return Office(folder, configured(folder, tmp_path, changes)).open()

    return open_office


@pytest.fixture
async def office(opened: Opened) -> AsyncIterator[Office]:
    """A running CA without rate limits."""
    async with opened() as running:
        yield running


@pytest.fixture
async def holder(office: Office) -> Caller:
    """A client whose account is bound to F123456-001."""
    caller = office.caller()
    (await caller.bind(office.invitation(1))).must(201)
    return caller


@pytest.fixture
async def owner(office: Office, holder: Caller) -> Caller:
    """A client that has the certificate of F123456-001."""
    await holder.enrol()
    return holder


@pytest.fixture(scope="session")
def wide(folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The same with more seats, and another institution."""
    return scenes.widened(folder, tmp_path_factory.mktemp("wide"))


@pytest.fixture
async def stage(wide: Folder, tmp_path: Path) -> AsyncIterator[scenes.Stage]:
    """A running CA with seats for scenes."""
    async with Office(wide, configured(wide, tmp_path, {})).open() as running:
        yield scenes.Stage(running)
