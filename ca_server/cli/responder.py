"""`warifu-ca responder`: OCSP and CRLs alone, for machines beside the one that issues."""

import asyncio
import signal
import sys

import click

from ca_server import keyring, logs, watching
from ca_server.app import listen, responders_of
from ca_server.cli.front import Command
from ca_server.cli.options import common, settings
from ca_server.cli.output import say
from ca_server.clock import SystemClock
from ca_server.config import Config, address_of
from ca_server.language import sentence
from ca_server.store import SynchronousDatabase, migrations
from ca_server.web.entrance import Entrance


@click.command(cls=Command)
@common
def responder() -> None:
    """Answer OCSP and send CRLs alone, on a machine of their own.

    With [responder] source it follows the Warifu there; of keys it needs the OCSP signer's alone.
    """
    config = settings().config()
    if not config.responder.source:
        records = SynchronousDatabase(config.server.database)
        records.read(migrations.require_current)
        records.close()
    for each in config.authorities:  # what is wrong with them is better told here than in the log
        keyring.load_signer(each.ocsp_certificate, each.ocsp_key, each.ocsp_passphrase_file)
    logs.write_lines(config.log.format)
    asyncio.run(_respond(config))


async def _respond(config: Config) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopping.set)
    responders = responders_of(config)
    watched = Entrance(watching.responder_application(config, SystemClock(), logs.counted_alarms(), responders), None)
    try:
        await listen(config.server.http_listen, responders.open())
        if place := address_of(config.server.officers_listen or ""):
            await listen(f"{place[0]}:{place[1]}", watched.open(*place))
        await responders.start()
        say(sentence("Ready: {http_url} (OCSP, CRL).", http_url=config.server.http_url))
        say(sentence("  listening on {plain}", plain=config.server.http_listen))
        sys.stdout.flush()
        await stopping.wait()
    finally:
        await asyncio.gather(responders.stop(), watched.close())
