"""Every command × everybody who may run it: who is let near the records, and what a refusal leaves behind.

The commands are those of the program, and what each is given is made from its own parameters; only who may do what is
said here once more, in other words than in `ca_server.domain.authorization`. A command that is not said here fails.
"""

import dataclasses
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ca_server.cli import cli, options
from ca_server.cli.front import Command
from ca_server.cli.output import DONE, REFUSED, run
from ca_server.config import load
from ca_server.domain.authorization import ACTS, Sort
from ca_server.domain.officers import Officer, Role
from ca_server.store import SynchronousDatabase, officers

OPERATOR = "the operator"
NOW = 1_795_435_200
RA, HELP_DESK, AUDITOR = Role.REGISTRATION, Role.HELP_DESK, Role.AUDITOR


def words(*groups: str) -> set[str]:
    """Return `group one`, `group two` … of each `group one|two`."""
    return {f"{head} {verb}".strip() for head, _, verbs in map(_parted, groups) for verb in verbs.split("|")}


def _parted(group: str) -> tuple[str, str, str]:
    return group.partition(" ") if " " in group else ("", "", group)


RIGHTS: dict[frozenset[str], set[str]] = {
    frozenset({RA}): words(
        "application submit|issue|revoke|examine|approve|return|withdraw|call-back",
        "certificate revoke|suspend|release",
    ),
    frozenset({RA, HELP_DESK}): words("helpdesk resend|unlock|replace|send-inventory", "certificate label"),
    frozenset({RA, HELP_DESK, AUDITOR, OPERATOR}): words(
        "application list|show",
        "certificate list|show",
        "helpdesk find|history",
        "institution list|show",
        "officer list",
        "inventory",
    ),
    frozenset({RA, AUDITOR, OPERATOR}): words("application file"),
    frozenset({AUDITOR, OPERATOR}): words("audit list|verify|prove|export|checkpoint|institution"),
    frozenset({OPERATOR}): words("officer add|disable|key"),
}
"""Who may do what to the records."""
FILES = words("init|serve|responder|mailbox|reconcile|backup|restore|relying-party", "root crl|new-issuer|use-issuer")
FILES |= words("database migrate|copy", "audit new-key")
"""What is the operator's because the files and keys are, whoever else may have a login there."""
FREE = words("demo", "form new", "mail list|preview", "officer new-key")
"""What has no business with the records."""


def leaves(group: click.Group, named: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Return every command of the program with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command, (*named, name))
        else:
            yield " ".join((*named, name)), command


COMMANDS = dict(leaves(cli))
ON_RECORDS = sorted(set(COMMANDS) & set().union(*RIGHTS.values()))


def test_whoever_adds_a_command_says_who_may_run_it() -> None:
    said = [*RIGHTS.values(), FILES, FREE]
    assert sum(map(len, said)) == len(set().union(*said))
    assert set(COMMANDS) == set().union(*said)
    assert set(COMMANDS) == set(ACTS)


def test_what_needs_no_officer_is_the_same_in_the_table() -> None:
    assert {name for name, act in ACTS.items() if act.sort is Sort.OPERATION} == FILES
    assert {name for name, act in ACTS.items() if act.sort is Sort.OPEN} == FREE


