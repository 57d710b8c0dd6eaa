"""The composition root: configuration → database, keys, issuer, mailer, clock → the running service. The only wiring.

`Service.start` does everything that can fail before the first request is taken, in the order in which a fault is
cheapest to mend: lock, schema, keys, records, sockets.
"""

import asyncio
import contextlib
import dataclasses
import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web
from cryptography.hazmat.primitives.hashes import SHA256

from ca_server import audit_keeping, keyring, logs, store, tracing, watching
from ca_server.authority import crl
from ca_server.authority.issuer import Issuer, PlannedCertificate
from ca_server.authority.profile import CertificateProfile
from ca_server.backup.exposure import exposed
from ca_server.clock import HOUR, MINUTE, Clock
from ca_server.config import Config, address_of
from ca_server.errors import TryLater
from ca_server.fellows import Fellows, joined
from ca_server.language import cause, sentence
from ca_server.observing.records import Pulse
from ca_server.officer_keys import demanded_trust
from ca_server.operations import (
    audit_log,
    carrying_out,
    delivery,
    endings,
    enrolment,
    invitation,
    issuance,
    letters,
    publication,
    reconcile,
    renewal,
    steadiness,
    suspension,
)
from ca_server.pages import pages_of
from ca_server.post_office import mailer_of, messages_of
from ca_server.responder.supervisor import Supervisor
from ca_server.schedule import Schedule, Task
from ca_server.store import applications as application_records
from ca_server.store import migrations, revocations
from ca_server.web.authenticate import Authenticator
from ca_server.web.entrance import Entrance
from ca_server.web.feed import Feed
from ca_server.web.front import Front
from ca_server.web.handlers.accounts import AccountHandlers
from ca_server.web.handlers.certificates import CertificateHandlers
from ca_server.web.handlers.orders import OrderHandlers
from ca_server.web.issuers import Issuers
from ca_server.web.limits import Window
from ca_server.web.render import Urls
from ca_server.web.routes import Handlers
from ca_server.web.routes import application as public_application
from keys.sealing import Sealer

log = logging.getLogger(__name__)

_UNLIMITED = 1 << 60
_SECONDS_TO_RETRY = 15  # what could not be carried out
_SECONDS_TO_FINISH = 8  # what the schedule is at; the entrances take no longer


crl_entry = crl.entry_of_records
"""Makes CRL entries for the operations, which know no DER."""


