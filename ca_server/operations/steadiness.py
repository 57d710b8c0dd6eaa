"""Whether the clock can be believed: while it was set back under a running server, nothing is issued.

A certificate made then would be dated before others that exist, and its approval after it. What was signed stays valid,
and CRL, OCSP and mails go on by whatever time it is.
"""

from ca_server.clock import MINUTE, Clock
from ca_server.errors import TryLater
from ca_server.language import sentence


def require_steady(clock: Clock) -> None:
    """Do nothing while the clock goes on as time does. Raises TryLater, which says the way out, while it is behind."""
    behind = clock.set_back()
    if behind:
        raise TryLater(
            MINUTE,
            sentence(
                "The server's clock was set back by {behind} s; no certificate is issued until it is right again. If "
                "it is right now, the operator starts the service anew.",
                behind=behind,
            ),
        )


async def watch(clock: Clock, _: int) -> None:
    """Raise what `require_steady` raises: as a task of the clockwork it is an alarm, also when nobody enrols."""
    require_steady(clock)
