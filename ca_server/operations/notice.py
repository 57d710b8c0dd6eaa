"""Telling an institution's administrator: one row of the outbox, in the transaction of what it reports (L2).

Always the registered administrator, never an address that somebody gives; only a first application, which registers
one when it is approved, is answered at the address that it names.
"""

from typing import TypedDict, Unpack

from ca_server import store
from ca_server.domain.applications import Filed
from ca_server.notices.messages import NoticeKind
from ca_server.store import institutions, outbox
from protocol.names import InstitutionCode


class About(TypedDict, total=False):
    """The ids of what a mail is about."""

    cn: str | None
    application: int | None
    credential_id: str
    serial: str
    revocation_id: str
    call_id: str
    attempt: str


def tell(
    connection: store.Connection,
    code: InstitutionCode,
    kind: NoticeKind,
    now: int,
    not_before: int | None = None,
    **about: Unpack[About],
) -> None:
    """Queue a mail to the registered administrator of an institution; nobody is told where none is registered."""
    institution = institutions.find(connection, code)
    if institution is not None:
        mail = outbox.Mail("", kind, institution.administrator.email, institution.language, str(code), **about)
        outbox.put(connection, mail, now, not_before)


def tell_applicant(connection: store.Connection, filed: Filed, kind: NoticeKind, now: int) -> None:
    """Queue a mail about an application: to the registered administrator, else to the one whom it names."""
    form = filed.application
    if institutions.find(connection, form.institution) is not None:
        tell(connection, form.institution, kind, now, application=filed.number)
        return
    address, code = form.administrator.email, str(form.institution)
    outbox.put(connection, outbox.Mail("", kind, address, form.language, code, application=filed.number), now)
