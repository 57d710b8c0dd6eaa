"""What people read over the web, put together from the configuration: enrolment page, repository, documents, forms."""

from pathlib import Path
from typing import Final

from ca_server import store
from ca_server.config import BadConfiguration, Config
from ca_server.forms.stationery import Stationery
from ca_server.language import cause, sentence
from ca_server.operations.audit_log import FOLDER
from ca_server.web import documents
from ca_server.web.audit_log import AuditLog
from ca_server.web.blank_forms import BlankForms
from ca_server.web.documents import BadDocument, Document, DocumentPages
from ca_server.web.enrolment_page import EnrolmentPage
from ca_server.web.look import LANGUAGES, Files, Look, Places
from ca_server.web.repository import Authority, Repository, read_authorities
from ca_server.web.routes import Pages

TEMPLATES: Final = Path(__file__).parent / "documents"
"""The documents with their blanks, of which `init` gives every CA a copy."""

_EXAMINERS: Final = {
    "ja": {True: "互いに異なる二人の担当者", False: "一人の担当者"},
    "en": {True: "two different officers", False: "one officer"},
}


def pages_of(config: Config, database: store.Database) -> Pages:
    """Return the pages. Raises BadConfiguration for a document or a published certificate that cannot be used."""
    look = Look(_places(config), config.operator)
    authorities = _authorities(config)
    return Pages(
        look=look,
        enrolment=EnrolmentPage(look, config.operator.self_test_url),
        repository=Repository(look, _terms(config), authorities, config.server.public_folder, database),
        documents=DocumentPages(look, documents_of(config)),
        forms=BlankForms(stationery_of(config)),
        audit=AuditLog(database, config.server.public_folder / FOLDER / "keys"),
        files=Files(),
    )


def documents_of(config: Config) -> list[Document]:
    """Return those documents that the configuration says are read here. Raises BadConfiguration for a bad one."""
    here = {f"{config.server.public_url}/{name}": name for name in documents.NAMES}
    wanted = [here[url] for url in (config.profile.cps_url, config.operator.privacy_url) if url in here]
    authorities = _authorities(config)
    facts = {language: _facts(config, authorities, language) for language in LANGUAGES}
    try:
        return [
            documents.read(_path(config, f"{name}.{language}.md"), name, language, facts[language])
            for name in wanted
            for language in LANGUAGES
        ]
    except BadDocument as error:
        raise BadConfiguration(error.path, [error.fault]) from error


def stationery_of(config: Config) -> Stationery:
    """Return what the operator puts on the blank forms."""
    return Stationery(
        config.authority.organization,
        config.operator.addressees,
        config.profile.cps_url,
        config.operator.privacy_url,
        config.applications.most_certificates,
    )


def _path(config: Config, name: str) -> Path:
    """Return the operator's document, or the template, which says that it is not in force, where there is none yet."""
    own = config.server.documents_folder / name
    return own if own.exists() else TEMPLATES / name


def _authorities(config: Config) -> list[Authority]:
    folder = config.server.public_folder
    try:
        return read_authorities(folder, config.authority.issuer)
    except (OSError, ValueError) as error:
        name = getattr(error, "filename", None) or "*.cer"
        fault = sentence("{name}, a CA certificate, is missing or damaged: {error}", name=name, error=cause(error))
        raise BadConfiguration(folder, [fault]) from error


def _places(config: Config) -> Places:
    return Places(
        config.authority.organization,
        config.authority.issuer,
        f"{config.server.public_url}/directory",
        config.server.http_url,
        config.profile.cps_url,
        config.mail.sender,
    )


def _terms(config: Config) -> dict[str, object]:
    """Return what the repository says besides what every page does."""
    operator = config.operator
    return {
        "public_url": config.server.public_url,
        "filing": {"ja": operator.filing, "en": operator.filing_en or operator.filing},
        "policy_oid": config.profile.policy_oid,
        "next_issuer": config.next and config.next.issuer,
        "crl_hours": config.authority.crl_hours,
        "ocsp_minutes": config.authority.ocsp_answer_minutes,
    }


def _facts(config: Config, authorities: list[Authority], language: str) -> dict[str, str]:
    """Return what a document may name in braces."""
    operator, server = config.operator, config.server
    root = authorities[0]
    issuing = next(authority for authority in authorities if authority.name == config.authority.issuer)
    facts: dict[str, object] = {
        "organization": config.authority.organization,
        "contact_name": operator.contact_name,
        "telephone": operator.telephone,
        "mail": operator.mail,
        "hours": operator.hours if language == "ja" else operator.hours_en or operator.hours,
        "sender": config.mail.sender,
        "policy_oid": config.profile.policy_oid,
        "repository_url": f"{server.public_url}/",
        "cps_url": config.profile.cps_url,
        "privacy_url": operator.privacy_url or "—",
        "directory_url": f"{server.public_url}/directory",
        "ocsp_url": f"{server.http_url}/ocsp",
        "crl_url": f"{server.http_url}/crl/{issuing.name}.crl",
        "root_crl_url": f"{server.http_url}/crl/{root.name}.crl",
        "root_subject": root.subject,
        "root_key": root.key,
        "issuing_subject": issuing.subject,
        "issuing_key": issuing.key,
        "examiners": _EXAMINERS[language][config.applications.two_officers],
        "validity_days": config.profile.validity_days,
        "crl_hours": config.authority.crl_hours,
        "ocsp_answer_minutes": config.authority.ocsp_answer_minutes,
        "ocsp_signer_days": config.authority.ocsp_signer_days,
        "url_days": config.credentials.days,
        "wrong_passwords": config.credentials.wrong_passwords,
        "fresh_pair_days": config.credentials.fresh_pair_days,
        "renewal_from_days": config.renewal.order_days,
        "renewal_mail_days": config.renewal.mail_days,
        "renewal_grace_days": config.renewal.grace_days,
        "most_certificates": config.applications.most_certificates,
        "hold_days": config.applications.hold_business_days,
        "reminder_days": config.applications.reminder_business_days,
        "change_days": config.applications.change_business_days,
        "retention_days": config.applications.retention_days,
    }
    return {name: str(value) for name, value in facts.items()}
