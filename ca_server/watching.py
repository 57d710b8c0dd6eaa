"""Wires what the officers' address shows, of `serve` and of a responder alone."""

import dataclasses
import importlib.metadata
from collections.abc import Mapping, Sequence

from aiohttp import web
from cryptography import x509
from prometheus_client import ProcessCollector

from ca_server import keyring, logs
from ca_server.clock import DAY, MINUTE, Clock
from ca_server.config import Config
from ca_server.observing.clockwork import Clockwork
from ca_server.observing.endings import Endings
from ca_server.observing.front import Front
from ca_server.observing.records import Pulse, Records
from ca_server.observing.responders import Responders
from ca_server.observing.text import Metric, counter, gauge
from ca_server.observing.watch import Part, Watch
from ca_server.responder.supervisor import Supervisor
from ca_server.schedule import Schedule
from ca_server.store import Database
from ca_server.tally import Requests, Work
from ca_server.web.officers import OfficersAddress, application


@dataclasses.dataclass(frozen=True)
class Tallies:
    """What a server counts while it works."""

    requests: Requests = dataclasses.field(default_factory=Requests)
    work: Work = dataclasses.field(default_factory=Work)


@dataclasses.dataclass(frozen=True)
class Server:
    """The parts of a running server that are watched."""

    database: Database
    authorities: Sequence[keyring.AuthorityKeys]
    schedule: Schedule
    tallies: Tallies
    pulse: Pulse
    names: Sequence[str]
    """What it calls itself where it holds a lease."""


def server_application(
    config: Config, clock: Clock, alarms: logs.Alarms, supervisor: Supervisor, server: Server
) -> web.Application:
    """Return the application of the officers' address of `serve`."""
    issuers = [each.name for each in server.authorities]
    parts: list[Part] = [
        Records(server.database, server.pulse, issuers, server.names),
        Clockwork(server.schedule),
        Endings(
            lambda: _certificates(config, server.authorities),
            [issuers[0], _signer_of(issuers[0]), "TLS"],
            config.profile.validity_days * DAY,
            config.server.public_folder / "root.crl",
        ),
        Front(server.tallies.requests, server.tallies.work),
    ]
    return _application(config, clock, alarms, supervisor, parts)


def responder_application(config: Config, clock: Clock, alarms: logs.Alarms, supervisor: Supervisor) -> web.Application:
    """Return the application of the officers' address of a responder alone."""
    return _application(config, clock, alarms, supervisor, [])


def _application(
    config: Config, clock: Clock, alarms: logs.Alarms, supervisor: Supervisor, parts: Sequence[Part]
) -> web.Application:
    responders = Responders(supervisor.places, config.authority.ocsp_answer_minutes * MINUTE)
    process = ProcessCollector(registry=None)

    def others() -> list[Metric]:
        version = {importlib.metadata.version("warifu"): 1.0}
        return [
            *process.collect(),
            gauge("warifu_build", "The version that runs.", version, "version"),
            counter("warifu_alarms", "Lines of the log that need a person.", alarms.count + responders.alarms()),
        ]

    watch = Watch(clock, [*parts, responders], others)
    return application(OfficersAddress(watch.metrics, watch.troubles))


def _certificates(config: Config, authorities: Sequence[keyring.AuthorityKeys]) -> Mapping[str, x509.Certificate]:
    """Return what the service lives by; TLS is what lies on the disk, for that is what the next start uses."""
    found = {
        "root": keyring.load_certificate(config.authority.root_certificate),
        "TLS": keyring.load_certificate(config.server.tls_certificate),
    }
    for each in authorities:
        found[each.name] = each.signer.certificate
        found[_signer_of(each.name)] = each.ocsp.current().certificate
    return found


def _signer_of(issuer: str) -> str:
    return f"{issuer} OCSP signer"


def perishable(config: Config, authorities: Sequence[keyring.AuthorityKeys]) -> Mapping[str, x509.Certificate]:
    """Return what must be renewed in time: not the CAs, nor an OCSP signer that ends with its CA."""
    found = dict(_certificates(config, authorities))
    for each in authorities:
        if found[_signer_of(each.name)].not_valid_after_utc >= found.pop(each.name).not_valid_after_utc:
            del found[_signer_of(each.name)]
    return found
