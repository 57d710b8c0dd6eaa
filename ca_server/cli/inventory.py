"""`warifu-ca inventory`: which CN is on which PC (M3), as a table, a document or a file for Excel."""

from collections.abc import Sequence
from pathlib import Path

import click

from ca_server.cli.front import Command
from ca_server.cli.options import common, not_a_code, now, officer_option, open_records, settings
from ca_server.cli.output import answer
from ca_server.cli.table import draw
from ca_server.clock import day_in_tokyo, moment, rfc3339
from ca_server.domain.inventory import Entry
from ca_server.errors import Invalid
from ca_server.language import sentence
from ca_server.operations import inventory as operations
from protocol.names import BadName, InstitutionCode


@click.command(cls=Command)
@click.option("--institution", metavar="CODE", help="Only the CNs of this institution.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), metavar="FILE", help="Write them to a CSV file.")
@click.option("--xlsx", "xlsx_file", type=click.Path(path_type=Path), metavar="FILE", help="Write them to a workbook.")
@officer_option
@common
def inventory(institution: str | None, csv_file: Path | None, xlsx_file: Path | None) -> None:
    """Show every CN: its PC, its state, its end, and how far its renewal is."""
    if csv_file is not None and xlsx_file is not None:
        raise click.UsageError(sentence("Give --csv or --xlsx, not both."))
    config, code = settings().config(), None if institution is None else code_of(institution)
    entries = open_records(config).read(operations.listed, config.times, now(), code)
    if csv_file is not None:
        from ca_server.forms.inventory import csv_of

        _write(csv_file, csv_of(entries, settings().language), len(entries))
    elif xlsx_file is not None:
        from ca_server.forms.inventory import xlsx_of

        _write(xlsx_file, xlsx_of(entries, settings().language, moment(now())), len(entries))
    else:
        _show(entries)


def code_of(text: str) -> InstitutionCode:
    """Return the institution's code. Raises Invalid for a text that is none."""
    try:
        return InstitutionCode.parse(text)
    except BadName as error:
        raise Invalid({"institution": not_a_code(text)}) from error


def document(entry: Entry) -> dict[str, object]:
    """Return a CN as scripts read it."""
    return {
        "cn": str(entry.cn),
        "institution": str(entry.cn.institution),
        "institution_name": entry.institution_name,
        "label": entry.label,
        "host_name": entry.host_name,
        "state": entry.state,
        "fresh_pair_until": _rfc3339(entry.fresh_pair_until),
        "not_after": _rfc3339(entry.not_after),
        "renewal": entry.renewal,
        "renewal_at": _rfc3339(entry.renewal_at),
    }


def _rfc3339(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)


def day(at: int | None) -> str:
    """Return a moment as a day of Japan, nothing for none."""
    return "" if at is None else str(day_in_tokyo(at))


def _show(entries: Sequence[Entry]) -> None:
    if settings().json or not entries:
        answer([document(each) for each in entries], [sentence("No CN has been assigned.")])
        return
    rows = [
        (
            str(each.cn),
            each.label or "",
            each.host_name or "",
            each.state_words,
            day(each.not_after),
            each.renewal_words,
        )
        for each in entries
    ]
    heads = (
        sentence("CN"),
        sentence("PC label"),
        sentence("Host name seen"),
        sentence("Status"),
        sentence("Valid until"),
        sentence("Renewal"),
    )
    draw(heads, rows, unbroken=(0, 4))


def _write(path: Path, content: bytes, count: int) -> None:
    """Write a file that was not there. Raises Invalid when it was."""
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError as error:
        raise Invalid(
            {"file": sentence("{path} is there already; name another file, or remove it.", path=path)}
        ) from error
    answer({"file": str(path), "count": count}, [sentence("{path} lists {count} CNs.", path=path, count=count)])
