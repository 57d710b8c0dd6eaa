"""The registered administrator: who may speak for an institution (A7), and how another takes over (M1)."""

import dataclasses

from ca_server import store
from ca_server.domain.administrators import is_same_text
from ca_server.domain.applications import Application, Filed, Kind
from ca_server.errors import NotAllowed
from ca_server.language import Sentence, sentence
from ca_server.notices.messages import NoticeKind
from ca_server.operations import invitation
from ca_server.operations.notice import tell
from ca_server.store import changes, credentials, institutions
from ca_server.store.institutions import Institution


def strange(application: Application, institution: Institution | None) -> dict[str, Sentence]:
    """Return what an application says of the institution that is not what is registered, none for a first one."""
    if institution is None:
        if application.kind is Kind.ISSUANCE:
            return {}
        return {
            "institution": sentence(
                "{institution} is not registered; its first application is a DCM902.",
                institution=application.institution,
            )
        }
    named, registered = application.administrator, institution.administrator
    pairs = {"institution_name": (application.institution_name, institution.name)}
    for field in dataclasses.fields(named):
        pairs[field.name] = (getattr(named, field.name), getattr(registered, field.name))
    return {
        name: sentence("This is not what is registered; correct it, or file an administrator change (DCM905) first.")
        for name, (given, on_record) in pairs.items()
        if not is_same_text(given, on_record)
    }


def change(connection: store.Connection, filed: Filed, terms: invitation.Terms, now: int, actor: str) -> None:
    """Register the administrator whom an approved DCM905 names, and replace what the former one could still use.

    Both addresses are told. Every open pair of the institution is replaced and mailed anew, to the new address alone,
    and what was bound without a certificate, by whatever pair, is of no use any more.
    Raises NotAllowed when the administrator before is not the registered one any more.
    """
    form = filed.application
    institution = institutions.find(connection, form.institution)
    if institution is None or form.change is None or strange(form, institution):
        raise NotAllowed(
            sentence(
                "Application {number} names another administrator than the one registered meanwhile; return it.",
                number=filed.number,
            )
        )
    changes.done(connection, filed.number, institution.administrator.name, now)
    tell(connection, form.institution, NoticeKind.CHANGED, now, application=filed.number)
    institutions.change_administrator(connection, institution, form.change.successor, now, actor, filed.number)
    if not is_same_text(institution.administrator.email, form.change.successor.email):
        tell(connection, form.institution, NoticeKind.CHANGED, now, application=filed.number)
    invitation.end_bindings(connection, str(form.institution), now, actor)
    for credential in credentials.live_of_institution(connection, str(form.institution), now):
        invitation.replace(connection, credential.cn, credential.kind, terms, now, actor)