@pytest.mark.parametrize("kind", [Command, click.Command, click.Group])
@pytest.mark.parametrize("group", [[], ["officer"]], ids=["alone", "in a group"])
def test_a_command_without_a_row_does_not_run(
    group: list[str], kind: type[click.Command], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = kind("planted", callback=lambda: click.echo("it ran"))
    above = cli.get_command(click.Context(cli), group[0]) if group else cli
    asked = above.get_command
    monkeypatch.setattr(above, "get_command", lambda ctx, name: planted if name == "planted" else asked(ctx, name))
    for more in ([], ["--help"]):
        assert run(cli, [*group, "planted", *more]) == REFUSED
    assert capsys.readouterr().out == ""


def test_a_login_without_a_name_is_known_by_its_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(options, "_LOGIN_NUMBER", tmp_path / "none")
    monkeypatch.setattr("os.getuid", lambda: 3_999_999_999)
    assert options.login() == "3999999999"


@pytest.mark.parametrize(
    ("seen", "known_as"), [("3999999998", "3999999998"), ("4294967295", "3999999999"), ("", "3999999999")]
)
def test_who_logged_in_is_known_through_sudo_and_nobody_else_is(
    seen: str, known_as: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "loginuid").write_text(seen)
    monkeypatch.setattr(options, "_LOGIN_NUMBER", tmp_path / "loginuid")
    monkeypatch.setattr("os.getuid", lambda: 3_999_999_999)
    assert options.login() == known_as


@dataclasses.dataclass(frozen=True)
class Person:
    """Somebody at a login who names an officer or does not, and as whom the rules know them."""

    login: str
    named: str | None
    known_as: str | None


def people() -> Iterator[Person]:
    """Return everybody: each role named or by login, present or gone, and those who are not what they say."""
    yield Person("elsewhere", None, OPERATOR)
    yield Person("elsewhere", "nobody of that name", None)
    for role in Role:
        yield Person("elsewhere", role, role)
        yield Person(f"{role}-login", None, role)
        yield Person(f"{role}-login", f"{role} bound", role)
        yield Person(f"{role}-login", role, None)  # two people of one role, by one login
        yield Person("elsewhere", f"{role} bound", None)
        yield Person("elsewhere", f"{role} gone", None)
        yield Person(f"{role}-left", None, None)
        yield Person(f"{role}-left", role, None)


PEOPLE = list(people())
FEW = [who for who in PEOPLE if who.login == "elsewhere" and (who.named is None or who.known_as)]
"""One of each role, and the operator: enough for a second command of the same rights."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA with an officer of each role who is free, bound to a login, disabled, and disabled with a login."""
    folder = tmp_path_factory.mktemp("rights") / "ca"
    urls = ("--public-url", "https://ca.example:8443", "--http-url", "http://ca.example:8080")
    assert run(cli, ["init", "--directory", str(folder), *urls, "--non-interactive"]) == DONE
    records = SynchronousDatabase(load(folder / "warifu.toml").server.database)
    for role in Role:
        for name, login in ((role, None), (f"{role} bound", f"{role}-login")):
            records.write(officers.add, Officer(name, name, role, login, None), NOW, "login:test")
        for name, login in ((f"{role} gone", None), (f"{role} left", f"{role}-left")):
            gone = Officer(name, name, role, login, None)
            records.write(officers.add, gone, NOW, "login:test")
            records.write(officers.disable, gone, NOW, "login:test")
    records.close()
    return folder / "warifu.toml"


def given(name: str, command: click.Command, folder: Path) -> list[str]:
    """Return what a command must be given, made from its parameters; it names nothing that exists."""
    arguments = list(_MORE.get(name, ()))
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            arguments.append(_value(parameter, folder))
        elif parameter.required:
            arguments += [parameter.opts[-1], _value(parameter, folder)]
    return arguments


_MORE = {"certificate suspend": ("--application", "999"), "officer key": ("--withdraw",)}
"""What a command must be given besides, which its parameters do not say."""


def _value(parameter: click.Parameter, folder: Path) -> str:
    match parameter.type:
        case click.Choice(choices=choices):
            return str(getattr(choices[0], "value", choices[0]))
        case click.Path():
            path = folder / "given"
            if isinstance(parameter, click.Argument):
                path.write_bytes(b"not what was asked for")
            return str(path if isinstance(parameter, click.Argument) else folder / "written")
        case _:
            named = {"cn": "F999999-999", "cns": "F999999-999", "institution": "F999999", "code": "F999999"}
            return "999" if parameter.type is click.INT else named.get(parameter.name or "", "x")


Marks = list[tuple[str, str, str]]


class Till:
    """Runs a command as somebody, and tells what it left in the audit log and whether it changed anything else."""

    def __init__(self, config: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._records = sqlite3.connect(load(config).server.database)
        self._patch, self._capsys, self._config = patch, capsys, config

    def run(self, who: Person, arguments: list[str]) -> tuple[Marks, bool, int]:
        """Return (action, actor, subject) of fresh entries, whether anything else changed, and the exit code."""
        self._patch.setattr(options, "login", lambda: who.login)
        before, seen = self._dump(), self._entries()
        officer = [] if who.named is None else ["--officer", who.named]
        code = run(cli, [*arguments, *officer, "--json", "--config", str(self._config)])
        document = json.loads(self._capsys.readouterr().out.splitlines()[-1])
        self.refused = isinstance(document, dict) and document.get("error", {}).get("type") == "NotEntitled"
        return [entry[1:] for entry in self._entries() if entry not in seen], self._dump() != before, code

    def _entries(self) -> list[tuple[str, str, str, str]]:
        return self._records.execute("SELECT id, action, actor, subject FROM audit ORDER BY rowid").fetchall()

    def _dump(self) -> list[str]:
        return [line for line in self._records.iterdump() if not line.startswith('INSERT INTO "audit"')]


@pytest.fixture
def till(config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Till:
    return Till(config, monkeypatch, capsys)


@pytest.mark.parametrize("name", ON_RECORDS)
def test_a_command_is_run_by_those_whom_the_rules_name_and_by_nobody_else(
    till: Till, name: str, tmp_path: Path
) -> None:
    ((rights, alike),) = ((rights, names) for rights, names in RIGHTS.items() if name in names)
    takes_officer = any("--officer" in parameter.opts for parameter in COMMANDS[name].params)
    wrong = []
    everybody = PEOPLE if name == min(alike) or not takes_officer else FEW
    for who in everybody:
        if who.named is not None and not takes_officer:
            continue
        arguments = [*name.split(), *given(name, COMMANDS[name], tmp_path)]
        marks, changed, code = till.run(who, arguments)
        refusals = [(actor, subject) for action, actor, subject in marks if action == "refused"]
        readings = [(actor, subject) for action, actor, subject in marks if action == "read"]
        if who.known_as in rights:
            by = f"login:{who.login}" if who.known_as == OPERATOR else f"officer:{_officer(who)}@{who.login}"
            fine = not refusals and not till.refused
            is_reading = OPERATOR in rights and len(rights) > 1
            fine = fine and readings == ([(by, f"command:{name}")] if is_reading else [])
        else:
            fine = refusals == [(f"login:{who.login}", f"command:{name}")] and len(marks) == 1
            fine = fine and not changed and code == REFUSED
        if not fine:
            wrong.append((who, marks, changed, code))
    assert wrong == []


def _officer(who: Person) -> str:
    return who.named or f"{who.known_as} bound"
