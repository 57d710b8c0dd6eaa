"""The registered administrator: who may speak for an institution (A7), and how another takes over (M1)."""

from ca_server import store
from ca_server.domain.administrators import is_same, is_same_text
from ca_server.domain.applications import Application, Filed, Kind
from ca_server.errors import NotAllowed
from ca_server.language import Sentence, sentence
from ca_server.notices.messages import NoticeKind
from ca_server.operations import invitation
from ca_server.operations.notice import tell
from ca_server.store import accounts, changes, credentials, institutions, outbox
from ca_server.store.institutions import Institution


def strange(application: Application, institution: Institution | None) -> dict[str, Sentence]:
    """Return what is wrong with who applies, nothing for a first application.

    One sentence whatever differs, so that nobody learns by trying which part of a guess was right.
    """
    if institution is None:
        if application.kind is Kind.ISSUANCE:
            return {}
        return {
            "institution": sentence(
                "{institution} is not registered; its first application is a DCM902.",
                institution=application.institution,
            )
        }
    if is_same_text(application.institution_name, institution.name) and is_same(
        application.administrator, institution.administrator
    ):
        return {}
    return {
        "administrator": sentence(
            "The name of the institution or its administrator is not as registered. Correct the form; if the "
            "administrator changed, file a DCM905 that names the registered one as the one before."
        )
    }


def register(connection: store.Connection, first: Application, now: int, actor: str) -> None:
    """Register the institution of a first application, with its administrator."""
    fresh = Institution(first.institution, first.institution_name, first.administrator, first.language, 0, now)
    institutions.register(connection, fresh, now, actor)


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
                "Application {number} does not name the institution and its administrator as registered meanwhile "
                "(`warifu-ca institution show {code}`); return it.",
                number=filed.number,
                code=form.institution,
            )
        )
    if form.change.call_back is None and outbox.is_dead(connection, filed.number, NoticeKind.CHANGE_RECEIVED):
        raise NotAllowed(
            sentence(
                "The administrator before could not be told of application {number}; call back first.",
                number=filed.number,
            )
        )
    changes.done(connection, filed.number, institution.administrator.name, now)
    tell(connection, form.institution, NoticeKind.CHANGED, now, application=filed.number)
    institutions.change_administrator(connection, institution, form.change.successor, now, actor, filed.number)
    if not is_same_text(institution.administrator.email, form.change.successor.email):
        tell(connection, form.institution, NoticeKind.CHANGED, now, application=filed.number)
    unused = accounts.unused_of_institution(connection, str(form.institution))
    invitation.end_accounts(connection, unused, now, actor)
    for credential in credentials.live_of_institution(connection, str(form.institution), now):
        invitation.replace(connection, credential.cn, credential.kind, terms, now, actor)
