"""Plays the rehearsal: day after day the clock is turned, scenes are played, agents run, each evening is looked at.

A day: the clockwork after midnight; officers, administrators and persons from nine; agents at random hours from ten;
the evening, when books, mailed pairs and PCs are looked at. The clockwork ticks every six hours and after every scene.
"""

import datetime
import itertools
import random
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from ca_server.clock import day_in_tokyo, moment
from ca_server.domain.applications import Kind
from ca_server.domain.reasons import Reason
from client.agent import Report
from client.errors import ClientError
from client.stores.generation import Generation
from tests.ca_server.paper import an_issuance, read, who
from tests.rehearsal import cast as the_cast
from tests.rehearsal.cast import Cast, Lot, Pc
from tests.rehearsal.chronicle import Chronicle, Event, Held, How, Mark
from tests.rehearsal.machine import WRONG_PC_WARNING, Machine, machine_name
from tests.rehearsal.stage import Stage, moment_of

_SEED = 20260401
_ROOT_CRL_EVERY = datetime.timedelta(days=280)
_URL = re.compile(r"^https://\S+/e/\S+$", re.MULTILINE)
_PASSWORD = re.compile(r"^(?:[0-9A-Z]{5}-){4}[0-9A-Z]{5}$", re.MULTILINE)
_COMMANDS_DAY = 20

Scene = tuple[float, Callable[[], Awaitable[None]]]


