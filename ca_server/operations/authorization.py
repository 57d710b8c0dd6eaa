"""Whether a command is let near the records, by the one table of `domain.authorization`; a refusal leaves a mark."""

import dataclasses
from collections.abc import Mapping

from ca_server import store
from ca_server.domain.authorization import Operator, Sort, act_of, who_acts
from ca_server.domain.officers import Acting
from ca_server.errors import NotEntitled, NotFound, Refusal
from ca_server.store import audit, officers


@dataclasses.dataclass(frozen=True)
class Asked:
    """A command by its words, the login that runs it, the officer it names, and what it names besides."""

    command: str
    login: str
    officer_name: str | None = None
    particulars: Mapping[str, str] = dataclasses.field(default_factory=dict)


def admit(connection: store.Connection, asked: Asked, now: int) -> Refusal | None:
    """Do nothing for whoever may run the command, but log a reading.

    Returns NotEntitled or NotFound for anybody else, which is logged: it is raised after the commit.
    """
    subject = f"command:{asked.command}"
    try:
        who = actor(connection, asked)
    except (NotEntitled, NotFound) as refused:
        by = Operator(asked.login).actor
        why, named = str(refused), asked.officer_name
        audit.record(connection, now, by, "refused", subject, result=audit.REFUSED, officer=named, why=why)
        return refused
    if act_of(asked.command).sort is Sort.READING:
        audit.read(connection, now, who.actor, subject, asked.particulars)
    return None


def actor(connection: store.Connection, asked: Asked) -> Acting | Operator:
    """Return who runs the command, by the records of this moment. Raises NotEntitled, NotFound."""
    of_login = [each for each in officers.all_officers(connection) if each.os_user == asked.login]
    named = None if asked.officer_name is None else officers.by_name(connection, asked.officer_name)
    return who_acts(act_of(asked.command), asked.login, of_login, named)


def officer(connection: store.Connection, asked: Asked) -> Acting:
    """Return the officer who decides, looked up in the transaction that does. Raises NotEntitled, NotFound."""
    who = actor(connection, asked)
    assert isinstance(who, Acting)  # noqa: S101 - only decisions ask
    return who
