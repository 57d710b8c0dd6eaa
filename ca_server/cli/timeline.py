"""The timeline of a CN as people read it: each event in words, by whom, and with its particulars, a line each."""

import datetime
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ca_server.cli.table import draw
from ca_server.clock import TOKYO, rfc3339
from ca_server.domain.attempts import Attempt
from ca_server.domain.credentials import CredentialKind, CredentialStatus
from ca_server.domain.help_desk import MailedHalf, Obstacle
from ca_server.domain.reasons import Reason
from ca_server.domain.timeline import Event, PairLedger
from ca_server.language import Sentence, sentence
from ca_server.notices.messages import NoticeKind

Detail = Mapping[str, Any]

_CODE = re.compile(r"(?:answered |\()([245]\d\d(?: [245]\.\d{1,3}\.\d{1,3})?)", re.ASCII)  # as the mailer says it
_SHOWN_OF_A_SERIAL = 12


def document(event: Event) -> dict[str, object]:
    """Return an event as scripts read it, in full."""
    return {
        "at": rfc3339(event.at),
        "action": event.action,
        "actor": event.actor,
        "by": event.by,
        "credential": event.credential,
        "detail": dict(event.detail),
    }


def pair_document(pair: PairLedger) -> dict[str, object]:
    """Return the ledger of a pair as scripts read it."""
    return {
        "credential": pair.id,
        "kind": pair.kind,
        "status": pair.status,
        "made_at": rfc3339(pair.made_at),
        "expires_at": rfc3339(pair.expires_at),
        "events": [document(event) for event in pair.events],
    }


def pair_words(place: int, pair: PairLedger) -> Sentence:
    """Return the heading of a pair's ledger."""
    return sentence(
        "Pair {place} ({kind}), valid until {until}: {status}",
        place=place,
        kind=_PAIR_KINDS[pair.kind],
        until=_moment(pair.expires_at),
        status=_PAIR_STATES[pair.status],
    )


def show(events: Sequence[Event]) -> None:
    """Show events as a table of 80 columns."""
    rows = [(_moment(each.at), each.words, _by(each), _particulars(each)) for each in events]
    draw((sentence("When (Japan)"), sentence("What"), sentence("By"), sentence("Particulars")), rows)


def _moment(at: int) -> str:
    return f"{datetime.datetime.fromtimestamp(at, TOKYO):%Y-%m-%d %H:%M}"


def _by(event: Event) -> str:
    kind, _, name = event.actor.partition(":")
    match kind:
        case "officer":
            return event.by or name
        case "schedule":
            return sentence("the service")
        case "account":
            return sentence("the PC")
        case "credential":
            return sentence("the URL's holder")
        case _:
            return name or event.actor


def _particulars(event: Event) -> str:
    """Return what else is known of an event."""
    told = [words(event.detail) for name, words in _PARTICULARS.items() if event.detail.get(name) not in (None, "")]
    known = [each for each in (*told, _why(event)) if each]
    return functools.reduce(lambda one, other: sentence("{one}, {other}", one=one, other=other), known or [""])


def _why(event: Event) -> str:
    """Return why something was refused, returned or deferred; of the mail server's answer the code is enough."""
    why = str(event.detail.get("why") or "")
    if event.action == "help desk refused":
        return _WHYS.get(why, why)
    if event.action == "mail void":
        return ""
    code = _CODE.search(why) if event.action.startswith("mail ") else None
    return why if code is None else sentence("answer of the mail server: {code}", code=code[1])


def _application(detail: Detail) -> Sentence:
    number, form = detail["application"], detail.get("form")
    if form is None:
        return sentence("application {number}", number=number)
    return sentence("application {number} ({form})", number=number, form=str(form))


def _tries(detail: Detail) -> str:
    return sentence("tries: {count}", count=detail["tries"]) if detail["tries"] > 1 else ""


def _reason(detail: Detail) -> str:
    known = {reason.value: reason.label for reason in Reason}
    return known.get(detail["reason"], str(detail["reason"]))


def _serial(detail: Detail) -> Sentence:
    return sentence("serial number {serial}", serial=f"{detail['serial'][:_SHOWN_OF_A_SERIAL]}…")


