"""`warifu renew`: what the schedule runs, and a person may."""

from typing import TYPE_CHECKING

import click

from client.config import Settings
from client.console import Console
from client.errors import ClientError
from client.front import FAILURES, Command, told
from client.language import sentence
from client.options import COMMON_NAME, hook_options, settings_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from client.agent import Outcome, Report
    from client.stores.folder import SeatFolder
    from protocol.names import CommonName


@click.command(cls=Command, help=sentence("Renew the certificates that are due, or one CN; nothing due is no failure."))
@click.argument("common_name", metavar="[CN]", type=COMMON_NAME, required=False)
@click.option("--force", is_flag=True, help=sentence("Do not ask whether it is due; the server may still refuse."))
@click.option("--dry-run", is_flag=True, help=sentence("Only tell what would be done; nothing changes."))
@click.option(
    "--random-delay",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help=sentence("First wait, at most this long and at random, so that PCs part."),
)
@settings_options
@hook_options
def renew(
    console: Console,
    settings: Settings,
    common_name: "CommonName | None",
    hooks: "Mapping[str, str | None]",
    random_delay: float,
    **how: bool,
) -> int:
    import random
    import time

    if random_delay:
        time.sleep(random.uniform(0, random_delay))  # noqa: S311 (no secret)
    folders, report = _foreseen_or_done(console, settings, common_name, hooks, **how)
    failures = [outcome for outcome in report.outcomes.values() if isinstance(outcome, ClientError)]
    if common_name is not None and failures:
        raise failures[0]
    _show(report, folders, console)
    return report.exit_code


def _foreseen_or_done(
    console: Console,
    settings: Settings,
    common_name: "CommonName | None",
    hooks: "Mapping[str, str | None]",
    *,
    force: bool,
    dry_run: bool,
) -> "tuple[list[SeatFolder], Report]":
    """Renew, or tell what would be done; also a run that comes to nothing leaves its line in the log."""
    import asyncio

    from client.agent import Agent
    from client.cli.seats import seats_of, store_of
    from client.hooks import find_hooks

    store = store_of(settings)
    try:
        agent = Agent(settings, console.tell, find_hooks(settings.hooks or settings.home / "hooks", hooks))
        if dry_run:
            folders = seats_of(store, common_name)
            return folders, asyncio.run(agent.foresee(folders, force=force))
        with store.lock():
            folders = seats_of(store, common_name)
            report = asyncio.run(agent.run(folders, force=force))
            output = [f"{ran.stage}/{ran.name}: {line}" for ran in report.hooks for line in ran.output.splitlines()]
            _write_down(settings, report.words(), output)
            return folders, report
    except FAILURES as error:
        failure = told(error)
        if not dry_run:
            _write_down(settings, [failure.type, f"exit={failure.exit_code}"])
        raise


def _write_down(settings: Settings, words: "Sequence[str]", below: "Sequence[str]" = ()) -> None:
    import logging

    from client.journal import write_line

    logging.getLogger(__name__).info("%s", write_line(settings.home, ["renew", *words], below))


def _show(report: "Report", folders: "list[SeatFolder]", console: Console) -> None:
    from client.columns import wrapped
    from client.renewal import NotDue

    documents: list[dict[str, object]] = []
    lines: list[str] = []
    for folder in folders:
        outcome = report.outcomes[folder.path.name]
        document, line = _renewal(folder, outcome, console)
        documents.append(document)
        if not (console.quiet and isinstance(outcome, NotDue)):
            lines += wrapped(line)
    for name in report.removed:
        lines.append(console.say("{name}: its time was over; removed from this PC.", name=name))
    if not folders and not console.quiet:
        lines.append(console.say("There is no certificate on this PC."))
    hooks = [{"stage": each.stage, "name": each.name, "exit_code": each.code} for each in report.hooks]
    console.result({"certificates": documents, "removed": report.removed, "hooks": hooks}, lines)


def _renewal(folder: "SeatFolder", outcome: "Outcome", console: Console) -> tuple[dict[str, object], str]:
    """Return what became of one seat's renewal, as a document and as a line."""
    from client.agent import Renewed
    from client.clock import minute
    from client.console import error_document
    from client.listing import describe
    from client.renewal import Due
    from protocol.members import rfc3339

    cn = folder.path.name
    if isinstance(outcome, ClientError):
        detail = console.detail(outcome)
        return {"cn": cn, "action": "failed", **error_document(outcome, detail)}, f"{cn}: {detail}"
    document = describe(folder, outcome.generation)
    if isinstance(outcome, Renewed):
        until = minute(outcome.generation.certificate().not_valid_after_utc)
        line = console.say("{cn}: renewed; valid to {until}.", cn=cn, until=until)
        return {**document, "action": "renewed"}, line
    if isinstance(outcome, Due):
        return {**document, "action": "due"}, console.say("{cn}: would be renewed now, if the server agrees.", cn=cn)
    due_at = minute(outcome.due_at)
    if outcome.refused:
        refused = sentence("{cn}: the server refused, it is too early; this PC renews it from {due_at} on.")
        line = console.say(refused, cn=cn, due_at=due_at)
    else:
        line = console.say("{cn}: nothing to do before {due_at}.", cn=cn, due_at=due_at)
    return {**document, "action": "nothing", "due_at": rfc3339(outcome.due_at)}, line
