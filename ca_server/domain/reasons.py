"""The reasons that the forms offer: why a certificate is given up (requirements A10), why an administrator changes."""

from enum import StrEnum

from ca_server.language import Sentence, sentence
from protocol.vocabulary import RevocationReason


class Reason(StrEnum):
    """Why a certificate is given up 失効理由."""

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
    def label(self) -> Sentence:
        """Return the words by which the forms offer it."""
        return _LABELS[self]

    @property
    def code(self) -> RevocationReason:
        """Return the reason of RFC 5280 §5.3.1 that it stands for."""
        return _CODES[self]

    @property
    def urgent(self) -> bool:
        """Tell whether the key may be in other hands, so that no date is waited for."""
        return self.code is RevocationReason.keyCompromise


class ChangeReason(StrEnum):
    """Why an institution's administrator changes 変更理由."""

    TRANSFER = "transfer"
    RETIREMENT = "retirement"
    NAME_OR_ADDRESS = "name-or-address"
    OTHER = "other"

    @property
    def label(self) -> Sentence:
        """Return the words by which the form offers it."""
        return _CHANGE_LABELS[self]


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
_LABELS = {
    Reason.DISPOSED: sentence("PC disposed of"),
    Reason.BROKEN: sentence("PC broken"),
    Reason.UNUSED: sentence("Certificate no longer used"),
    Reason.REPLACED: sentence("PC replaced"),
    Reason.DELETED: sentence("Certificate deleted by mistake"),
    Reason.WRONG_PC: sentence("Fetched on the wrong PC"),
    Reason.ACCOUNT_CHANGED: sentence("Windows login account changed"),
    Reason.LOST: sentence("PC lost (urgent)"),
    Reason.STOLEN: sentence("PC stolen (urgent)"),
    Reason.MISSING: sentence("Certificate missing (urgent)"),
    Reason.MISUSED: sentence("Misuse suspected or found (urgent)"),
}
_CHANGE_LABELS = {
    ChangeReason.TRANSFER: sentence("Transfer to another post"),
    ChangeReason.RETIREMENT: sentence("Retirement"),
    ChangeReason.NAME_OR_ADDRESS: sentence("Change of name or mail address"),
    ChangeReason.OTHER: sentence("Other"),
}
