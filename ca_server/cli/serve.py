"""`warifu-ca serve`: the running service."""

import asyncio
import gc
import logging
import signal
import sys
from urllib.parse import urlsplit

import click

from ca_server.app import AlreadyServed, Service
from ca_server.cli.front import Command
from ca_server.cli.options import common, settings
from ca_server.cli.output import say, warn
from ca_server.clock import SystemClock
from ca_server.config import Config
from ca_server.errors import NotAllowed
from ca_server.language import sentence


@click.command(cls=Command)
@common
def serve() -> None:
    """Serve ACME and enrolment on the public address, OCSP and CRLs on the plain one."""
    config = settings().config()
    logging.getLogger("warifu.access").setLevel(logging.INFO)
    logging.getLogger("ca_server").setLevel(logging.INFO)
    if config.mail.transport == "maildir" and not _is_loopback(config):
        warn(sentence('mails go into a maildir and reach nobody; set [mail] transport = "smtp".'))
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
    say(
        sentence(
            "Ready: {public_url} (ACME, enrolment) and {http_url} (OCSP, CRL).",
            public_url=config.server.public_url,
            http_url=config.server.http_url,
        )
    )
    sys.stdout.flush()
    await stopping.wait()
    await service.stop()


def _is_loopback(config: Config) -> bool:
    host = urlsplit(config.server.public_url).hostname or ""
    return host == "localhost" or host.startswith("127.") or host == "::1"
