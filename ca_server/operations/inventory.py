"""The inventory パソコンと CN 情報の管理 (M3): as officers list and search it, and as its administrator gets it."""

import unicodedata
from collections.abc import Sequence

from ca_server import store
from ca_server.clock import day_in_tokyo, moment
from ca_server.domain.help_desk import Times
from ca_server.domain.inventory import Entry, entry
from ca_server.errors import NotFound
from ca_server.forms.inventory import xlsx_of
from ca_server.language import choose, sentence
from ca_server.notices.attachment import Attachment
from ca_server.store import applications, institutions, inventory
from protocol.names import BadName, CommonName, InstitutionCode

_ALL = ("F", "G")  # every CN lies between
_XLSX = ("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet")
_LONGEST_NUMBER = 9


def listed(
    connection: store.Connection, times: Times, now: int, institution: InstitutionCode | None = None
) -> list[Entry]:
    """Return the CNs of one institution or of all, by CN. Raises NotFound for an institution not registered."""
    if institution is None:
        return _between(connection, *_ALL, times, now)
    if institutions.find(connection, institution) is None:
        raise NotFound(sentence("{code} is not registered.", code=institution))
    return _between(connection, *_range(institution), times, now)


def of(connection: store.Connection, cn: CommonName, times: Times, now: int) -> Entry:
    """Return what the inventory tells of one CN. Raises NotFound when it was never assigned."""
    of_it = _between(connection, str(cn), str(cn), times, now)
    if not of_it:
        raise NotFound(sentence("There is no certificate {cn}; see `warifu-ca certificate list`.", cn=cn))
    return of_it[0]


def found(connection: store.Connection, text: str, times: Times, now: int) -> list[Entry]:
    """Return the CNs that a caller may mean.

    - the CN itself, or the code of its institution
    - a part of the institution's name, or of its administrator's mail address
    - the number of an application that named it or was given it

    Width, case and white space make no difference.
    """
    wanted = _folded(text)
    codes, cns = _of_institutions(connection, wanted), _of_application(connection, wanted) | _spelt(wanted)
    ranges = [_range(code) for code in codes] + [(str(cn), str(cn)) for cn in cns]
    if not ranges:
        return []
    first, last = min(first for first, _ in ranges), max(last for _, last in ranges)
    entries = _between(connection, first, last, times, now)
    return [each for each in entries if each.cn.institution in codes or each.cn in cns]


def attachment(entries: Sequence[Entry], code: InstitutionCode, language: str, now: int) -> Attachment:
    """Return the list of an institution's CNs as a workbook."""
    content = xlsx_of(entries, choose(language, {}), moment(now))
    return Attachment(f"{code}-certificates-{day_in_tokyo(now)}.xlsx", content, *_XLSX)


def _between(connection: store.Connection, first: str, last: str, times: Times, now: int) -> list[Entry]:
    return [entry(facts, times, now) for facts in inventory.between(connection, first, last)]


def _range(institution: InstitutionCode) -> tuple[str, str]:
    return f"{institution}-000", f"{institution}-999"


def _of_institutions(connection: store.Connection, wanted: str) -> set[InstitutionCode]:
    if not wanted:
        return set()
    return {
        each.code
        for each in institutions.all_institutions(connection)
        if wanted == _folded(str(each.code))
        or wanted in _folded(each.name)
        or wanted in _folded(each.administrator.email)
    }


def _spelt(wanted: str) -> set[CommonName]:
    try:
        return {CommonName.parse(wanted.upper())}
    except BadName:
        return set()


def _of_application(connection: store.Connection, wanted: str) -> set[CommonName]:
    if not wanted.isdecimal() or len(wanted) > _LONGEST_NUMBER:
        return set()
    try:
        form = applications.get(connection, int(wanted)).application
    except NotFound:
        return set()
    return {cn for item in form.items for cn in (item.cn, item.new_cn) if cn is not None}


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()
