"""Approvals that cannot be made up: what an officer signs, and what a signature must meet to count.

An officer signs JSON in its canonical form (RFC 8785): keys in order, no blanks, UTF-8, whole numbers, texts.

    application     the number
    at              the moment, seconds since 1970 UTC
    content_sha256  the SHA-256 of what the applicant asked for (`Application.content_sha256`), made from what was shown
    context         "warifu approval 1", so that no other signature of the same key is taken for one
    decision        "examined" or "approved"
    installation    the SHA-256 of the root's public key, so that it counts nowhere else
    officer         the id of the officer

The algorithm is the one that `keys.algorithms` ties to the key. Whose keys count is told by a list outside the records,
for whoever can write these could put a key of their own there.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.serialization import load_der_public_key

from ca_server.clock import MINUTE
from ca_server.domain.applications import Filed, Kind
from ca_server.errors import NotEntitled
from ca_server.language import sentence
from keys.algorithms import verify
from keys.errors import KeysError
from protocol.names import CommonName

_CONTEXT = "warifu approval 1"
_LONGEST_WAY = 10 * MINUTE  # from a signature to the records
_HALVES: Final = {Kind.ISSUANCE: (False, True), Kind.REVOCATION: (True, False), Kind.REPLACEMENT: (True, True)}
"""Whether each certificate of a form has a revocation, and an issuance: the hash of its content follows from that."""


class Act(StrEnum):
    """The decisions that lead to certificates and revocations; others stop them, and are recorded alone."""

    EXAMINED = "examined"
    APPROVED = "approved"


@dataclasses.dataclass(frozen=True)
class OfficerKey:
    """A public key of an officer, and from when until when what it signed counts."""

    officer: str
    """The officer's id."""
    name: str
    spki: bytes
    """SubjectPublicKeyInfo, DER."""
    since: int
    until: int | None = None

    @property
    def sha256(self) -> str:
        """Return how the key is known: the SHA-256 of its SubjectPublicKeyInfo."""
        return hashlib.sha256(self.spki).hexdigest()

    def counts_at(self, moment: int) -> bool:
        """Tell whether the key was registered at that moment."""
        return self.since <= moment and (self.until is None or moment < self.until)


@dataclasses.dataclass(frozen=True)
class Approval:
    """An officer's signature under a decision, as the records hold it."""

    act: Act
    officer: str
    at: int
    key_sha256: str
    signature: bytes


@dataclasses.dataclass(frozen=True)
class Mandate:
    """What a seat stands on: the application that it was assigned by, and the signatures under it."""

    filed: Filed
    approvals: tuple[Approval, ...]


