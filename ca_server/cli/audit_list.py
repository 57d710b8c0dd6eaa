"""`warifu-ca audit list`: entries as people read them."""

from collections.abc import Mapping
from typing import Any

from ca_server.cli.output import answer_table, say
from ca_server.clock import minute_in_tokyo, rfc3339, start_of_day_in_tokyo
from ca_server.domain.timeline import ACTIONS
from ca_server.language import sentence
from ca_server.store import SynchronousDatabase, audit, officers
from ca_server.store.audit import Choice, Row


def show(records: SynchronousDatabase, chosen: Mapping[str, Any]) -> None:
    """Show the entries of a choice, one of the options' values."""
    since, until = (chosen[name] and start_of_day_in_tokyo(chosen[name].date()) for name in ("since", "until"))
    choice = Choice(
        chosen["actor"], chosen["action"], chosen["subject"], chosen["result"] or "", since or 0, until or Choice.until
    )
    rows = records.read(audit.chosen, choice, chosen["most"])
    names = {officer.id: officer.name for officer in records.read(officers.all_officers)}
    answer_table(
        [_document(row, names) for row in rows],
        (sentence("No."), sentence("When (Japan)"), sentence("By"), sentence("What"), sentence("About")),
        [_cells(row, names) for row in rows],
        sentence("No entry is like that."),
    )
    if len(rows) == chosen["most"]:
        say(sentence("These are the newest {count}; --most shows more.", count=len(rows)))


def _document(row: Row, names: Mapping[str, str]) -> dict[str, object]:
    return {**vars(row), "at": rfc3339(row.at), "by": _officer(row.actor, names)}


def _cells(row: Row, names: Mapping[str, str]) -> tuple[str, ...]:
    number = "" if row.place is None else str(row.place)
    when = minute_in_tokyo(row.at)
    what = ACTIONS.get(row.action) or escaped(row.action)
    if row.result == audit.REFUSED and not row.action.endswith(audit.REFUSED):  # which says so itself
        what = sentence("{what}: refused", what=what)
    if row.result == audit.FAILED:
        what = sentence("{what}: failed", what=what)
    return number, when, escaped(_officer(row.actor, names) or row.actor), what, escaped(row.subject)


def _officer(actor: str, names: Mapping[str, str]) -> str | None:
    kind, _, rest = actor.partition(":")
    return names.get(rest.partition("@")[0]) if kind == "officer" else None


def escaped(text: str) -> str:
    """Return a text with what does not print as an escape: nothing in a log moves a terminal's cursor."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)
