"""The renewal agent: one run over the seats of this PC, with hooks around it, as a schedule starts it or a person.

1. What ended is removed; deploy hooks that a killed run still owes, or that failed, are run.
2. Each seat decides whether it is due (`renewal.decide`). The trouble of one is none of the others'.
3. If one is: `pre` hooks, which may stop the run; orders, each success followed by `deploy` hooks; `post` hooks.

The store is locked by whoever calls. What was done is in the report, for the screen, programs and the log alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from client import renewal
from client.config import Settings
from client.errors import ClientError, Refused, from_any
from client.hooks import DEPLOY, POST, PRE, Hooks, Ran
from client.journal import LOG
from client.language import sentence
from client.renewal import Due, NotDue
from client.renewal_memory import Memory, recall, remember
from client.stores.folder import SeatFolder
from client.stores.generation import CERTIFICATE, CHAIN, Generation, give_up_generation
from client.transport import Tell
from keys.errors import KeysError
from protocol.members import rfc3339
from protocol.problems import Problem

_GRAVITY: Final = (5, 4, 1, 2, 3)
"""The exit codes, the gravest first: a person, a rule, a failure, usage, later."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """A seat has a new certificate."""

    generation: Generation


Outcome = Renewed | Due | NotDue | ClientError


@dataclass(slots=True)
class Report:
    """What one run did: what became of each seat, what was removed (CN/number), which hooks ran."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    hooks: list[Ran] = field(default_factory=list)
    forced: bool = False
    """Whether somebody wanted a renewal whatever the moment, so that a server's "too early" is a refusal."""

    @property
    def exit_code(self) -> int:
        """Return the gravest exit code of the run: a server that is away must not hide what only a person can mend."""
        failures = {each.exit_code for each in self.outcomes.values() if isinstance(each, ClientError)}
        if self.forced and any(isinstance(each, NotDue) and each.refused for each in self.outcomes.values()):
            failures.add(Refused.exit_code)
        failures |= {1 for each in self.hooks if each.failed}
        return next((code for code in _GRAVITY if code in failures), 0)

    def words(self) -> list[str]:
        """Return the run in a few words, for the log."""
        return [
            *(f"{cn}={_word(outcome)}" for cn, outcome in self.outcomes.items()),
            *(f"removed={each}" for each in self.removed),
            *(f"hook={each.stage}/{each.name}:{'ended' if each.code is None else each.code}" for each in self.hooks),
            f"exit={self.exit_code}",
        ]


@dataclass(frozen=True, slots=True)
class Agent:
    """Renews the seats that it is given."""

    settings: Settings
    tell: Tell
    hooks: Hooks

    async def foresee(self, folders: Sequence[SeatFolder], *, force: bool) -> Report:
        """Return what `run` would do, with everything left as it is, here and at the server."""
        report = Report()
        for folder in folders:
            report.outcomes[folder.path.name] = await self._decided(folder, force=force, keep=lambda *_: None)
        return report

    async def run(self, folders: Sequence[SeatFolder], *, force: bool) -> Report:
        """Do all that is due and return what was done."""
        report = Report(forced=force)
        # 1. Whatever earlier runs left to do.
        for folder in folders:
            await self._tidy(folder, report)
        # 2. What is due?
        for folder in folders:
            report.outcomes[folder.path.name] = await self._decided(folder, force=force, keep=remember)
        due = [folder for folder in folders if isinstance(report.outcomes[folder.path.name], Due)]
        # 3. Renew it.
        if due:
            await self._renew(due, report)
        return report

    async def _renew(self, due: Sequence[SeatFolder], report: Report) -> None:
        names = " ".join(folder.path.name for folder in due)
        if any(ran.failed for ran in self._hooked(PRE, report, WARIFU_CN=names)):
            for folder in due:
                report.outcomes[folder.path.name] = _stopped()
            return
        renewed, failed = [], []
        for folder in due:
            outcome = report.outcomes[folder.path.name] = await self._renewed(folder)
            if isinstance(outcome, Renewed):
                renewed.append(folder.path.name)
                self._deploy(folder, outcome.generation, report)
            elif isinstance(outcome, ClientError):
                failed.append(folder.path.name)
        self._hooked(
            POST,
            report,
            WARIFU_CN=names,
            WARIFU_OUTCOME="failed" if failed else "renewed",
            WARIFU_RENEWED=" ".join(renewed),
            WARIFU_FAILED=" ".join(failed),
        )

    async def _decided(
        self, folder: SeatFolder, *, force: bool, keep: Callable[[SeatFolder, Memory], None]
    ) -> Due | NotDue | ClientError:
        try:
            return await renewal.decide(folder, self.settings, self.tell, force=force, keep=keep)
        except (Problem, KeysError, OSError, ClientError) as error:
            return from_any(error)

    async def _renewed(self, folder: SeatFolder) -> Renewed | NotDue | ClientError:
        try:
            outcome = await renewal.renew(folder, self.settings, self.tell)
            return outcome if isinstance(outcome, NotDue) else Renewed(outcome)
        except (Problem, KeysError, OSError, ClientError) as error:
            return from_any(error)

    async def _tidy(self, folder: SeatFolder, report: Report) -> None:
        """Remove the certificates whose time is over, and tell programs of one that they were not told of."""
        cn = folder.path.name
        try:
            for generation in await renewal.outlived(folder, self.settings):
                give_up_generation(generation)
                report.removed.append(f"{cn}/{generation.path.name}")
            live = folder.live()
            if live is not None and recall(folder, renewal.identifier(live.certificate())).deploy == live.path.name:
                self._deploy(folder, live, report)
        except (KeysError, OSError, ClientError) as error:
            self.tell("{cn}: {reason}", cn=cn, reason=from_any(error))

    def _deploy(self, folder: SeatFolder, generation: Generation, report: Report) -> None:
        certificate, holding = generation.certificate(), generation.slot.holding()
        ran = self._hooked(
            DEPLOY,
            report,
            WARIFU_CN=folder.path.name,
            WARIFU_CERTIFICATE=str(generation.path / CERTIFICATE),
            WARIFU_CHAIN=str(generation.path / CHAIN),
            WARIFU_KEY=holding.address or "",
            WARIFU_STORE=generation.slot.store,
            WARIFU_NOT_AFTER=rfc3339(certificate.not_valid_after_utc),
        )
        memory = recall(folder, renewal.identifier(certificate))
        remember(folder, memory.deployed(succeeded=not any(each.failed for each in ran)))

    def _hooked(self, stage: str, report: Report, **environment: str) -> list[Ran]:
        ran = self.hooks.run(stage, {"WARIFU_HOME": str(self.settings.home), **environment})
        report.hooks += ran
        for each in ran:
            if each.failed:
                what = sentence("The hook {hook} failed; {log} says more.")
                self.tell(what, hook=f"{stage}/{each.name}", log=self.settings.home / LOG)
        return ran


def _stopped() -> ClientError:
    return ClientError(
        "hookFailed",
        sentence("A `pre` hook failed, so nothing was ordered."),
        sentence("Mend the hook; its output is in the log."),
    )


def _word(outcome: Outcome) -> str:
    match outcome:
        case Renewed(generation):
            return f"renewed:{rfc3339(generation.certificate().not_valid_after_utc)}"
        case NotDue(_, due_at):
            return f"nothing:{rfc3339(due_at)}"
        case ClientError():
            return outcome.type
    return "due"
