"""Every finding there can be, in one table, the most urgent first: what is said, and which act or chart it leads to.

The act of a diagnosis is that of the first row of which something was found; so the order of the rows is the rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from client.doctor import acts, charts
from client.doctor.acts import Act
from client.language import sentence


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    ATTENTION = "attention"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Symptom:
    """One row: `act` is what to do, or what to do when the chart that begins at `chart` cannot be walked to its end."""

    level: Level
    sentence: str
    act: Act
    remedy: str = ""
    chart: str | None = None


@dataclass(frozen=True, slots=True)
class Phrase:
    """A fact that is itself a sentence."""

    text: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: the word of a row, and the facts that fill its texts; `cn` when it is about one seat."""

    word: str
    facts: Mapping[str, object] = field(default_factory=dict)
    cn: str | None = None

    @property
    def symptom(self) -> Symptom:
        """Return the row."""
        return SYMPTOMS[self.word]


_WRONG_CLOCK = sentence("Certificates and answers seem ended, or not yet begun, as long as it is wrong.")

SYMPTOMS: Final[Mapping[str, Symptom]] = {
    "clockAhead": Symptom(
        Level.FAULT,
        sentence("The clock of this PC is {by} ahead of the server's: {here} here, {there} there."),
        acts.SET_CLOCK,
        _WRONG_CLOCK,
    ),
    "clockBehind": Symptom(
        Level.FAULT,
        sentence("The clock of this PC is {by} behind the server's: {here} here, {there} there."),
        acts.SET_CLOCK,
        _WRONG_CLOCK,
    ),
    "revoked": Symptom(
        Level.FAULT,
        sentence("{cn} is revoked, and not from this PC (since {since})."),
        acts.STOP,
        sentence("After a DCM904 the mails for the new certificate come by themselves."),
    ),
    "renewedElsewhere": Symptom(
        Level.FAULT,
        sentence("{cn} was renewed with the mailed URL, but not on this PC."),
        acts.STOP,
        chart=charts.WRONG_PC,
    ),
    "suspended": Symptom(
        Level.FAULT,
        sentence("{cn} is suspended (since {since})."),
        acts.CALL,
        sentence("It is good again, and is renewed, as soon as it is released."),
    ),
    "unknownToServer": Symptom(Level.FAULT, sentence("The authority does not know the certificate {cn}."), acts.CALL),
    "accountEnded": Symptom(Level.FAULT, sentence("{cn}: the server no longer accepts this PC's account."), acts.CALL),
    "serverTime": Symptom(
        Level.FAULT,
        sentence("{host}: the server's certificate is not valid at this PC's time ({reason})."),
        acts.SET_CLOCK,
        sentence("If date and time of this PC are right, tell the help desk."),
    ),
    "serverEnded": Symptom(
        Level.FAULT,
        sentence("{host}: the server's certificate is not valid ({reason}), and the clock of this PC is right."),
        acts.CALL,
    ),
    "untrusted": Symptom(Level.FAULT, sentence("{host}: the server cannot prove who it is ({reason})."), acts.TRUST),
    "damaged": Symptom(Level.FAULT, sentence("{cn}: {trouble}"), acts.CALL),
    "lostKey": Symptom(
        Level.FAULT,
        sentence("{cn}: the certificate in use, or its private key, is no longer on this PC."),
        acts.FILE_904,
        sentence("If it lies in a backup of this PC, put it back instead (manual 9.3.6)."),
    ),
    "foreignKey": Symptom(
        Level.FAULT, sentence("{cn}: the private key does not belong to the certificate."), acts.FILE_904
    ),
    "keyAway": Symptom(Level.FAULT, sentence("{cn}: the private key cannot be used. {trouble}"), acts.REACH_KEY),
    "revokedHere": Symptom(Level.ATTENTION, sentence("{cn} was revoked from this PC."), acts.DELETE),
    "lapsed": Symptom(
        Level.FAULT, sentence("{cn} has ended, and the time in which it could be renewed is over."), acts.FILE_902
    ),
    "barred": Symptom(
        Level.FAULT,
        sentence("This login may not write {count} file(s) or folder(s) here, so nothing can be renewed: {paths}"),
        acts.OWN,
    ),
    "readOnly": Symptom(
        Level.FAULT, sentence("The disk of the certificates is read-only, so nothing can be renewed."), acts.MOUNT
    ),
    "full": Symptom(Level.FAULT, sentence("The disk is full, so nothing can be renewed."), acts.MAKE_ROOM),
    "noName": Symptom(
        Level.FAULT,
        sentence("{host}: the name is not found (DNS: {reason})."),
        acts.TRY_LATER,
        sentence("Is this PC connected to the network?"),
    ),
    "noConnection": Symptom(
        Level.FAULT,
        sentence("{host}: the name is found, but nobody answers (TCP: {reason})."),
        acts.TRY_LATER,
        sentence("The network, a firewall or the server is in the way."),
    ),
    "noAnswer": Symptom(
        Level.FAULT,
        sentence("{host}: it is there, but does not answer as it should ({reason})."),
        acts.TRY_LATER,
    ),
    "expired": Symptom(
        Level.FAULT,
        sentence("{cn} ended on {ends}; it can still be renewed."),
        acts.RENEW,
        chart=charts.MAIL,
    ),
    "overdue": Symptom(
        Level.FAULT,
        sentence("{cn} ends on {ends}, in {days} days, and is not renewed yet."),
        acts.RENEW,
        chart=charts.MAIL,
    ),
    "underWay": Symptom(Level.ATTENTION, sentence("{cn}: a renewal was begun and is not finished."), acts.RENEW),
    "exposed": Symptom(
        Level.FAULT, sentence("Others than you may read {count} file(s) or folder(s) here: {paths}"), acts.PROTECT
    ),
    "exposedPin": Symptom(Level.FAULT, sentence("Others than you may read the PIN in {pin_file}."), acts.PROTECT_PIN),
    "hook": Symptom(Level.FAULT, "{trouble}", acts.MEND_HOOK),
    "noSchedule": Symptom(Level.ATTENTION, sentence("The daily renewal is not set up."), acts.SCHEDULE),
    "pending": Symptom(
        Level.ATTENTION,
        sentence("{count} enrolment(s) were begun and are not finished."),
        acts.GO_ON,
        sentence("`warifu delete --under-way` drops what is no longer wanted."),
    ),
    "notHere": Symptom(
        Level.FAULT, sentence("{cn} is not among the certificates of this PC."), acts.FIND, chart=charts.WHICH_PC
    ),
    "nothingHere": Symptom(
        Level.ATTENTION, sentence("There is no certificate on this PC."), acts.ENROLL, chart=charts.FIRST
    ),
    "withoutPredecessor": Symptom(
        Level.ATTENTION,
        sentence("{cn} was renewed by mail on this PC, where the certificate before it has never been."),
        acts.NOTHING,
        sentence("If another PC was meant, a DCM904 is needed (manual 9.3.3)."),
        chart=charts.WRONG_PC_HERE,
    ),
    "renewalTrouble": Symptom(
        Level.ATTENTION, sentence("{cn}: when to renew could not be asked. {trouble}"), acts.NOTHING
    ),
    "notAsked": Symptom(
        Level.ATTENTION, sentence("{cn}: the authority could not be asked about it. {trouble}"), acts.NOTHING
    ),
    "oldKey": Symptom(Level.ATTENTION, sentence("{cn}: the key of an older certificate cannot be used."), acts.NOTHING),
    "lastRun": Symptom(Level.ATTENTION, sentence("The last entry of the log is a failure: {line}"), acts.NOTHING),
    "leftovers": Symptom(
        Level.ATTENTION,
        sentence("{count} key(s) without use are left from an interruption."),
        acts.NOTHING,
        sentence("The next `warifu renew` deletes them."),
    ),
    "strangers": Symptom(
        Level.ATTENTION,
        sentence("The key store has {count} certificate(s) under our names that this folder does not know."),
        acts.NOTHING,
        sentence("They are of another user or folder, or can be deleted there."),
    ),
    "valid": Symptom(
        Level.OK, sentence("{cn} is valid to {ends}, for {days} more days."), acts.WAIT, chart=charts.MAIL
    ),
    "held": Symptom(
        Level.OK, sentence("{cn}: the private key is here and matches ({store}, {copyable})."), acts.NOTHING
    ),
    "keyUnasked": Symptom(
        Level.OK, sentence("{cn}: the private key is in a token, which was not asked for its PIN."), acts.NOTHING
    ),
    "good": Symptom(Level.OK, sentence("{cn}: the authority says that it is good (OCSP)."), acts.NOTHING),
    "account": Symptom(Level.OK, sentence("{cn}: the server accepts this PC's account."), acts.NOTHING),
    "renewal": Symptom(Level.OK, sentence("{cn}: it is to be renewed from {due_at} on."), acts.NOTHING),
    "server": Symptom(
        Level.OK, sentence("{host}: found (DNS), reached (TCP), trusted (TLS), answers (HTTP)."), acts.NOTHING
    ),
    "clock": Symptom(Level.OK, sentence("The clock of this PC agrees with the server's."), acts.NOTHING),
    "runsDaily": Symptom(
        Level.OK, sentence("`renew` runs each day, though no schedule of ours is set up."), acts.NOTHING
    ),
    "schedule": Symptom(Level.OK, sentence("The daily renewal is set up."), acts.NOTHING),
    "private": Symptom(Level.OK, sentence("Nobody else may read the folder of the certificates."), acts.NOTHING),
}
"""Word → row, the most urgent first."""

URGENCY: Final = tuple(SYMPTOMS)
