"""Signatures under decisions: put on record in the transaction of the decision, and judged before anything is done."""

import logging

from ca_server import store
from ca_server.domain.applications import Filed, Status
from ca_server.domain.approvals import Act, Signing, Trust
from ca_server.domain.officers import Acting
from ca_server.errors import NotAllowed, NotEntitled, TryLater
from ca_server.language import sentence
from ca_server.store import approvals, audit
from keys.errors import KeysError
from protocol.names import CommonName

log = logging.getLogger(__name__)
_SECONDS_TO_MEND = 60

_DECIDED = {
    Act.EXAMINED: (Status.EXAMINED, Status.APPROVED, Status.WAITING, Status.DONE),
    Act.APPROVED: (Status.APPROVED, Status.WAITING, Status.DONE),
}
"""Where a decision stands that may be signed afterwards."""


def vouch(
    connection: store.Connection, filed: Filed, act: Act, by: Acting, signing: Signing, now: int
) -> NotEntitled | None:
    """Put the officer's signature under a decision on record, if there is one; `filed` names who decided.

    Returns NotEntitled for one that does not count, which is logged. Raises it when one is demanded and none is given,
    or where an approval would stand on an examination that is not signed.
    """
    approval = signing.approval
    if approval is None:
        if signing.demanded:
            raise NotEntitled(
                sentence(
                    "This installation asks for a signature: decide application {number} with --key FILE.",
                    number=filed.number,
                )
            )
        return None
    try:
        if signing.trust is None or (approval.act, approval.officer) != (act, by.id):
            raise NotEntitled(
                sentence("The signature under application {number} is not this decision's.", number=filed.number)
            )
        signing.trust.require_fresh(filed, approval, now)
    except NotEntitled as refused:
        subject = f"application:{filed.number}"
        audit.record(connection, now, by.actor, "signature refused", subject, result=audit.REFUSED, why=str(refused))
        return refused
    approvals.put(connection, filed.number, approval, now, by.actor)
    if act is Act.APPROVED and signing.demanded:
        signing.trust.require(filed, approvals.of(connection, filed.number))
    return None


def signs_afterwards(before: Filed, act: Act, by: Acting, signing: Signing) -> bool:
    """Tell whether an officer signs a decision of their own that stands: made before it had to be signed."""
    decided_by = before.examined_by if act is Act.EXAMINED else before.approved_by
    return signing.approval is not None and decided_by == by.id and before.status in _DECIDED[act]


def require_mandate(connection: store.Connection, trust: Trust, cn: CommonName) -> None:
    """Do nothing for a seat on an application that its officers signed.

    Raises NotAllowed, in words for a PC user, before anything is planned, and TryLater while the operator's list of
    keys cannot be read.
    """
    try:
        trust.require_mandate(approvals.mandate(connection, cn), cn)
    except NotEntitled as refused:
        log.error("ALARM: no certificate for %s: %s", cn, refused)
        raise NotAllowed(
            sentence(
                "The approval of {cn} is not signed, so nothing is issued yet; the help desk can have it signed.", cn=cn
            )
        ) from refused
    except KeysError as damaged:
        log.error("ALARM: no certificate for %s: %s", cn, damaged)
        raise TryLater(_SECONDS_TO_MEND, sentence("The service is out of order; try again in a minute.")) from damaged
