"""The timeline of a CN: everything that happened to it in one order, and the ledger of each pair of URL and password.

What happened is named by the word of the audit log, or by one of ours for what stands elsewhere in the records; the
table says each in words. What was recorded in one second is shown in the order of the table, in which it follows.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Final

from ca_server.domain.credentials import CredentialKind, CredentialStatus
from ca_server.language import Sentence, sentence

ACTIONS: Final[Mapping[str, Sentence]] = {
    "application received": sentence("application received"),
    "application examined": sentence("application examined"),
    "approval refused": sentence("approval by the same officer refused"),
    "called back": sentence("administrator called back"),
    "application approved": sentence("application approved"),
    "application returned": sentence("application returned"),
    "carrying out failed": sentence("could not be carried out; it is tried again"),
    "account contacts changed": sentence("account contacts changed"),
    "application withdrawn": sentence("application withdrawn"),
    "seat approved": sentence("CN assigned"),
    "PC labelled": sentence("PC label written"),
    "call: suspended": sentence("suspension on a call"),
    "held on a form": sentence("suspension on a returned form"),
    "call: revoked": sentence("revocation on a call"),
    "seat suspended": sentence("CN suspended"),
    "seat released": sentence("CN released"),
    "seat revoked": sentence("CN revoked"),
    "seat lapsed": sentence("time to renew over"),
    "certificates revoked": sentence("certificates revoked"),
    "already revoked": sentence("form came after the revocation"),
    "help desk refused": sentence("help desk refused a caller"),
    "credential replaced": sentence("pair withdrawn"),
    "credential made": sentence("pair made"),
    "application waiting": sentence("application waits for its date"),
    "application done": sentence("application carried out"),
    "wrong password": sentence("wrong password"),
    "credential locked": sentence("URL locked by wrong passwords"),
    "credential unlocked": sentence("URL unlocked"),
    "account bound": sentence("PC bound"),
    "account key changed": sentence("account key changed"),
    "PC described": sentence("PC told its name anew"),
    "certificate planned": sentence("certificate about to be made"),
    "certificate issued": sentence("certificate fetched"),
    "certificate stored": sentence("certificate kept that had been revoked"),
    "certificate renewed": sentence("certificate renewed"),
    "certificate aborted": sentence("certificate could not be made"),
    "credential used": sentence("pair used"),
    "credential expired": sentence("pair expired"),
    "account revoked": sentence("PC's account ended"),
    "account deactivated": sentence("PC gave its account up"),
    "revocation published": sentence("revocation published (OCSP, CRL)"),
    "mail queued": sentence("mail made"),
    "half resent": sentence("mail made again"),
    "mail sent": sentence("mail taken by the mail server"),
    "mail dead": sentence("mail refused by the mail server"),
    "mail void": sentence("mail void: its pair had ended"),
    "mail deferred": sentence("next try of a mail"),
    "application due again": sentence("application due again"),
    "application refused": sentence("form refused"),
    "application files erased": sentence("files of applications erased"),
    "administrator changed": sentence("administrator changed"),
    "institution registered": sentence("institution registered"),
    "inventory requested": sentence("list of PCs requested"),
    "decision signed": sentence("decision signed"),
    "signature refused": sentence("signature refused"),
    "officer added": sentence("officer added"),
    "officer disabled": sentence("officer disabled"),
    "officer refused": sentence("officer refused"),
    "officer key registered": sentence("officer's key registered"),
    "officer key withdrawn": sentence("officer's key withdrawn"),
    "read": sentence("records read"),
    "refused": sentence("refused"),
    "CRL published": sentence("CRL published"),
    "OCSP signer made": sentence("OCSP signer made"),
    "root CRL signed": sentence("root's CRL signed"),
    "issuing CA made": sentence("issuing CA made"),
    "issuing CA takes over": sentence("issuing CA takes over"),
    "checkpoint key made": sentence("checkpoints' key made"),
    "lease taken": sentence("a server took the lead"),
    "backup made": sentence("backup made"),
    "records copied": sentence("records copied"),
    "records restored": sentence("records restored"),
    "lost certificate revoked": sentence("lost certificate revoked"),
    "personal fields erased": sentence("personal fields erased"),
}
_ORDER: Final = {action: place for place, action in enumerate(ACTIONS)}


@dataclasses.dataclass(frozen=True)
class Event:
    """One thing that happened: when, what, who did it, and its particulars, none of which is ever a secret."""

    at: int
    action: str
    actor: str
    """As the audit log names it: `officer:…`, `account:…` (the PC), `credential:…` (who held the URL), `schedule`."""
    detail: Mapping[str, object]
    credential: str | None = None
    """The id of the pair that it belongs to."""
    by: str | None = None
    """The officer's name, where it was one."""

    @property
    def words(self) -> str:
        """Return what happened in words; an action that the table lacks stays as it is."""
        return ACTIONS.get(self.action, self.action)


@dataclasses.dataclass(frozen=True)
class PairLedger:
    """One pair and everything that happened to it."""

    id: str
    kind: CredentialKind
    status: CredentialStatus
    made_at: int
    expires_at: int
    events: tuple[Event, ...]


def in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return events by time; those of one second in the order of the table, unknown ones last, tries by their count."""

    def key(event: Event) -> tuple[int, int, int]:
        failures = event.detail.get("failures")
        return event.at, _ORDER.get(event.action, len(_ORDER)), failures if isinstance(failures, int) else 0

    return tuple(sorted(events, key=key))
