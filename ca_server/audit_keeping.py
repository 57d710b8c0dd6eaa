"""What a running server does for the audit log by the clock: places, checkpoints, the daily mail, retention."""

import logging

from ca_server import store
from ca_server.checkpoint_key import load_notary
from ca_server.clock import HOUR, Clock
from ca_server.config import Config
from ca_server.operations import audit_log
from ca_server.schedule import Task

log = logging.getLogger(__name__)

_SECONDS = 5  # between looks whether a checkpoint is due, so that the first one does not wait for its minute
_LOOKS = 2


def tasks(config: Config, database: store.Database, holder: str, clock: Clock) -> list[Task]:
    """Return the tasks; `holder` is who this server is where it takes a lease. Raises KeysError for a bad key."""
    audit, notary = config.audit, load_notary(config)
    if notary is None:
        log.error("ALARM: there is no key for checkpoints of the audit log; `warifu-ca audit new-key` makes one")

    looks = 0  # that found entries waiting; the first one after the machine slept says nothing

    async def sequence(now: int) -> None:
        await audit_log.sequence(database, holder, now)

    async def checkpoint(now: int) -> None:
        nonlocal looks
        looks = looks + 1 if await database.lookup(audit_log.is_stuck, now) else 0
        if looks == _LOOKS:
            log.error("ALARM: audit entries have been waiting for their place for more than five minutes")
        if notary is not None and await database.lookup(audit_log.checkpoint_is_due, now):
            await audit_log.publish(database, notary, holder, clock)
        is_due = await database.lookup(audit_log.mail_is_due, now)
        if is_due and audit.auditors:
            await database.write(audit_log.mail, audit.auditors, audit.language, now)

    async def erase(now: int) -> None:
        while await database.write(audit_log.erase, audit.retention_days, now):
            pass

    return [
        Task("places of audit entries", sequence, every=1, eager=False),
        Task("checkpoints of the audit log", checkpoint, every=_SECONDS, eager=False),
        Task("names past their time", erase, every=HOUR, eager=False),
    ]
