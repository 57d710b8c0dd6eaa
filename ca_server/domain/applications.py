"""Applications 申請書: what each says, its states, and who may move it.

    received 受付 → examined → approved 承認 → waiting for its date → done 完了
    received | examined → returned 差戻し · received | examined | approved | waiting → withdrawn

Each certificate named on an application has up to two halves, a revocation and an issuance, and an administrator change
is a half of its own. Each half has its own state: waiting for its date → done, or failed, which stays due until it
succeeds.
"""

import dataclasses
import datetime
import hashlib
import json
from enum import StrEnum

from ca_server.domain.administrators import Administrator, Change, Half
from ca_server.domain.officers import Acting
from ca_server.domain.reasons import Reason
from ca_server.errors import NotAllowed, NotEntitled
from ca_server.language import sentence
from protocol.names import CommonName, InstitutionCode


class Kind(StrEnum):
    """The four forms by their numbers in the manual."""

    ISSUANCE = "DCM902"
    REVOCATION = "DCM903"
    REPLACEMENT = "DCM904"
    ADMINISTRATOR_CHANGE = "DCM905"


class Status(StrEnum):
    """Where an application stands."""

    RECEIVED = "received"
    EXAMINED = "examined"
    APPROVED = "approved"
    WAITING = "waiting"
    DONE = "done"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


OPEN = (Status.RECEIVED, Status.EXAMINED, Status.APPROVED, Status.WAITING)
"""Under way: a CN or an administrator that such an application names is spoken for."""


@dataclasses.dataclass(frozen=True)
class Item:
    """One certificate of an application: what is revoked, what is issued, and how far each is."""

    cn: CommonName | None = None
    reason: Reason | None = None
    revocation: Half | None = None
    revocation_on: datetime.date | None = None
    issuance: Half | None = None
    issuance_on: datetime.date | None = None
    new_cn: CommonName | None = None
    failure: str | None = None
    sheet: int = dataclasses.field(default=1, compare=False)
    """The sheet of the form that names it; no part of the records."""

    def revocation_is_due(self, today: datetime.date) -> bool:
        """Tell whether its revocation is to be carried out: an urgent one waits for no date (requirements A9)."""
        urgent = self.reason is not None and self.reason.urgent
        return _is_open(self.revocation) and (urgent or self.revocation_on is None or self.revocation_on <= today)

    def issuance_is_due(self, today: datetime.date) -> bool:
        """Tell whether its issuance is to be carried out; without a date that is so on approval."""
        return _is_open(self.issuance) and (self.issuance_on is None or self.issuance_on <= today)


def _is_open(half: Half | None) -> bool:
    return half in (Half.WAITING, Half.FAILED)


@dataclasses.dataclass(frozen=True)
class Application:
    """What a form says, parsed; not yet what became of it."""

    kind: Kind
    institution: InstitutionCode
    institution_name: str
    administrator: Administrator
    language: str
    applied_on: datetime.date
    items: tuple[Item, ...] = ()
    change: Change | None = None

    @property
    def halves(self) -> set[Half]:
        """Return the states of everything that it asks for."""
        found = {half for item in self.items for half in (item.revocation, item.issuance) if half is not None}
        return found if self.change is None else found | {self.change.half}

    @property
    def asks_for(self) -> int:
        """Return how many certificates it asks for that were not issued yet."""
        return sum(_is_open(item.issuance) for item in self.items)

    @property
    def cns(self) -> str:
        """Return the CNs that it names or was given, for people."""
        return ", ".join(str(cn) for item in self.items for cn in (item.cn, item.new_cn) if cn is not None)

    @property
    def urgent(self) -> bool:
        """Tell whether it is shown first: the key of one of its certificates may be in other hands."""
        return any(item.reason is not None and item.reason.urgent for item in self.items)

    @property
    def content_sha256(self) -> str:
        """Return the SHA-256 of what the applicant asked for, which an approval is bound to."""
        content: list[object] = [
            self.kind,
            str(self.institution),
            self.institution_name,
            dataclasses.astuple(self.administrator),
            self.language,
            self.applied_on.isoformat(),
            [
                [str(item.cn or ""), item.reason or "", str(item.revocation_on or ""), str(item.issuance_on or "")]
                for item in self.items
            ],
        ]
        if self.change is not None:
            change = self.change
            content.append([change.reason, dataclasses.astuple(change.successor), str(change.desired_on or "")])
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class KeptFile:
    """The file that an application came in: its SHA-256, and its bytes sealed with that as associated data."""

    sha256: str
    sealed: bytes
    keep_until: int


class Channel(StrEnum):
    """How a form comes where nobody says it in words of their own."""

    ONLINE = "online application"
    COMMAND_LINE = "command line"


@dataclasses.dataclass(frozen=True)
class Receipt:
    """Who filed an application, and how it came."""

    by: Acting
    channel: str
    reference: str | None = None
    file: KeptFile | None = None


@dataclasses.dataclass(frozen=True)
class Filed:
    """An application on record: who did what to it, and where it stands."""

    number: int
    status: Status
    application: Application
    content_sha256: str
    filed_by: str
    examined_by: str | None
    approved_by: str | None
    approved_at: int | None = None

    def examined(self, officer: str) -> "Filed":
        """Return it examined by `officer`. Raises NotAllowed when it is not just received."""
        if self.status is not Status.RECEIVED:
            raise NotAllowed(
                sentence(
                    "Application {number} is {status}; only a received one can be examined.",
                    number=self.number,
                    status=self.status,
                )
            )
        return dataclasses.replace(self, status=Status.EXAMINED, examined_by=officer)

    def approved(self, officer: str, *, four_eyes: bool) -> "Filed":
        """Return it approved by `officer`.

        Raises NotEntitled when the same officer filed or examined it and two are required, and NotAllowed when it was
        not examined or no longer says what was examined.
        """
        if self.status is not Status.EXAMINED:
            raise NotAllowed(
                sentence(
                    "Application {number} is {status}; only an examined one can be approved.",
                    number=self.number,
                    status=self.status,
                )
            )
        if four_eyes and officer in (self.examined_by, self.filed_by):
            raise NotEntitled(
                sentence(
                    "Application {number} must be approved by an officer who neither filed nor examined it.",
                    number=self.number,
                )
            )
        if self.application.content_sha256 != self.content_sha256:
            raise NotAllowed(
                sentence("Application {number} no longer says what was filed; return it.", number=self.number)
            )
        return dataclasses.replace(self, status=Status.APPROVED, approved_by=officer)

    def returned(self) -> "Filed":
        """Return it sent back to the applicant."""
        if self.status not in (Status.RECEIVED, Status.EXAMINED):
            raise NotAllowed(
                sentence(
                    "Application {number} is {status} and can no longer be returned.",
                    number=self.number,
                    status=self.status,
                )
            )
        return dataclasses.replace(self, status=Status.RETURNED)

    def withdrawn(self) -> "Filed":
        """Return it taken back by the applicant; a half that was carried out stays so."""
        if self.status not in OPEN:
            raise NotAllowed(
                sentence(
                    "Application {number} is {status} and can no longer be withdrawn.",
                    number=self.number,
                    status=self.status,
                )
            )
        return dataclasses.replace(self, status=Status.WITHDRAWN)


def status_of_halves(halves: set[Half]) -> Status:
    """Return where an approved application stands.

    - done when every half is done
    - waiting when all that is left waits for its date
    - approved as long as a half is due or failed, for then the schedule is at work on it
    """
    if halves <= {Half.DONE}:
        return Status.DONE
    return Status.WAITING if halves <= {Half.DONE, Half.WAITING} else Status.APPROVED
