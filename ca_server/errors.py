"""What can be refused, in the words of the domain.

Nothing here knows HTTP, ACME or exit codes: `web.problems` turns a Refusal into a problem document and `cli.output`
into an exit code, each in one table.

    Refusal                      a rule says no; the sentence says why and what to do
    ├── NotFound                 there is no such thing, or it is not yours to see
    ├── NotAllowed               the thing's state forbids the move
    │   └── Suspended            nothing is bound, ordered or issued for a CN until an officer releases it
    ├── Invalid                  fields of an application or a command are wrong, all of them named
    ├── NotEntitled              the officer's role, or the four eyes, forbid it
    ├── CredentialRefused        the URL's holder is told which state it is in (protocol.md, Enrolment)
    ├── CredentialUnknown        one text for whatever was sent with a kid that is not ours
    ├── AccountUnknown           no account has this key or number
    ├── AccountUnusable          deactivated or revoked: 401 for ever
    ├── KeyBlocked               the key was reported as compromised
    ├── KeyCertified             the key stands in a certificate
    ├── KeyInUse                 an account has this key already
    ├── IdentifierRejected       not a name of the account's seat
    ├── IdentifierUnsupported    a type of identifier that we do not issue for
    ├── OrderNotReady            finalize of an order in another state
    ├── SigningRequestRefused    the CSR's key or names
    ├── TooEarly                 the renewal window has not opened
    ├── Lapsed                   the grace after the end is over
    ├── AlreadyReplaced          the predecessor has its successor
    ├── AlreadyRevoked           revoked before
    └── RevocationReasonRefused  not one of those a holder may give
    TryLater                     a plan stands in the way for some seconds; `seconds` says how long
"""

from collections.abc import Mapping

from ca_server.language import sentence


class Refusal(Exception):
    """A rule says no; the sentence says why and what to do."""


class NotFound(Refusal):
    """There is no such thing, or it is not the asker's to see."""


class NotAllowed(Refusal):
    """The thing's state forbids the move; the sentence names both states."""


class Suspended(NotAllowed):
    """The CN is suspended: nothing is bound, ordered or issued for it until an officer releases it."""

    def __init__(self, cn: object) -> None:
        super().__init__(sentence("{cn} is suspended; nothing can be issued until an officer releases it.", cn=cn))


class Invalid(Refusal):
    """Fields are wrong; `fields` maps each to its remedy, so that all are mended at once."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {remedy}" for name, remedy in fields.items()))
        self.fields = dict(fields)


class NotEntitled(Refusal):
    """The officer's role, or the rule of four eyes, forbids it."""


class CredentialRefused(Refusal):
    """The one-time URL is known but cannot be used now; `reason` is the word for programs."""

    def __init__(self, reason: str, sentence: str, tries_left: int | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.tries_left = tries_left


class CredentialUnknown(Refusal):
    """The kid is not ours: one text whatever was sent with it, so that guessing learns nothing."""

    def __init__(self) -> None:
        super().__init__(sentence("This one-time URL is not known. Check that it was copied whole from the mail."))


class AccountUnknown(Refusal):
    """No account has this key or number."""


class AccountUnusable(Refusal):
    """The account was deactivated or revoked; it never works again."""


class KeyBlocked(Refusal):
    """The key was reported as compromised; it is of no use for anything."""

    def __init__(self) -> None:
        super().__init__(sentence("This key was reported as compromised; make a new one."))


class KeyCertified(Refusal):
    """The key stands in a certificate, whose key signs for no account (RFC 8555 §11.1)."""

    def __init__(self) -> None:
        super().__init__(sentence("This key stands in a certificate; an account needs a key of its own."))


class KeyInUse(Refusal):
    """Another account has this key; `account_id` tells which."""

    def __init__(self, account_id: str) -> None:
        super().__init__(sentence("Another account has this key."))
        self.account_id = account_id


class IdentifierRejected(Refusal):
    """The name is not one of the account's seat."""


class IdentifierUnsupported(Refusal):
    """Only permanent-identifier and dns name a seat."""


class OrderNotReady(Refusal):
    """The order cannot be finalized in its state."""


class SigningRequestRefused(Refusal):
    """The CSR asks for a key or a name that the seat cannot have."""


class TooEarly(Refusal):
    """The renewal window has not opened; the sentence holds the date on which it does."""


class Lapsed(Refusal):
    """The grace after the certificate's end is over; a new application is needed."""


class AlreadyReplaced(Refusal):
    """The certificate named has its successor."""


class AlreadyRevoked(Refusal):
    """The certificate was revoked before."""


class RevocationReasonRefused(Refusal):
    """A holder may give only some of RFC 5280's reasons."""


class TryLater(Exception):
    """Something stands in the way for a while; asking again after `seconds` may succeed."""

    def __init__(self, seconds: int, sentence: str) -> None:
        super().__init__(sentence)
        self.seconds = seconds
