"""Judges what was seen in a rehearsal: figures, each with what the cast demands and what was measured."""

import collections
import datetime

from ca_server.clock import DAY, HOUR, day_in_tokyo, moment
from ca_server.domain.inventory import Entry, Renewal, State
from tests.drills.figures import Figure, counted, none_of
from tests.rehearsal.cast import INSTITUTION, Lot, Pc
from tests.rehearsal.chronicle import Event, Held, How
from tests.rehearsal.play import Play

_RENEWAL_MAILS = ("renewal-url", "renewal-password", "renewal-reminder")
_LATEST, _EARLIEST = 33 * DAY - 37 * HOUR, 44 * DAY
"""How long before the end an agent renews that keeps to the window, 44 to 33 days before it, and runs once a day: from
ten on one day to eleven at night on the next are 37 hours."""
_LEAPT_OVER = ("CRL", "OCSP signer", "waiting for their place")
"""What ends or grows old meanwhile where days are left out, which a service that never sleeps would not let happen."""


def judge(play: Play) -> list[Figure]:
    """Return the figures of a rehearsal that was played."""
    seen, cast = play.seen, play.cast
    days = len(seen.days)
    return [
        counted("days on which the books balanced", days, days - len(_days_in(seen.trouble["books"]))),
        none_of("what reconcile found or warned of", seen.trouble["books"]),
        *_renewals(play),
        *_gaps(play),
        *_mails(play),
        none_of("evenings with a wrong set of mailed pairs that can be used", seen.trouble["pairs"]),
        none_of("mailed pairs that can be used at the end", sorted(play.stage.live_credentials())),
        counted("last evenings of old certificates, both good", _last_evenings(play), seen.counts["side by side"]),
        none_of("certificates not good then", seen.trouble["side by side"]),
        none_of("certificates left on PCs, or missing, at the end", _leftovers(play)),
        none_of("agents that failed for their own PC", seen.trouble["agents"]),
        *_misfortunes(play),
        none_of("entries of the list of PCs that are wrong", _inventory(play)),
        none_of("alarms of the service", _alarms(play)),
        *([_processes(play)] if play.processes else []),
        Figure("PCs, runs of agents, mails", "any number", _size(len(cast.pcs), play), met=True),
    ]


def _size(pcs: int, play: Play) -> str:
    return f"{pcs}, {play.seen.counts['runs']}, {len(play.seen.letters)}"


def _days_in(findings: list[str]) -> set[str]:
    return {finding.partition(":")[0] for finding in findings}


def _renewals(play: Play) -> list[Figure]:
    seen = play.seen
    wrong = []
    for pc in play.cast.pcs:
        renewals = len(seen.of_cn(pc.cn)) - 1
        if renewals != pc.renewals:
            wrong.append(f"{pc.cn}: {renewals} renewals, not {pc.renewals}")
    by_agents = [each for each in seen.held if each.how is How.AGENT]
    back = {(pc.cn, pc.fetched_on) for pc in play.cast.of_lot(Lot.BY_ITSELF)}
    off_window = []
    for each in by_agents:
        before = _predecessor(play, each).not_after - each.at
        if not _LATEST <= before <= _EARLIEST and (each.cn, day_in_tokyo(each.at)) not in back:
            off_window.append(f"{each.cn} on {moment(each.at):%F}, {before / DAY:.1f} days before the end")
    return [
        counted("certificates renewed", sum(pc.renewals for pc in play.cast.pcs), _renewed(play)),
        none_of("PCs renewed too often or too seldom", wrong),
        none_of(f"of {len(by_agents)} renewals by agents, outside the window", off_window),
    ]


def _renewed(play: Play) -> int:
    return sum(each.how is not How.ENROLLED for each in play.seen.held)


def _predecessor(play: Play, held: Held) -> Held:
    line = play.seen.of_cn(held.cn)
    return line[line.index(held) - 1]


def _gaps(play: Play) -> list[Figure]:
    without = play.seen.days_without
    expected = {pc.number: pc.days_without for pc in play.cast.pcs if pc.days_without}
    demanded = sum(expected.values())
    wrong = [
        f"PC-{number:03d}: {without[number]} evenings, not {expected.get(number, 0)}"
        for number in sorted({*without, *expected})
        if without[number] != expected.get(number, 0)
    ]
    return [
        counted("evenings without a valid certificate (one PC, after its end)", demanded, sum(without.values())),
        none_of("PCs with a gap that they should not have", wrong),
    ]


def _mails(play: Play) -> list[Figure]:
    letters = play.seen.letters
    about_renewal = [letter for letter in letters if letter.kind in _RENEWAL_MAILS]
    got = collections.Counter((letter.kind, letter.cn, day_in_tokyo(letter.at)) for letter in about_renewal)
    demanded = collections.Counter(
        (kind, pc.cn, pc.day(days))
        for pc in play.cast.pcs
        for place, days in enumerate(pc.notices)
        for kind in (("renewal-reminder",) if place else _RENEWAL_MAILS[:2])
    )
    others = collections.Counter((letter.kind, letter.cn) for letter in letters if letter.kind not in _RENEWAL_MAILS)
    return [
        counted("mails about renewal, each on its day", demanded.total(), got.total()),
        none_of("of these missing, too many or on another day", _differences(demanded, got)),
        none_of("other mails missing or too many", _differences(_other_mails(play), others)),
    ]


