"""The manual's charts (9.3.1, 9.3.2, 9.3.3) as data: questions with "yes" and "no", each path ending in one act.

Where the facts know the answer nobody is asked. The manual draws them; the scan that we build on has lost the drawings,
so the branches are those of its answers around them: 9.2.1 to 9.2.5 and 9.3.4 to 9.3.7, named at each act in
tests/client/test_doctor_charts.py. `FIRST` is ours, for a PC that has no certificate at all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from client.doctor.acts import (
    ALLOW_MAIL,
    ENROLL,
    FILE_902,
    FILE_903,
    FILE_904,
    FILE_905,
    NOTHING,
    RENEW,
    REPORT_LOSS,
    RESEND,
    STOP,
    USE_THERE,
    WAIT,
    Act,
)
from client.doctor.facts import AccountState, Facts, Seat
from client.language import sentence


@dataclass(frozen=True, slots=True)
class Question:
    """One box of a chart: `yes` and `no` are the word of the next box, or the act."""

    section: str
    text: str
    yes: "str | Act"
    no: "str | Act"


@dataclass(frozen=True, slots=True)
class Answer:
    """How one box was left; `known` tells that nobody had to be asked."""

    question: str
    yes: bool
    known: bool


MAIL, WHICH_PC, WRONG_PC, WRONG_PC_HERE, FIRST = "renewed", "onThisPc", "fetchedByUs", "meantHere", "neededHere"
"""The first boxes: 9.3.1; 9.3.2; 9.3.3 seen from the PC that was left out, and from the one that fetched; ours."""

QUESTIONS: Final[Mapping[str, Question]] = {
    # 9.3.1 the renewal mail did not arrive
    "renewed": Question("9.3.1", sentence("Has the certificate been renewed already?"), NOTHING, "endsSoon"),
    "endsSoon": Question(
        "9.3.1", sentence("Does it end within 30 days, or has it ended already?"), "renewsItself", WAIT
    ),
    "renewsItself": Question("9.3.1", sentence("Can this PC renew it without a mail?"), RENEW, "mailArrived"),
    "mailArrived": Question(
        "9.3.1", sentence("Have the two mails, URL and password, reached your administrator?"), ENROLL, "addressRight"
    ),
    "addressRight": Question(
        "9.3.1",
        sentence("Is the address registered for your administrator still the right one?"),
        "domainsAllowed",
        FILE_905,
    ),
    "domainsAllowed": Question(
        "9.3.1",
        sentence("Are mails of the sender's domains allowed, and is the junk folder without them?"),
        RESEND,
        ALLOW_MAIL,
    ),
    # 9.3.2 which PC holds the certificate
    "onThisPc": Question(
        "9.3.2",
        sentence("Is {cn} on this PC all the same, in the certificates of the browser or of Windows?"),
        "renewed",
        "onAnotherPc",
    ),
    "onAnotherPc": Question(
        "9.3.2",
        sentence("Is it on another PC, by your administrator's list or by `warifu status` there?"),
        USE_THERE,
        "stillNeeded",
    ),
    "stillNeeded": Question("9.3.2", sentence("Is the certificate {cn} still needed?"), "pcGone", FILE_903),
    "pcGone": Question(
        "9.3.2",
        sentence("Was its PC replaced or disposed of, or was the certificate deleted?"),
        FILE_904,
        REPORT_LOSS,
    ),
    # 9.3.3 renewed on the wrong PC
    "fetchedByUs": Question("9.3.3", sentence("Did somebody of yours fetch {cn} on another PC?"), "rightThere", STOP),
    "rightThere": Question(
        "9.3.3", sentence("Is that PC the one that will use the certificate from now on?"), USE_THERE, FILE_904
    ),
    "meantHere": Question("9.3.3", sentence("Is this the PC that will use {cn}?"), NOTHING, FILE_904),
    # a PC without a certificate
    "neededHere": Question("", sentence("Is this PC to use a certificate?"), "toRenew", NOTHING),
    "toRenew": Question(
        "", sentence("Has it one already, got with a browser, which is to be renewed?"), MAIL, "mailed"
    ),
    "mailed": Question(
        "", sentence("Has your administrator received the two mails, URL and password?"), ENROLL, "appliedFor"
    ),
    "appliedFor": Question("", sentence("Has the form DCM902 been filed?"), "addressRight", FILE_902),
}

Ask = Callable[[Question], bool]


def walk(start: str, known: Mapping[str, bool], ask: Ask | None) -> tuple[Act | None, list[Answer]]:
    """Follow a chart and return the act at its end with the answers on the way; None when nobody can be asked."""
    place: str | Act = start
    answers: list[Answer] = []
    while isinstance(place, str):
        question = QUESTIONS[place]
        if place in known:
            yes = known[place]
        elif ask is not None:
            yes = ask(question)
        else:
            return None, answers
        answers.append(Answer(place, yes, place in known))
        place = question.yes if yes else question.no
    return place, answers


def known_answers(facts: Facts, seat: Seat | None) -> dict[str, bool]:
    """Return the answers that the facts give; without a seat the certificate is not held by this client."""
    if seat is None:
        return {"renewsItself": False}
    soon = facts.ends_soon(seat)
    return {
        "onThisPc": True,
        "renewed": not soon and len(seat.certificates) > 1,
        "endsSoon": soon,
        "renewsItself": seat.account is not AccountState.ENDED and seat.renewal.final is None,
    }