_PARTICULARS: Mapping[str, Callable[[Detail], str]] = {
    "application": _application,
    "kind": lambda detail: _PAIR_KINDS.get(detail["kind"], ""),
    "notice": lambda detail: _NOTICES.get(detail["notice"], detail["notice"]),
    "half": lambda detail: _HALVES[detail["half"]],
    "act": lambda detail: _ACTS.get(detail["act"], detail["act"]),
    "label": lambda detail: detail["label"],
    "expires_at": lambda detail: sentence("until {moment}", moment=_moment(detail["expires_at"])),
    "held_until": lambda detail: sentence("until {moment}", moment=_moment(detail["held_until"])),
    "failures": lambda detail: sentence("attempt {count}", count=detail["failures"]),
    "caller": lambda detail: sentence("caller: {name}", name=detail["caller"]),
    "reason": _reason,
    "host_name": lambda detail: sentence("host name: {name}", name=detail["host_name"]),
    "former_host_name": lambda detail: sentence("formerly {name}", name=detail["former_host_name"]),
    "os": lambda detail: detail["os"],
    "agent": lambda detail: detail["agent"],
    "address": lambda detail: sentence("from {address}", address=detail["address"]),
    "serial": _serial,
    "seconds": lambda detail: sentence("after {seconds} seconds", seconds=detail["seconds"]),
    "tries": _tries,
}
_PAIR_KINDS: Mapping[str, Sentence] = {
    CredentialKind.ENROL: sentence("for a first certificate"),
    CredentialKind.RENEW: sentence("for a renewal"),
}
_PAIR_STATES = {
    CredentialStatus.OPEN: sentence("open"),
    CredentialStatus.LOCKED: sentence("locked"),
    CredentialStatus.USED: sentence("used"),
    CredentialStatus.EXPIRED: sentence("expired"),
    CredentialStatus.REPLACED: sentence("void"),
}
_HALVES: Mapping[str, Sentence] = {MailedHalf.URL: sentence("the URL"), MailedHalf.PASSWORD: sentence("the password")}
_ACTS: Mapping[str, Sentence] = {
    "resend url": sentence("asked for the URL's mail again"),
    "resend password": sentence("asked for the password's mail again"),
    "unlock": sentence("asked to unlock the URL"),
    "replace": sentence("asked for a fresh pair"),
}
_NOTICES: Mapping[str, Sentence] = {
    NoticeKind.ENROLMENT_URL: sentence("mail: URL"),
    NoticeKind.ENROLMENT_PASSWORD: sentence("mail: password"),
    NoticeKind.RENEWAL_URL: sentence("mail: renewal URL"),
    NoticeKind.RENEWAL_PASSWORD: sentence("mail: renewal password"),
    NoticeKind.RENEWAL_REMINDER: sentence("mail: reminder of the renewal"),
    NoticeKind.FETCHED: sentence("mail: certificate fetched"),
    NoticeKind.EXPIRED_UNUSED: sentence("mail: URL expired unused"),
    NoticeKind.REVOKED: sentence("mail: revocation complete"),
    NoticeKind.SUSPENDED: sentence("mail: certificate suspended"),
    NoticeKind.RELEASED: sentence("mail: suspension released"),
    NoticeKind.FORM_OWED: sentence("mail: form is owed"),
    NoticeKind.ATTEMPT: sentence("mail: request refused"),
    NoticeKind.KEY_CHANGED: sentence("mail: account key changed"),
}
_WHYS: Mapping[str, Sentence] = {
    Attempt.WRONG_INSTITUTION: sentence("wrong institution's name"),
    Attempt.OTHER_ADDRESS: sentence("another mail address"),
    Obstacle.SEAT_REVOKED: sentence("CN is revoked"),
    Obstacle.SEAT_SUSPENDED: sentence("CN is suspended"),
    Obstacle.SEAT_LAPSED: sentence("time to renew is over"),
    Obstacle.USED: sentence("URL was used"),
    Obstacle.WITHDRAWN: sentence("URL was withdrawn"),
    Obstacle.EXPIRED: sentence("URL expired"),
    Obstacle.LATE: sentence("time for a fresh pair is over"),
    Obstacle.LOCKED: sentence("URL is locked"),
    Obstacle.NOT_LOCKED: sentence("URL is not locked"),
    Obstacle.RESENT: sentence("resent too often"),
    Obstacle.HELD: sentence("mails are held"),
    "unknown": sentence("no such CN"),
}
