"""Registers officers: two officers are two people, with a name and a login each."""

from ca_server.domain.officers import Officer
from ca_server.errors import Invalid
from ca_server.language import sentence
from ca_server.store import Connection, officers


def register(connection: Connection, fresh: Officer, now: int, actor: str) -> None:
    """Register an officer. Raises Invalid when another has the login, Duplicate when the name is taken."""
    for one in officers.all_officers(connection):
        if fresh.os_user is not None and one.os_user == fresh.os_user and one.disabled_at is None:
            raise Invalid(
                {
                    "os-user": sentence(
                        "Officer {name} has this login; two officers are two people with a login each.", name=one.name
                    )
                }
            )
    officers.add(connection, fresh, now, actor)
