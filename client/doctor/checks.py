"""What the facts mean: each check is a pure function of them that yields its findings, good ones too."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from client.clock import day, minute
from client.doctor.facts import AccountState, Facts, KeyState, Seat, Server, Stage
from client.doctor.symptoms import Finding, Phrase
from client.language import sentence
from client.ocsp import Word
from client.renewal_memory import NOTHING_TO_RENEW
from protocol.vocabulary import RefusalReason

Check = Callable[[Facts], Iterator[Finding]]

_MOST_PATHS = 3
_DAY, _HOUR, _MINUTE = 86_400, 3600, 60
_ELSEWHERE = "alreadyReplaced"
_GONE = ("alreadyRevoked", NOTHING_TO_RENEW)


def presence(facts: Facts) -> Iterator[Finding]:
    """Is there a certificate here, and the one that was asked about?"""
    if facts.wanted is not None:
        yield Finding("notHere", {"cn": facts.wanted}, facts.wanted)
    elif facts.pending:
        yield Finding("pending", {"count": facts.pending})
    elif not facts.seats and not facts.barred:
        yield Finding("nothingHere")


def keys(facts: Facts) -> Iterator[Finding]:
    """Is the private key of each certificate here, does it match, and how is it held?"""
    for seat in facts.seats:
        about = {"cn": seat.cn}
        if seat.damage is not None:
            yield Finding("damaged", {**about, "trouble": seat.damage}, seat.cn)
        elif seat.live is None:
            yield Finding("lostKey", about, seat.cn)
        else:
            yield _key_in_use(seat)
        states = {each.key.state for each in seat.certificates if not each.live}
        if states & {KeyState.MISSING, KeyState.FOREIGN, KeyState.AWAY}:
            yield Finding("oldKey", about, seat.cn)


def _key_in_use(seat: Seat) -> Finding:
    assert seat.live is not None  # noqa: S101  looked at before
    key = seat.live.key
    copyable = {True: sentence("it can be copied"), False: sentence("it cannot be copied")}
    told = copyable[key.copyable] if key.copyable is not None else sentence("whether it can be copied is not known")
    words = {
        KeyState.MATCHES: "held",
        KeyState.FOREIGN: "foreignKey",
        KeyState.MISSING: "lostKey",
        KeyState.AWAY: "keyAway",
        KeyState.UNASKED: "keyUnasked",
    }
    facts = {"cn": seat.cn, "store": seat.store, "copyable": Phrase(told), "trouble": key.trouble}
    return Finding(words[key.state], facts, seat.cn)


def validity(facts: Facts) -> Iterator[Finding]:
    """Is the certificate in use valid: by its dates, by our record, by the authority (OCSP)?"""
    for seat in facts.seats:
        if seat.live is None:
            continue
        left = seat.live.not_after - facts.true_now(seat)
        about = {"cn": seat.cn, "ends": f"{seat.live.not_after:%Y-%m-%d}", "days": left.days}
        gone = seat.renewal.final in _GONE and not _is(seat, Word.GOOD)
        if seat.live.revoked_here:
            yield Finding("revokedHere", about, seat.cn)
        elif _is(seat, Word.REVOKED, Word.SUSPENDED) or (gone and left >= timedelta()):
            yield _not_good(seat, about)
        elif left < timedelta():
            lapsed = seat.renewal.final in (NOTHING_TO_RENEW, RefusalReason.LAPSED)
            yield Finding("lapsed" if lapsed else "expired", about, seat.cn)
        elif _is(seat, Word.UNKNOWN):
            yield Finding("unknownToServer", about, seat.cn)
        else:
            yield Finding("overdue" if facts.ends_soon(seat) else "valid", about, seat.cn)
        if _is(seat, Word.GOOD):
            yield Finding("good", about, seat.cn)
        elif seat.live.unasked is not None:
            yield Finding("notAsked", {**about, "trouble": seat.live.unasked}, seat.cn)


def _not_good(seat: Seat, about: dict[str, object]) -> Finding:
    standing = None if seat.live is None else seat.live.standing
    since = "?" if standing is None or standing.since is None else minute(standing.since)
    suspended = standing is not None and standing.word is Word.SUSPENDED
    return Finding("suspended" if suspended else "revoked", {**about, "since": since}, seat.cn)


def _is_barred(seat: Seat) -> bool:
    """Tell whether nothing will be renewed as things are."""
    return _is(seat, Word.REVOKED, Word.SUSPENDED) or (seat.live is not None and seat.live.revoked_here)


def _is(seat: Seat, *words: Word) -> bool:
    return seat.live is not None and seat.live.standing is not None and seat.live.standing.word in words


def account(facts: Facts) -> Iterator[Finding]:
    """Does the server accept the seat's account? The account of who renews by mail replaces ours (protocol.md)."""
    for seat in facts.seats:
        about = {"cn": seat.cn}
        if seat.renewal.final == _ELSEWHERE or (seat.account is AccountState.ENDED and _is(seat, Word.GOOD)):
            yield Finding("renewedElsewhere", about, seat.cn)
        elif seat.account is AccountState.ENDED and not (seat.live is not None and seat.live.revoked_here):
            yield Finding("accountEnded", about, seat.cn)
        elif seat.account is AccountState.VALID:
            yield Finding("account", about, seat.cn)


