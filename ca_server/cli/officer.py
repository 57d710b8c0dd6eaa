"""`warifu-ca officer`: the registered people who decide, help, or read."""

import click

from ca_server.cli import officer_key
from ca_server.cli.front import Group
from ca_server.cli.options import common, login, now, officer_option, open_records, settings
from ca_server.cli.output import answer, answer_table, warn
from ca_server.domain.approvals import OfficerKey
from ca_server.domain.officers import Officer, Role, require_name
from ca_server.errors import Invalid
from ca_server.ids import new_id
from ca_server.language import Sentence, sentence
from ca_server.officer_keys import OfficerKeys
from ca_server.operations.officers import register
from ca_server.store import Connection, Duplicate, audit, officers


@click.group(cls=Group)
@common
def officer() -> None:
    """Register officers and take their rights."""


for _command in (officer_key.make_key, officer_key.register_key):
    officer.add_command(_command)


def _document(one: Officer, key: OfficerKey | None = None) -> dict[str, object]:
    return {
        "name": one.name,
        "role": one.role,
        "os_user": one.os_user,
        "disabled": one.disabled_at is not None,
        "key_sha256": None if key is None else key.sha256,
    }


@officer.command()
@click.argument("name")
@click.option(
    "--role", type=click.Choice([role.value for role in Role]), required=True, help="What the officer is here for."
)
@click.option("--os-user", help="Only this login may act as the officer.")
@common
def add(name: str, role: str, os_user: str | None) -> None:
    """Register an officer: ra decides, helpdesk helps, auditor reads."""
    records = open_records(settings().config())
    fresh = Officer(new_id(), require_name(name), Role(role), os_user, None)
    try:
        records.write(register, fresh, now(), f"login:{login()}")
    except Invalid:
        records.write(_log_refusal, fresh.name)
        raise
    except Duplicate as error:
        records.write(_log_refusal, fresh.name)
        raise Invalid({"name": _taken(records.read(officers.by_name, name))}) from error
    if os_user is None:
        warn(sentence("{name} has no login, so anybody here can act as {name} (--os-user).", name=name))
    elif not _is_login(os_user):
        warn(
            sentence(
                "{login} is no login of this machine; until it is, nobody acts as {name}.", login=os_user, name=name
            )
        )
    answer(_document(fresh), [sentence("Registered {name} as {role}.", name=fresh.name, role=fresh.role)])


def _is_login(text: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(text)
    except KeyError:
        return False
    return True


def _taken(other: Officer) -> Sentence:
    if other.disabled_at is not None:
        return sentence(
            "{name} is disabled for good, and stays on record for what was decided; choose another name.",
            name=other.name,
        )
    return sentence("An officer {name!r} is registered already (see `warifu-ca officer list`).", name=other.name)


def _log_refusal(connection: Connection, name: str) -> None:
    """Log that one person was about to become two."""
    audit.record(connection, now(), f"login:{login()}", "officer refused", "officer", result=audit.REFUSED, name=name)


@officer.command("list")
@officer_option
@common
def list_officers() -> None:
    """Show every officer."""
    config = settings().config()
    listed = open_records(config).read(officers.all_officers)
    keys = {key.officer: key for key in OfficerKeys(config.applications.officer_keys).all() if key.until is None}
    rows = [
        (
            one.name,
            one.role,
            one.os_user or "",
            f"{keys[one.id].sha256[:16]}…" if one.id in keys else "",
            sentence("disabled") if one.disabled_at else "",
        )
        for one in listed
    ]
    answer_table(
        [_document(one, keys.get(one.id)) for one in listed],
        (sentence("Name"), sentence("Role"), sentence("Login"), sentence("Key"), ""),
        rows,
        sentence("No officer is registered."),
    )


@officer.command()
@click.argument("name")
@common
def disable(name: str) -> None:
    """Take an officer's rights for good; what the officer decided stays on record."""
    config = settings().config()
    records = open_records(config)
    one, at, withdrawn = records.read(officers.by_name, name), now(), False
    try:  # first: the list says whose signatures count
        withdrawn = OfficerKeys(config.applications.officer_keys).withdraw(one.id, at)
    finally:  # by a list that is damaged nothing counts, and nobody goes on acting
        if one.disabled_at is None:
            records.write(officers.disable, one, at, f"login:{login()}")
    if one.disabled_at is not None and not withdrawn:
        raise Invalid({"name": sentence("{name} is disabled already.", name=one.name)})
    answer({"name": one.name, "disabled": True}, [sentence("{name} can no longer act.", name=one.name)])