def to_be_signed(installation: str, filed: Filed, act: Act, officer: str, at: int) -> bytes:
    """Return the exact bytes that an officer signs; the hash is made anew from what the application says."""
    statement = {
        "application": filed.number,
        "at": at,
        "content_sha256": filed.application.content_sha256,
        "context": _CONTEXT,
        "decision": act.value,
        "installation": installation,
        "officer": officer,
    }
    return json.dumps(statement, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


@dataclasses.dataclass(frozen=True)
class Trust:
    """Whose signatures count in this installation, and how many people must have signed."""

    installation: str
    listed: Callable[[], Sequence[OfficerKey]]
    """Gives the operator's list as it is now."""
    two_officers: bool

    def require_fresh(self, filed: Filed, approval: Approval, now: int) -> None:
        """Do nothing for a signature that may be put on record now.

        Raises NotEntitled for one of another moment, of a key that counts no longer, or that is not of this content.
        """
        if abs(now - approval.at) > _LONGEST_WAY:
            raise NotEntitled(
                sentence(
                    "The signature under application {number} is of another time; see both clocks and sign again.",
                    number=filed.number,
                )
            )
        latest = max(approval.at, now)  # whoever has a key that was withdrawn chooses the moment that is signed
        self._require_signed(filed, approval, (approval.at, latest))

    def require(self, filed: Filed, approvals: Sequence[Approval]) -> None:
        """Do nothing for an application that was examined and approved by signatures.

        - its halves are those of its form, of which the content that was signed does not tell
        - one signature stands under each decision, by the officer whom the records name for it
        - each was made by a key that the operator's list has for that officer, while it was registered
        - two people signed where two are demanded, by their ids and by their keys

        Raises NotEntitled, with the way out.
        """
        _require_halves(filed)
        found = {each.act: each for each in approvals}
        for act, officer in ((Act.EXAMINED, filed.examined_by), (Act.APPROVED, filed.approved_by)):
            approval = found.get(act)
            if approval is None or approval.officer != officer:
                raise _unsigned(filed, act)
            self._require_signed(filed, approval, (approval.at,))
        examined, approved = found[Act.EXAMINED], found[Act.APPROVED]
        alone = examined.officer == approved.officer or examined.key_sha256 == approved.key_sha256
        if self.two_officers and (alone or approved.officer == filed.filed_by):
            raise NotEntitled(
                sentence("Application {number} was signed by one officer in two places.", number=filed.number)
            )

    def require_mandate(self, mandate: Mandate | None, cn: CommonName) -> None:
        """Do nothing for a CN that an application signed by two officers asked for. Raises NotEntitled."""
        if mandate is None:
            raise NotEntitled(sentence("No application asked for {cn}.", cn=cn))
        form = mandate.filed.application
        if form.institution != cn.institution or cn not in {item.new_cn for item in form.items}:
            raise NotEntitled(sentence("Application {number} did not assign {cn}.", number=mandate.filed.number, cn=cn))
        self.require(mandate.filed, mandate.approvals)

    def _require_signed(self, filed: Filed, approval: Approval, moments: Sequence[int]) -> None:
        """Raise NotEntitled unless the signature is the officer's, under this decision on just this content.

        Its key was registered at each of the moments.
        """
        for key in self.listed():
            is_theirs = key.officer == approval.officer and key.sha256 == approval.key_sha256
            if is_theirs and all(map(key.counts_at, moments)):
                signed = to_be_signed(self.installation, filed, approval.act, approval.officer, approval.at)
                if _is_signed(key.spki, approval.signature, signed):
                    return
                raise NotEntitled(
                    sentence(
                        "The signature under application {number} ({act}) is not of what the application says.",
                        number=filed.number,
                        act=approval.act,
                    )
                )
        raise NotEntitled(
            sentence(
                "The signature under application {number} ({act}) is by no key that was registered for its officer "
                "then; `warifu-ca officer key` registers one.",
                number=filed.number,
                act=approval.act,
            )
        )


@dataclasses.dataclass(frozen=True)
class Signing:
    """By what a decision is vouched for: whose signatures count, whether one is demanded, and the one given."""

    trust: Trust | None = None
    demanded: bool = False
    approval: Approval | None = None


RECORDED: Final = Signing()
"""By the records alone."""


def _unsigned(filed: Filed, act: Act) -> NotEntitled:
    return NotEntitled(
        sentence(
            "Application {number} has no signature of the officer who {act} it; that officer signs by "
            "`warifu-ca application`, with --key.",
            number=filed.number,
            act=act,
        )
    )


def _require_halves(filed: Filed) -> None:
    form = filed.application
    asked = {(item.revocation is not None, item.issuance is not None) for item in form.items}
    has_change = (form.change is not None) == (form.kind is Kind.ADMINISTRATOR_CHANGE)
    if not has_change or asked != ({_HALVES[form.kind]} if form.kind in _HALVES else set()):
        raise NotEntitled(
            sentence("Application {number} is to do more than a {kind} asks for.", number=filed.number, kind=form.kind)
        )


@functools.lru_cache(maxsize=4096)
def _is_signed(spki: bytes, signature: bytes, signed: bytes) -> bool:
    """Tell whether a signature verifies: a fact of these bytes, of which an application's certificates all ask."""
    try:
        verify(load_der_public_key(spki), signature, signed)  # type: ignore[arg-type]  # it refuses other kinds
    except (KeysError, ValueError):
        return False
    return True
