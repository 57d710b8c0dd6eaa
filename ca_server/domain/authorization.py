"""Who may do what on the command line: one table of every act, and what each demands. What has no row, nobody may do.

Whoever holds the files of an installation can run its commands; roles say which people may decide and read. A login
that is an officer's acts as that officer alone, so that no person has four eyes by typing another name.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Final

from ca_server.domain.officers import Acting, Officer, Role
from ca_server.errors import NotEntitled
from ca_server.language import sentence


class Sort(Enum):
    """What an act demands of whoever does it."""

    OPEN = auto()
    """Nothing: it touches no records."""
    OPERATION = auto()
    """The files and keys of the installation, which are the operator's."""
    APPOINTMENT = auto()
    """Those too, and a login that is no officer's: nobody appoints a second officer to agree with."""
    DECISION = auto()
    """An officer in one of the roles."""
    READING = auto()
    """An officer in one of the roles, or the operator, whose login is no officer's. Each reading is logged."""


@dataclasses.dataclass(frozen=True)
class Act:
    """One row of the table."""

    sort: Sort
    roles: tuple[Role, ...] = ()


@dataclasses.dataclass(frozen=True)
class Operator:
    """The operator, who acts by a login alone."""

    login: str

    @property
    def actor(self) -> str:
        """Return how the audit log names the operator."""
        return f"login:{self.login}"


_OPEN, _OPERATION, _APPOINTMENT = Act(Sort.OPEN), Act(Sort.OPERATION), Act(Sort.APPOINTMENT)
_DECIDES = Act(Sort.DECISION, (Role.REGISTRATION,))
_HELPS = Act(Sort.DECISION, (Role.HELP_DESK, Role.REGISTRATION))
_READS = Act(Sort.READING, (Role.REGISTRATION, Role.HELP_DESK, Role.AUDITOR))
_EXAMINES = Act(Sort.READING, (Role.REGISTRATION, Role.AUDITOR))
_AUDITS = Act(Sort.READING, (Role.AUDITOR,))

ACTS: Final[Mapping[str, Act]] = {
    "init": _OPERATION,
    "serve": _OPERATION,
    "responder": _OPERATION,
    "officer add": _APPOINTMENT,
    "officer disable": _APPOINTMENT,
    "officer key": _APPOINTMENT,
    "officer new-key": _OPEN,
    "officer list": _READS,
    "form new": _OPEN,
    "application submit": _DECIDES,
    "application issue": _DECIDES,
    "application revoke": _DECIDES,
    "application examine": _DECIDES,
    "application approve": _DECIDES,
    "application return": _DECIDES,
    "application withdraw": _DECIDES,
    "application call-back": _DECIDES,
    "application list": _READS,
    "application show": _READS,
    "application file": _EXAMINES,
    "institution list": _READS,
    "institution show": _READS,
    "certificate list": _READS,
    "certificate show": _READS,
    "certificate revoke": _DECIDES,
    "certificate suspend": _DECIDES,
    "certificate release": _DECIDES,
    "certificate label": _HELPS,
    "helpdesk find": _READS,
    "helpdesk history": _READS,
    "helpdesk resend": _HELPS,
    "helpdesk unlock": _HELPS,
    "helpdesk replace": _HELPS,
    "helpdesk send-inventory": _HELPS,
    "inventory": _READS,
    "mailbox": _OPERATION,
    "mail list": _OPEN,
    "mail preview": _OPEN,
    "reconcile": _OPERATION,
    "audit list": _AUDITS,
    "audit verify": _AUDITS,
    "audit prove": _AUDITS,
    "audit export": _AUDITS,
    "audit checkpoint": _AUDITS,
    "audit institution": _AUDITS,
    "audit new-key": _OPERATION,
    "backup": _OPERATION,
    "restore": _OPERATION,
    "root crl": _OPERATION,
    "root new-issuer": _OPERATION,
    "root use-issuer": _OPERATION,
    "relying-party": _OPERATION,
    "database migrate": _OPERATION,
    "database copy": _OPERATION,
    "demo": _OPEN,
}


def act_of(command: str) -> Act:
    """Return the row of a command, named by its words. Raises NotEntitled for one that has none."""
    if command not in ACTS:
        raise NotEntitled(
            sentence(
                "Nobody may run `warifu-ca {command}`: it is not in the table of who may do what.", command=command
            )
        )
    return ACTS[command]


def who_acts(act: Act, login: str, of_login: Sequence[Officer], named: Officer | None) -> Acting | Operator:
    """Return who does an act, of the officers to whom the login belongs or belonged, and the one who is named.

    Raises NotEntitled, with the way out, for whoever may not.
    """
    if act.sort is Sort.OPEN:
        raise NotEntitled(sentence("This command has no business with the records."))
    if act.sort is Sort.OPERATION:
        return Operator(login)
    officer = _officer(login, of_login, named)
    if act.sort is Sort.APPOINTMENT:
        return _appointing(login, officer)
    if officer is None:
        if act.sort is Sort.READING:
            return Operator(login)
        raise NotEntitled(
            sentence(
                "Say who acts by --officer NAME: the login {login} is no officer's (see `warifu-ca officer list`).",
                login=login,
            )
        )
    officer.require(act.roles, login)
    return Acting(officer.id, login)


def _officer(login: str, of_login: Sequence[Officer], named: Officer | None) -> Officer | None:
    """Return the officer whose login it is, else who is named. Raises NotEntitled for a second person's name."""
    own = next((each for each in of_login if each.disabled_at is None), next(iter(of_login), None))
    if own is not None and named is not None and named.id != own.id:
        raise NotEntitled(
            sentence(
                "The login {login} is officer {own}'s, who acts as nobody else; {named} acts from another login.",
                login=login,
                own=own.name,
                named=named.name,
            )
        )
    return own or named


def _appointing(login: str, officer: Officer | None) -> Operator:
    if officer is not None:
        raise NotEntitled(
            sentence(
                "The login {login} is officer {own}'s, and officers appoint nobody; do this from the operator's login.",
                login=login,
                own=officer.name,
            )
        )
    return Operator(login)