def renewal(facts: Facts) -> Iterator[Finding]:
    """When is it renewed, and is a renewal under way?"""
    for seat in facts.seats:
        about: dict[str, object] = {"cn": seat.cn}
        if seat.renewal.under_way:
            yield Finding("underWay", about, seat.cn)
        elif seat.renewal.trouble is not None:
            yield Finding("renewalTrouble", {**about, "trouble": seat.renewal.trouble}, seat.cn)
        elif seat.renewal.due_at is not None and not facts.ends_soon(seat) and not _is_barred(seat):
            yield Finding("renewal", {**about, "due_at": day(seat.renewal.due_at)}, seat.cn)
        if seat.without_predecessor:
            yield Finding("withoutPredecessor", about, seat.cn)


def servers(facts: Facts) -> Iterator[Finding]:
    """Is each server found, reached, trusted, and does it answer?"""
    for server in facts.servers:
        about = {"host": server.host, "reason": server.reason}
        match server.failed:
            case Stage.DNS:
                yield Finding("noName", about)
            case Stage.TCP:
                yield Finding("noConnection", about)
            case Stage.TLS:
                yield Finding(_untrusted(server), about)
            case Stage.HTTP:
                yield Finding("noAnswer", about)
            case None:
                yield Finding("server", about)


def _untrusted(server: Server) -> str:
    if not server.of_time:
        return "untrusted"
    return "serverTime" if server.ahead is None or server.clock_is_wrong else "serverEnded"


def clock(facts: Facts) -> Iterator[Finding]:
    """Do this PC's clock and the server's agree?"""
    for server in facts.servers:
        if server.ahead is None:
            continue
        if server.clock_is_wrong:
            there = facts.now - server.ahead
            told = {"by": _span(abs(server.ahead)), "here": minute(facts.now), "there": minute(there)}
            yield Finding("clockAhead" if server.ahead > timedelta() else "clockBehind", told)
        else:
            yield Finding("clock")
        return


def _span(span: timedelta) -> Phrase:
    seconds = round(span.total_seconds())
    if seconds >= 2 * _DAY:
        return Phrase(sentence("{count} days"), {"count": seconds // _DAY})
    if seconds >= 2 * _HOUR:
        return Phrase(sentence("{count} hours"), {"count": seconds // _HOUR})
    return Phrase(sentence("{count} minutes"), {"count": seconds // _MINUTE})


def upkeep(facts: Facts) -> Iterator[Finding]:
    """Are schedule, hooks, rights and log as they should be?"""
    if facts.seats and facts.scheduled is not None:
        yield Finding("schedule" if facts.scheduled else "runsDaily" if facts.runs_daily else "noSchedule")
    if facts.hook_trouble is not None:
        yield Finding("hook", {"trouble": facts.hook_trouble})
    if facts.full:
        yield Finding("full")
    if facts.read_only:
        yield Finding("readOnly")
    elif facts.barred:
        yield Finding("barred", _listed(facts.barred))
    if facts.exposed:
        yield Finding("exposed", _listed(facts.exposed))
    elif facts.seats:
        yield Finding("private")
    for each in facts.exposed_pins:
        yield Finding("exposedPin", {"pin_file": each})
    if facts.leftovers:
        yield Finding("leftovers", {"count": facts.leftovers})
    if facts.strangers:
        yield Finding("strangers", {"count": facts.strangers})
    if facts.log is not None and not facts.log.endswith(" exit=0"):
        yield Finding("lastRun", {"line": facts.log})


def _listed(paths: tuple[str, ...]) -> dict[str, object]:
    return {"count": len(paths), "paths": ", ".join(paths[:_MOST_PATHS])}


CHECKS: Final[tuple[Check, ...]] = (presence, validity, keys, account, renewal, servers, clock, upkeep)
"""In the order in which a person reads what was found."""


def examine(facts: Facts) -> list[Finding]:
    """Return all findings."""
    return [finding for check in CHECKS for finding in check(facts)]