class Service:
    """The running service: the only one on a file of SQLite, one of several on PostgreSQL."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Start everything, or nothing. Raises the first fault: AlreadyServed, StoreError, KeysError or OSError."""
        async with contextlib.AsyncExitStack() as stack:
            fellows = await stack.enter_async_context(joined(self._config.server.database, self._clock))
            database = await store.Database.open(self._config.server.database)
            stack.push_async_callback(database.close)
            await database.lookup(migrations.require_current)
            await fellows.begin(database)
            stack.push_async_callback(fellows.leave, database)
            authorities = keyring.load_authorities(self._config, self._clock.now())
            tls = keyring.load_tls(self._config)
            wiring = _Wiring(self._config, self._clock, database, authorities, fellows)
            schedule = wiring.schedule()
            server = self._config.server
            stack.callback(tracing.begin())
            alarms = logs.counted_alarms()
            stack.callback(logging.getLogger().removeHandler, alarms)
            ends: list[Callable[[], Awaitable[None]]] = []
            stack.push_async_callback(_all_at_once, ends)
            entrance, responders = Entrance(wiring.public(), tls), responders_of(self._config)
            ends += (entrance.close, responders.stop)
            await listen(server.public_listen, entrance.open(*_address(server.public_listen)))
            await listen(server.http_listen, responders.open())
            if server.officers_listen:
                watched = Entrance(wiring.watched(alarms, schedule, responders), None)
                ends.append(watched.close)
                await listen(server.officers_listen, watched.open(*_address(server.officers_listen)))
            running = asyncio.create_task(schedule.run())  # the first CRL is made while workers start
            ends.append(lambda: _finish(schedule, running))
            await responders.start()
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Finish what runs within ten seconds, then stop: listeners and schedule together, database, lock."""
        await self._stack.aclose()


async def _all_at_once(ends: list[Callable[[], Awaitable[None]]]) -> None:
    await asyncio.gather(*(end() for end in ends))


async def _finish(schedule: Schedule, running: "asyncio.Task[None]") -> None:
    """Begin nothing more and let what runs come to its end; a mail server that stalls is left, as by a crash."""
    schedule.stop()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(running, _SECONDS_TO_FINISH)


async def listen(address: str, opening: Awaitable[None]) -> None:
    """Open what listens at an address of the configuration. Raises OSError naming it and its settings."""
    try:
        await opening
    except OSError as error:
        # asyncio writes words of its own for what the kernel refuses; a resolver's number is another table's
        number = None if isinstance(error, socket.gaierror) else error.errno
        raise OSError(
            sentence(
                "{address} cannot be listened on ({why}); see public_listen, http_listen, officers_listen.",
                address=address,
                why=cause(error if number is None else os.strerror(number)),
            )
        ) from error


def _address(listen: str) -> tuple[str, int]:
    return address_of(listen) or ("", 0)


def responders_of(config: Config) -> Supervisor:
    """Return who runs the processes that answer at the plain http address."""
    command = [sys.executable, "-P", "-m", "ca_server.responding", str(config.path)]
    return Supervisor(command, config.responder.workers or os.cpu_count() or 1, _address(config.server.http_listen))


def pair_terms(config: Config, sealer: Sealer) -> invitation.Terms:
    """Return by what pairs of URL and password are made."""
    return invitation.Terms(config.credentials.days, config.mail.password_delay_seconds, sealer, config.renewal)


def carrying_out_terms(config: Config, sealer: Sealer) -> carrying_out.Terms:
    """Return by what rules the halves of applications are carried out."""
    rules, pair = config.applications, pair_terms(config, sealer)
    trust = demanded_trust(config)
    return carrying_out.Terms(pair, rules.two_officers, rules.calendar, rules.change_business_days, trust)


class _Wiring:
    """Puts the parts together by hand, each with what it uses and nothing more."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        database: store.Database,
        authorities: tuple[keyring.AuthorityKeys, ...],
        fellows: Fellows,
    ) -> None:
        self._config = config
        self._clock = clock
        self._database = database
        self._authorities = authorities
        self._sealer = keyring.load_sealer(config)
        self._urls = Urls(config.server.public_url)
        self._fellows = fellows
        self._authenticator = Authenticator(database, self._urls, fellows.nonces)
        self._rules = enrolment.Rules(config.profile.alias_suffix, config.renewal)
        in_use, *others = authorities
        self._terms = carrying_out_terms(config, self._sealer)
        self._trust = self._terms.trust
        former = {each.name: each.signer for each in others}
        kept_to = None if self._trust is None else self._profile()
        issuer = Issuer(in_use.name, in_use.signer, self._planned, former, self._trust, kept_to)
        self._room = issuance.Room(self._profile(), issuer, self._rules, fellows.name, self._trust, fellows.is_alone)
        self._tallies = watching.Tallies(work=self._room.work)
        self._pulse = Pulse(database, fellows.name)
        self._version: object = None
        self._failed: dict[carrying_out.Step, int] = {}
        wrong_passwords = config.credentials.wrong_passwords
        filled = letters.Letters(self._sealer, self._urls.of("/e/"), wrong_passwords, config.times)
        self._office = delivery.PostOffice(mailer_of(config), messages_of(config), filled)

    async def _planned(self, serial: str) -> PlannedCertificate | None:
        look = issuance.planned_certificate if self._trust is None else issuance.entitled_certificate
        return await self._database.lookup(look, serial)

    def _profile(self) -> CertificateProfile:
        config, issuer = self._config, self._config.authority.issuer
        return CertificateProfile(
            organization=config.authority.organization,
            policy_oid=config.profile.policy_oid,
            cps_url=config.profile.cps_url,
            crl_url=f"{config.server.http_url}/crl/{issuer}.crl",
            ocsp_url=f"{config.server.http_url}/ocsp",
            ca_issuers_url=f"{config.server.http_url}/ca/{issuer}.cer",
            validity_days=config.profile.validity_days,
            crl_partitions=config.profile.crl_partitions,
        )

    def _window(self, most: int, seconds: int) -> Window:
        return Window(self._clock, most if self._config.limits.enabled else _UNLIMITED, seconds)

    def public(self) -> web.Application:
        """Return the application of the public address."""
        config, limits = self._config, self._config.limits
        issuers = Issuers.of(each.signer.certificate for each in self._authorities)
        pages = pages_of(config, self._database)
        handlers = Handlers(
            accounts=AccountHandlers(
                self._database,
                self._authenticator,
                self._sealer,
                self._urls,
                self._clock,
                self._window(limits.accounts_an_hour, HOUR),
                self._window(limits.changes_an_hour, HOUR),
                config.credentials.wrong_passwords,
            ),
            orders=OrderHandlers(
                self._database,
                self._room,
                issuers,
                self._urls,
                self._clock,
                self._window(limits.orders_an_hour, HOUR),
            ),
            certificates=CertificateHandlers(
                self._database,
                crl_entry,
                config.renewal,
                issuers,
                self._clock,
            ),
            pages=pages,
            feed=Feed(self._database, keyring.feed_token(config), config.server.public_folder),
            terms=config.profile.cps_url,
        )
        proxies = frozenset(config.server.trusted_proxies)
        failures = self._window(limits.failures_a_minute, MINUTE)
        front = Front(self._urls, self._fellows.nonces, self._authenticator, failures, proxies, pages.look.refusal)
        front = dataclasses.replace(front, requests=self._tallies.requests)
        return public_application(front, handlers)

    def watched(self, alarms: logs.Alarms, schedule: Schedule, responders: Supervisor) -> web.Application:
        """Return the application of the officers' address."""
        names = (self._fellows.name, self._fellows.holder)
        server = watching.Server(self._database, self._authorities, schedule, self._tallies, self._pulse, names)
        return watching.server_application(self._config, self._clock, alarms, responders, server)

    def schedule(self) -> Schedule:
        """Return the clockwork with its tasks, the most urgent first."""
        return Schedule(
            self._clock,
            self._changed,
            [
                *self._fellows.tasks(self._database, self._authenticator.look_for_changes),
                Task("the books at a glance", self._glance, every=HOUR, eager=False, everywhere=True),
                Task("the clock", partial(steadiness.watch, self._clock), every=1, eager=False, everywhere=True),
                Task("the pulse", self._pulse.beat, every=Pulse.every, eager=False, everywhere=True),
                Task("plans without a server", self._finish_orphans, every=1),
                Task("applications that are due", self._carry_out, every=_SECONDS_TO_RETRY),
                Task("holds that are over", self._release, every=MINUTE, eager=False),
                Task("the CRL", self._publish, every=1, everywhere=True),
                Task("mails", self._deliver, every=1),
                Task("credentials that expired", self._expire, every=MINUTE, eager=False),
                Task("renewals to ask for", self._ask_for_renewal, every=MINUTE, eager=False),
                Task("forms that are owed", self._remind, every=HOUR, eager=False),
                Task("files past their time", self._erase_files, every=HOUR, eager=False),
                *audit_keeping.tasks(self._config, self._database, self._fellows.holder, self._clock),
                Task("the OCSP signer", self._rotate, every=HOUR, eager=False, everywhere=True),
            ],
            self._fellows.leads,
        )

    async def _changed(self) -> bool:
        """Tell whether any connection, of this process or another, wrote since the last look."""
        version = await self._database.data_version()
        changed, self._version = version != self._version, version
        return changed

    async def _glance(self, now: int) -> None:
        """Say how the books stand, at the start as they were found: before anything is finished or published."""
        server = self._config.server
        names = [each.name for each in self._authorities]
        seen = await self._database.read(reconcile.glance, names, server.public_folder, now)
        in_use = self._authorities[0].signer.certificate
        ending = reconcile.issuer_ends_soon(in_use, self._config.profile.validity_days, now)
        ending += endings.end_soon(watching.perishable(self._config, self._authorities), now)
        reconcile.report(dataclasses.replace(seen, alarms=seen.alarms + ending + exposed(self._config)))

    async def _finish_orphans(self, now: int) -> None:
        await issuance.finish_orphans(self._database, self._room, crl_entry, now)

    async def _carry_out(self, now: int) -> None:
        for step in await self._database.lookup(carrying_out.steps, self._terms, now):
            if now < self._failed.get(step, 0) <= now + _SECONDS_TO_RETRY:
                continue  # not whenever anything is written
            try:
                await self._database.write(carrying_out.carry_out, step, self._terms, crl_entry, now)
            except (TryLater, store.Conflict):  # another server was faster
                continue
            except store.Unavailable:
                raise
            except Exception as error:
                self._failed[step] = now + _SECONDS_TO_RETRY
                log.exception("ALARM: the %s of application %d could not be carried out", step.part, step.number)
                await self._database.write(carrying_out.record_failure, step, str(error), now)

    async def _release(self, now: int) -> None:
        await self._database.write(suspension.release_over, now)

    async def _remind(self, now: int) -> None:
        rules = self._config.applications
        await self._database.write(suspension.remind, rules.calendar, rules.reminder_business_days, now)

    async def _erase_files(self, now: int) -> None:
        await self._database.write(application_records.erase_files, now)

    async def _publish(self, now: int) -> None:
        """Make new CRLs when they are due and this server leads; place here what another one made."""
        presses = self._presses()
        if self._fellows.leads() and await self._database.lookup(publication.is_due, presses, now):
            shown = await self._database.lookup(revocations.unpublished)
            if await publication.publish(self._database, presses, self._fellows.holder, self._clock) is not None:
                for each in shown:
                    self._tallies.work.visible.add(self._clock.now() - each.decided_at)
        if not self._fellows.is_alone:
            await publication.place_published(self._database, presses)

    def _presses(self) -> list[publication.Press]:
        """Return what the CRLs of each issuing CA are made with; the one in use alone fills partitions."""
        config, server = self._config, self._config.server
        return [
            publication.Press(
                authority.name,
                authority.signer,
                server.public_folder / f"{authority.name}.crl",
                f"{server.http_url}/crl/{authority.name}.crl",
                config.authority.crl_hours * HOUR,
                config.profile.crl_partitions if authority.name == config.authority.issuer else 0,
                not self._fellows.is_alone,
            )
            for authority in self._authorities
        ]

    async def _deliver(self, now: int) -> None:
        await delivery.deliver(self._database, self._office, now)

    async def _expire(self, now: int) -> None:
        await self._database.write(invitation.expire, now)

    async def _ask_for_renewal(self, now: int) -> None:
        """Mail what is due, and let seats lapse: in parts, so that nobody waits for a day on which much is due."""
        terms = pair_terms(self._config, self._sealer)
        for operation in (renewal.ask, renewal.remind, renewal.lapse):
            try:
                while await self._database.write(operation, terms, now) >= renewal.MOST_AT_ONCE:
                    pass
            except Exception:
                log.exception("ALARM: %s of renewals failed", operation.__name__)

    async def _rotate(self, now: int) -> None:
        for authority in self._authorities:
            if authority.wants_ocsp_signer(now):
                await asyncio.to_thread(authority.ocsp.rotate, authority.signer, now)
                fingerprint = authority.ocsp.current().certificate.fingerprint(SHA256()).hex()
                await self._database.write(audit_log.signer_made, authority.name, fingerprint, now)
