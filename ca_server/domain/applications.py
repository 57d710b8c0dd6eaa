"""Applications 申請書: their fields, their states, and the rules that need nothing but the application itself.

    received 受付 → examined → approved 承認 → waiting for its date → done 完了
    received | examined → returned 差戻し · anything not yet carried out → withdrawn

Each certificate named on an application has up to two halves, a revocation and an issuance, each with its own state:
waiting for its date → due → done, or failed, which stays due until it succeeds.
"""

import dataclasses
import datetime
import hashlib
import json
import unicodedata
from enum import StrEnum

from ca_server.errors import Invalid, NotAllowed, NotEntitled
from ca_server.language import sentence
from protocol.names import BadName, CommonName, InstitutionCode
from protocol.vocabulary import RevocationReason

MOST_ISSUED = 100
MOST_REVOKED = 10
_LONGEST_TEXT = 200


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


class Half(StrEnum):
    """Where one half of an item stands."""

    WAITING = "waiting"
    DUE = "due"
    DONE = "done"
    FAILED = "failed"


class Reason(StrEnum):
    """Why a certificate is given up, in the words of the forms."""

    DISPOSED = "disposed"
    BROKEN = "broken"
    UNUSED = "unused"
    REPLACED = "replaced"
    DELETED = "deleted"
    WRONG_PC = "wrong-pc"
    ACCOUNT_CHANGED = "account-changed"
    LOST = "lost"
    STOLEN = "stolen"
    MISSING = "missing"
    MISUSED = "misused"

    @property
    def code(self) -> RevocationReason:
        """Return the reason of RFC 5280 §5.3.1 that it stands for."""
        return _CODES[self]

    @property
    def urgent(self) -> bool:
        """Tell whether the key may be in other hands, so that no date is waited for."""
        return self.code is RevocationReason.keyCompromise


_CODES = {
    Reason.DISPOSED: RevocationReason.cessationOfOperation,
    Reason.BROKEN: RevocationReason.cessationOfOperation,
    Reason.UNUSED: RevocationReason.cessationOfOperation,
    Reason.REPLACED: RevocationReason.superseded,
    Reason.DELETED: RevocationReason.superseded,
    Reason.WRONG_PC: RevocationReason.superseded,
    Reason.ACCOUNT_CHANGED: RevocationReason.superseded,
    Reason.LOST: RevocationReason.keyCompromise,
    Reason.STOLEN: RevocationReason.keyCompromise,
    Reason.MISSING: RevocationReason.keyCompromise,
    Reason.MISUSED: RevocationReason.keyCompromise,
}


@dataclasses.dataclass(frozen=True)
class Administrator:
    """An institution's authorised representative 金融機関管理者, who receives every mail."""

    family_name: str
    given_name: str
    furigana: str
    email: str


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


@dataclasses.dataclass(frozen=True)
class Application:
    """What a form says, parsed; not yet what became of it."""

    kind: Kind
    institution: InstitutionCode
    institution_name: str
    administrator: Administrator
    language: str
    applied_on: datetime.date
    items: tuple[Item, ...]

    @property
    def urgent(self) -> bool:
        """Tell whether it is shown first and carried out on approval whatever the date says."""
        return any(item.reason is not None and item.reason.urgent for item in self.items)

    @property
    def content_sha256(self) -> str:
        """Return the SHA-256 of what the applicant asked for, which an approval is bound to."""
        content = [
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
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


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

    def examined(self, officer: str) -> "Filed":
        """Return it examined by `officer`, who cannot be the one who filed it under the rule of four eyes."""
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


def status_of_items(items: tuple[Item, ...]) -> Status:
    """Return where an approved application stands.

    - done when every half is done
    - waiting when all that is left waits for its date
    - approved as long as a half is due or failed, for then the schedule is at work on it
    """
    halves = {half for item in items for half in (item.revocation, item.issuance) if half is not None}
    if halves <= {Half.DONE}:
        return Status.DONE
    return Status.WAITING if halves <= {Half.DONE, Half.WAITING} else Status.APPROVED


def issuance(
    institution: str,
    institution_name: str,
    administrator: Administrator,
    count: int,
    *,
    language: str,
    today: datetime.date,
) -> Application:
    """Read a DCM902 証明書新規発行申請書 of today for `count` certificates.

    Raises Invalid naming every field that is wrong.
    """
    fields = _wrong_administrator(institution_name, administrator)
    if not 1 <= count <= MOST_ISSUED:
        fields["count"] = sentence("Ask for 1 to {most} certificates.", most=MOST_ISSUED)
    if language not in ("ja", "en"):
        fields["language"] = sentence("Choose ja or en.")
    code = _institution(institution, fields)
    if fields or code is None:
        raise Invalid(fields)
    items = tuple(Item(issuance=Half.WAITING) for _ in range(count))
    return Application(Kind.ISSUANCE, code, _text(institution_name), _trimmed(administrator), language, today, items)


def revocation(
    institution: str,
    cns: tuple[str, ...],
    reason: str,
    registered: tuple[str, Administrator, str],
    today: datetime.date,
) -> Application:
    """Read a DCM903 証明書失効申請書 of today, for the `registered` (name, administrator, language).

    Raises Invalid naming every field that is wrong.
    """
    fields: dict[str, str] = {}
    code = _institution(institution, fields)
    names = tuple(name for name in (_own_cn(text, code, fields) for text in cns) if name is not None)
    if not 1 <= len(cns) <= MOST_REVOKED:
        fields["cn"] = sentence("Name 1 to {most} certificates.", most=MOST_REVOKED)
    elif len(set(names)) < len(names):
        fields["cn"] = sentence("Name each certificate once.")
    why = next((known for known in Reason if known == reason), None)
    if why is None:
        fields["reason"] = sentence("Choose one of {choices}.", choices=", ".join(Reason))
    if fields or code is None:
        raise Invalid(fields)
    items = tuple(Item(cn=name, reason=why, revocation=Half.WAITING) for name in names)
    return Application(Kind.REVOCATION, code, registered[0], registered[1], registered[2], today, items)


def _institution(text: str, fields: dict[str, str]) -> InstitutionCode | None:
    try:
        return InstitutionCode.parse(text)
    except BadName:
        fields["institution"] = sentence("Give the institution's code: F and six digits, such as F123456.")
        return None


def _own_cn(text: str, code: InstitutionCode | None, fields: dict[str, str]) -> CommonName | None:
    try:
        name = CommonName.parse(text)
    except BadName:
        fields["cn"] = sentence("{text!r} is no CN; give one such as F123456-001.", text=text)
        return None
    if code is not None and name.institution != code:
        fields["cn"] = sentence(
            "{name} does not belong to {code}; an institution can only name its own.", name=name, code=code
        )
    return name


def _wrong_administrator(institution_name: str, administrator: Administrator) -> dict[str, str]:
    texts = {"institution_name": institution_name, **dataclasses.asdict(administrator)}
    fields: dict[str, str] = {}
    for name, text in texts.items():
        trimmed = _text(text)
        if not trimmed or len(trimmed) > _LONGEST_TEXT or not trimmed.isprintable():
            fields[name] = sentence("Give 1 to {most} printable characters.", most=_LONGEST_TEXT)
    return fields


def _trimmed(administrator: Administrator) -> Administrator:
    return Administrator(
        _text(administrator.family_name),
        _text(administrator.given_name),
        _text(administrator.furigana),
        unicodedata.normalize("NFKC", administrator.email).strip(),
    )


def _text(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
