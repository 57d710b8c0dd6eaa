"""`warifu-ca serve`: the running service."""

import asyncio
import gc
import signal
import sys
from urllib.parse import urlsplit

import click

from ca_server import logs
from ca_server.app import Service
from ca_server.cli.front import Command
from ca_server.cli.options import common, settings
from ca_server.cli.output import say, warn
from ca_server.clock import SystemClock
from ca_server.config import BadConfiguration, Config
from ca_server.config.faults import at
from ca_server.errors import NotAllowed
from ca_server.fellows import AlreadyServed
from ca_server.language import sentence
from ca_server.pages import documents_of

_YOUNG_OBJECTS = 20_000
"""After how many a collection looks for cycles. Requests leave hardly any, but 700 live objects are made by a few."""


@click.command(cls=Command)
@common
def serve() -> None:
    """Serve ACME and enrolment on the public address, OCSP and CRLs on the plain one."""
    config = settings().config()
    if config.responder.source:
        fault = sentence("it is for `warifu-ca responder` on another machine; remove it here")
        raise BadConfiguration(config.path, [at("responder.source", fault)])
    logs.write_lines(config.log.format)
    if config.mail.transport == "maildir" and not _is_loopback(config):
        warn(sentence('mails go into a maildir and reach nobody; set [mail] transport = "smtp".'))
    unfinished = [f"{each.name}.{each.language}.md" for each in documents_of(config) if each.blanks]
    if unfinished and not _is_loopback(config):
        names, folder = ", ".join(unfinished), config.server.documents_folder
        warn(
            sentence(
                "documents with blanks are shown as not in force; complete {names} in {folder}.",
                names=names,
                folder=folder,
            )
        )
    try:
        import uvloop

        uvloop.run(_serve(config))
    except AlreadyServed as error:
        raise NotAllowed(error.args[0]) from error


async def _serve(config: Config) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopping.set)
    service = Service(config, SystemClock())
    await service.start()
    # What the start made lives as long as the process: no later collection has to look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
    say(
        sentence(
            "Ready: {public_url} (ACME, enrolment) and {http_url} (OCSP, CRL).",
            public_url=config.server.public_url,
            http_url=config.server.http_url,
        )
    )
    say(
        sentence(
            "  listening on {public} and {plain}", public=config.server.public_listen, plain=config.server.http_listen
        )
    )
    sys.stdout.flush()
    await stopping.wait()
    await service.stop()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})  # impatience does not change the ending


def _is_loopback(config: Config) -> bool:
    host = urlsplit(config.server.public_url).hostname or ""
    return host == "localhost" or host.startswith("127.") or host == "::1"