def _other_mails(play: Play) -> "collections.Counter[tuple[str, str | None]]":
    """Return which mails must have come besides those about renewal, each once."""
    demanded: collections.Counter[tuple[str, str | None]] = collections.Counter()
    for each in play.seen.held:
        demanded["fetched", each.cn] += 1
        if each.how is How.ENROLLED:
            demanded["enrolment-url", each.cn] += 1
            demanded["enrolment-password", each.cn] += 1
    demanded["received", None] += len(play.cast.batches)
    for pc in play.cast.pcs:
        if pc.gone_on is not None:
            demanded["received", None] += 1
            demanded["revoked", pc.cn] += 1
        if pc.lot is Lot.STOLEN:
            demanded["suspended", pc.cn] += 1
            demanded["form-owed", pc.cn] += pc.forms_owed
    return demanded


def _differences(demanded: "collections.Counter[tuple[object, ...]]", got: object) -> list[str]:
    found: list[str] = []
    assert isinstance(got, collections.Counter)
    for key in sorted({*demanded, *got}, key=str):
        if demanded[key] != got[key]:
            found.append(f"{' '.join(map(str, key))}: {got[key]}, not {demanded[key]}")
    return found


def _last_evenings(play: Play) -> int:
    """Return how many renewed certificates came to their end in the time that was played, on a PC that was on."""
    return len(list(_ended_in_time(play)))


def _ended_in_time(play: Play) -> "list[Held]":
    played, found = set(play.seen.days), []
    for each in play.seen.held:
        line = play.seen.of_cn(each.cn)
        place = line.index(each) + 1
        successor = line[place] if place < len(line) else None
        eve = day_in_tokyo(each.not_after) - datetime.timedelta(days=1)
        kept = successor is not None and successor.how is not How.WRONG_PC and successor.at < each.not_after
        if kept and eve in played:
            found.append(each)
    return found


def _leftovers(play: Play) -> list[str]:
    """On each PC lies what it got and what had not ended when its agent ran last, and nothing of what was deleted."""
    now, wrong = play.stage.clock.now(), []
    for pc in play.cast.pcs:
        machine = play.machines[pc.number]
        kept = [each for each in play.seen.held if each.of == pc.number and each.how is not How.WRONG_PC]
        if pc.lot is Lot.WRONG_PC:
            kept = [each for each in kept if each.cn != pc.cn]
        stopped = pc.lot in (Lot.STOLEN, Lot.DISPOSED)
        must = {each.serial for each in kept if stopped or each.not_after > now}
        may = must | {each.serial for each in kept if each.not_after > now - DAY}
        lying = {
            f"{each.certificate().serial_number:x}" for seat in machine.store.seats() for each in seat.generations()
        }
        if not must <= lying <= may:
            wrong.append(f"{pc.host}: {sorted(lying)}, not {sorted(must)}")
    return wrong


def _misfortunes(play: Play) -> list[Figure]:
    """The wrong PC and the theft."""
    seen, cast = play.seen, play.cast
    wrong_pcs, thefts = cast.of_lot(Lot.WRONG_PC), cast.of_lot(Lot.STOLEN)
    refused = sum(mark.event is Event.THIEF_REFUSED for mark in seen.marks)
    revoked = [pc for pc in cast.pcs if pc.gone_on is not None]
    on_day = [pc for pc in revoked if _revoked_on(play, pc) == pc.gone_on]
    return [
        counted("wrong PCs: warned before the order", len(wrong_pcs), seen.counts["warned of the wrong PC"]),
        counted("wrong PCs: chart 9.3.3 walked, on both PCs", 2 * len(wrong_pcs), seen.counts["doctor"]),
        none_of("wrong PCs: other ends than a DCM904", seen.trouble["doctor"]),
        counted("stolen PC: attempts to renew refused", 2 * len(thefts), refused),
        none_of("stolen PC: attempts that were not", seen.trouble["thief"]),
        counted("CNs revoked on their day", len(revoked), len(on_day)),
    ]


def _revoked_on(play: Play, pc: Pc) -> datetime.date | None:
    at = play.seen.marked(pc.number, Event.REVOKED)
    return None if at is None else day_in_tokyo(at)


def _inventory(play: Play) -> list[str]:
    """The list that the administrator gets says of every CN what its PC has, and of no other."""
    entries = {str(entry.cn): entry for entry in play.stage.inventory(INSTITUTION)}
    wrong = [f"{cn} is no CN of ours" for cn in entries.keys() - {each.cn for each in play.seen.held}]
    for cn in sorted({each.cn for each in play.seen.held}):
        told, newest = entries.get(cn), play.seen.newest(cn)
        if told is None or _told(told) != _known(play, newest):
            wrong.append(f"{cn}: {told and _told(told)}, not {_known(play, newest)}")
    return wrong


def _told(entry: Entry) -> tuple[object, ...]:
    return entry.state, entry.host_name, entry.not_after, entry.renewal


def _known(play: Play, newest: Held) -> tuple[object, ...]:
    pc = next(pc for pc in play.cast.pcs if pc.number == newest.of)
    if pc.gone_on is not None and newest.cn == pc.cn:
        return State.REVOKED, newest.host, newest.not_after, None
    renewal = Renewal.NOT_DUE if newest.how is How.ENROLLED else Renewal.RENEWED
    return State.ACTIVE, newest.host, newest.not_after, renewal


def _alarms(play: Play) -> list[str]:
    return [each for each in play.seen.alarms if play.cast.whole or not any(word in each for word in _LEAPT_OVER)]


def _processes(play: Play) -> Figure:
    """Each month of the whole rehearsal one; where days are left out, those that renew."""
    seen = play.seen
    ran, renewed = seen.counts["commands"], seen.counts["renewals by command"]
    months = len({(day.year, day.month) for day in seen.days})
    met = (ran == months or not play.cast.whole) and not seen.trouble["commands"] and renewed > 0
    demanded = f"{months}, some renew" if play.cast.whole else "some, renewing"
    return Figure("runs of the real `warifu renew`", demanded, f"{ran}, {renewed} renew", met, seen.trouble["commands"])