class Play:
    """The days, and what is seen on them."""

    def __init__(self, cast: Cast, stage: Stage, folder: Path, *, processes: bool) -> None:
        self.cast = cast
        self.stage = stage
        self.seen = Chronicle(letters=stage.mailbox.letters, alarms=stage.alarms.told)
        self.machines = {pc.number: Machine(pc.host, folder / pc.host, stage.root) for pc in cast.pcs}
        self.processes = processes
        self._cns = {pc.number: pc.cn for pc in cast.pcs}
        self._random = random.Random(_SEED)
        self._proved_in: tuple[int, int] | None = None
        self._root_crl_of = cast.begins
        self._waiting: set[str] = set()
        self._read = 0

    async def day(self, day: datetime.date) -> None:
        """Play a day."""
        at_hours: list[Scene] = [(hour, self.stage.tick) for hour in range(1, 24, 6 if self.cast.whole else 12)]
        scenes = [*at_hours, *self._scenes(day), *self._runs(day), (23.5, lambda: self._evening(day))]
        for hour, scene in sorted(scenes, key=lambda each: each[0]):
            self.stage.clock.set(max(moment_of(day, hour), self.stage.clock.now()))
            await scene()
        self.seen.days.append(day)

    async def curtain(self) -> None:
        """Look at the books as thoroughly as can be."""
        self.seen.trouble["books"] += self.stage.balance(thoroughly=True)

    def _scenes(self, day: datetime.date) -> list[Scene]:
        """Return what people do on that day, and when."""
        scenes: list[Scene] = []
        if day - self._root_crl_of >= _ROOT_CRL_EVERY:
            self._root_crl_of = day
            scenes.append((9, self._sign_root_crl))
        for batch in self.cast.batches:
            if batch.applied_on == day:
                scenes.append((9, lambda batch=batch: self._apply(batch)))
        for pc in self.cast.pcs:
            if pc.enrols_on == day:
                scenes.append((9.5, lambda pc=pc: self._enrol(pc, pc.cn)))
            scenes += [(hour, lambda pc=pc, act=act: act(pc)) for on, hour, act in self._lot(pc) if on == day]
        return scenes

    def _lot(self, pc: Pc) -> list[tuple[datetime.date, float, Callable[[Pc], Awaitable[None]]]]:
        match pc.lot:
            case Lot.BY_MAIL:
                return [(pc.fetched_on, 9.5, self._renew_by_mail)]
            case Lot.WRONG_PC:
                replaced = pc.day(the_cast.WRONG_PC_REPLACED)
                return [(pc.fetched_on, 9.5, self._renew_on_wrong_pc), (replaced, 9.2, self._replace)]
            case Lot.STOLEN:
                return [
                    (pc.day(the_cast.THEFT), 9.1, self._steal),
                    (pc.day(the_cast.CALL_ABOUT_THEFT), 9.1, self._call_about_theft),
                    (pc.day(the_cast.THIEF_TRIES), 9.1, self._thief_tries),
                    (pc.day(the_cast.FORM_OF_THEFT), 9.1, self._revoke_stolen),
                    (pc.day(the_cast.THIEF_TRIES_AGAIN), 9.1, self._thief_tries),
                ]
            case Lot.DISPOSED:
                return [(pc.day(the_cast.FORM_OF_DISPOSAL), 9.2, self._dispose)]
        return []

    # What officers and administrators do.

    async def _sign_root_crl(self) -> None:
        self.stage.sign_root_crl()

    async def _apply(self, batch: the_cast.Batch) -> None:
        now = self.stage.clock.now()
        form = an_issuance(len(batch.pcs), now=now, applied_on=str(day_in_tokyo(now)))
        await self.stage.approve(form)

    async def _file(self, kind: Kind, pc: Pc, reason: Reason, **texts: str) -> None:
        now = self.stage.clock.now()
        sheet = who(applied_on=str(day_in_tokyo(now))) | {"cn": pc.cn, "reason": str(reason)} | texts
        await self.stage.approve(read(kind, sheet, now=now))

    async def _call_about_theft(self, pc: Pc) -> None:
        await self.stage.suspend(pc.cn, Reason.STOLEN)
        self._mark(pc, Event.SUSPENDED)

    async def _revoke_stolen(self, pc: Pc) -> None:
        await self._file(Kind.REVOCATION, pc, Reason.STOLEN)

    async def _dispose(self, pc: Pc) -> None:
        assert pc.gone_on is not None
        await self._file(Kind.REVOCATION, pc, Reason.DISPOSED, revocation_on=str(pc.gone_on))

    async def _replace(self, pc: Pc) -> None:
        """The doctor asks for a DCM904 on both PCs; it is filed, the new certificate fetched, the old one deleted."""
        here, there = self.machines[pc.number], self.machines[self.cast.other_pc(pc).number]
        on_left = await here.diagnose(fetchedByUs=True, rightThere=False)
        on_wrong = await there.diagnose(meantHere=False)
        for diagnosis in (on_left, on_wrong):
            if (diagnosis.section, diagnosis.act.form, diagnosis.cn) != ("9.3.3", "DCM904", pc.cn):
                self.seen.trouble["doctor"].append(f"{diagnosis.section} {diagnosis.act} {diagnosis.decisive}")
            self.seen.counts["doctor"] += 1
        await self._file(Kind.REPLACEMENT, pc, Reason.WRONG_PC)
        (fresh,) = (
            {letter.cn for letter in self.seen.letters if letter.kind == "enrolment-url"}
            - set(self._cns.values())
            - {each.cn for each in self.seen.held}
        )
        assert fresh is not None
        await self._enrol(pc, fresh)
        self._cns[pc.number] = fresh
        for machine in (here, there):
            await machine.delete(pc.cn)

    # What persons do at a PC.

    async def _enrol(self, pc: Pc, cn: str) -> None:
        await self._typed(pc, self.machines[pc.number], cn, How.ENROLLED)

    async def _renew_by_mail(self, pc: Pc) -> None:
        await self._typed(pc, self.machines[pc.number], pc.cn, How.MAILED_PAIR)

    async def _renew_on_wrong_pc(self, pc: Pc) -> None:
        """Somebody opens the renewal URL on a neighbour's PC, which warns, and says yes all the same."""
        other = self.cast.other_pc(pc)
        shown = await self._typed(pc, self.machines[other.number], pc.cn, How.WRONG_PC)
        self.seen.counts["warned of the wrong PC"] += WRONG_PC_WARNING in shown

    async def _typed(self, pc: Pc, machine: Machine, cn: str, how: How) -> list[str]:
        """Type what the newest two mails about a CN say."""
        kind = "enrolment" if how is How.ENROLLED else "renewal"
        url, password = self._mailed(f"{kind}-url", cn, _URL), self._mailed(f"{kind}-password", cn, _PASSWORD)
        enrolled, shown = await machine.enrol(url, password)
        self._hold(pc, cn, how, enrolled.live, machine.host)
        await self.stage.tick()
        return shown

    def _mailed(self, kind: str, cn: str, pattern: re.Pattern[str]) -> str:
        letter = [each for each in self.seen.letters if (each.kind, each.cn) == (kind, cn)][-1]
        return pattern.findall(letter.text)[0]

    async def _steal(self, pc: Pc) -> None:
        self._mark(pc, Event.STOLEN)

    async def _thief_tries(self, pc: Pc) -> None:
        report = await self.machines[pc.number].run_agent()
        outcome = report.outcomes[pc.cn]
        if isinstance(outcome, ClientError):
            self._mark(pc, Event.THIEF_REFUSED)
        else:
            self.seen.trouble["thief"].append(f"{pc.cn}: {report.words()}")

    # What agents do.

    def _runs(self, day: datetime.date) -> list[Scene]:
        on = [pc for pc in self.cast.pcs if self._is_on(pc, day)]
        return [(self._random.uniform(10, 23), lambda pc=pc: self._run(pc)) for pc in on]

    def _is_on(self, pc: Pc, day: datetime.date) -> bool:
        return pc.enrols_on < day and not pc.is_off(day)

    async def _run(self, pc: Pc) -> None:
        machine, now = self.machines[pc.number], self.stage.clock.now()
        if self.processes and await self._is_to_prove(machine, day_in_tokyo(now)):
            before = machine.in_use()
            code, document = await machine.run_command("renew", now=now)
            self.seen.counts["commands"] += 1
            if code:
                self.seen.trouble["commands"].append(f"{pc.host} on {moment(now):%F}: exit {code}, {document}")
            renewed = {cn: live for cn, live in machine.in_use().items() if before[cn].path != live.path}
            self.seen.counts["renewals by command"] += len(renewed)
            host = machine_name()
        else:
            report = await machine.run_agent()
            self._look_at(pc, report)
            renewed = {cn: each.generation for cn, each in report.outcomes.items() if type(each).__name__ == "Renewed"}
            host = machine.host
        self.seen.counts["runs"] += 1
        for cn, generation in renewed.items():
            self._hold(pc, cn, How.AGENT, generation, host, by_command=host != machine.host)
            await self.stage.tick()

    def _look_at(self, pc: Pc, report: Report) -> None:
        """An agent may fail for a CN that is none of its PC's any more, and for nothing else."""
        wrong = {cn: each for cn, each in report.outcomes.items() if isinstance(each, ClientError)}
        if self._cns[pc.number] in wrong:
            self.seen.trouble["agents"].append(f"{pc.host} {moment(self.stage.clock.now()):%F}: {report.words()}")

    async def _is_to_prove(self, machine: Machine, day: datetime.date) -> bool:
        """Tell whether this run is the month's by a real process: the first that renews, else one at its end."""
        month = (day.year, day.month)
        if self._proved_in == month or not machine.in_use():
            return False
        end = min(day_in_tokyo(_seconds(each)) for each in machine.in_use().values())
        in_window = datetime.timedelta(days=31) <= end - day <= datetime.timedelta(days=45)
        at_end = self.cast.whole and day.day >= _COMMANDS_DAY
        if not at_end and not (in_window and await machine.would_renew()):
            return False
        self._proved_in = month
        return True

    # What is looked at in the evening.

    async def _evening(self, day: datetime.date) -> None:
        await self.stage.tick()
        self.seen.trouble["books"] += [
            f"{day}: {each}" for each in self.stage.balance(thoroughly=self.cast.whole and day.day == 1)
        ]
        self._look_at_pairs(day)
        self._look_at_seats(day)
        await self._look_side_by_side(day)

    def _look_at_pairs(self, day: datetime.date) -> None:
        """A mailed pair lives from its mail until the CN has a certificate by it or otherwise, or is revoked."""
        for letter in self.seen.letters[self._read :]:
            if letter.kind in ("enrolment-url", "renewal-url"):
                newest = max((each.at for each in self.seen.held if each.cn == letter.cn), default=0)
                if newest < letter.at and letter.cn is not None:
                    self._waiting.add(letter.cn)
            if letter.kind == "revoked" and letter.cn is not None:
                self._waiting.discard(letter.cn)
                of = next((pc for pc in self.cast.pcs if pc.cn == letter.cn), None)
                if of is not None:
                    self.seen.marks.append(Mark(of.number, Event.REVOKED, letter.at))
        self._read = len(self.seen.letters)
        live = self.stage.live_credentials()
        if live != self._waiting:
            self.seen.trouble["pairs"].append(f"{day}: {sorted(live)} can be used, not {sorted(self._waiting)}")

    def _look_at_seats(self, day: datetime.date) -> None:
        """Each PC in service has a certificate in use that is valid and not revoked."""
        now, revoked = self.stage.clock.now(), self.stage.revoked_serials()
        for pc in self.cast.pcs:
            gone = pc.gone_on if pc.lot in (Lot.STOLEN, Lot.DISPOSED) else None
            if pc.enrols_on > day or (gone is not None and gone <= day):
                continue
            live = self.machines[pc.number].in_use().get(self._cns[pc.number])
            if live is None or _seconds(live) < now or f"{live.certificate().serial_number:x}" in revoked:
                self.seen.days_without[pc.number] += 1

    async def _look_side_by_side(self, day: datetime.date) -> None:
        """On the last evening of a certificate that was renewed, OCSP calls it and its successor good."""
        tomorrow = day + datetime.timedelta(days=1)
        for pc in self.cast.pcs:
            machine, cn = self.machines[pc.number], self._cns[pc.number]
            if pc.enrols_on > day or pc.is_off(day):
                continue
            complete = [each for each in machine.generations(cn) if each.complete]
            for old, new in itertools.pairwise(complete):
                if day_in_tokyo(_seconds(old)) == tomorrow:
                    words = [await machine.word_on(each) for each in (old, new)]
                    self.seen.counts["side by side"] += 1
                    if words != ["good", "good"]:
                        self.seen.trouble["side by side"].append(f"{cn} on {day}: {words}")

    def _hold(self, pc: Pc, cn: str, how: How, generation: Generation, host: str, *, by_command: bool = False) -> None:
        certificate = generation.certificate()
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        serial, now = f"{certificate.serial_number:x}", self.stage.clock.now()
        bounds = int(begins.timestamp()), int(ends.timestamp())
        self.seen.held.append(Held(cn, pc.number, how, now, serial, *bounds, host, by_command))
        self._waiting.discard(cn)

    def _mark(self, pc: Pc, event: Event) -> None:
        self.seen.marks.append(Mark(pc.number, event, self.stage.clock.now()))


def _seconds(generation: Generation) -> int:
    return int(generation.certificate().not_valid_after_utc.timestamp())
