"""Defects among several servers on one database, for `planted`."""

from ca_server.operations import tenure
from ca_server.store import lines
from ca_server.store.nonces import NonceMemory


def remember_apart() -> None:
    """Each server remembers by itself which nonces were redeemed, under the key that all share."""
    redeemed: set[int] = set()

    async def redeem(_: NonceMemory, number: int, key: bytes, now: int) -> bool:
        is_new = number not in redeemed
        redeemed.add(number)
        return is_new

    assert callable(NonceMemory.redeem), "the defect must be planted anew"
    NonceMemory.redeem = redeem  # type: ignore[method-assign]


def lead_for_ever() -> None:
    """Who leads is not followed for an hour, whatever becomes of it."""
    assert tenure.LEASE_SECONDS < 60, "the defect must be planted anew"
    tenure.LEASE_SECONDS = 3600


def commit_here_alone() -> None:
    """A commit is answered before the standby has it."""
    assert "synchronous_commit" not in lines._SETTINGS, "the defect must be planted anew"
    lines._SETTINGS["synchronous_commit"] = "local"
