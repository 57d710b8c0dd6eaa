"""Two servers on the same records: what an account did at the one counts at the other."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ca_server.store import accounts
from keys.generate import generate
from tests.ca_server.web.caller import Caller
from tests.ca_server.web.office import Office


@pytest.fixture
async def other(office: Office) -> AsyncIterator[Office]:
    async with Office(office.folder, office.config).open() as opened:
        yield opened


def at(server: Office, caller: Caller) -> Caller:
    """Return the same account at another server."""
    there = server.caller(key=caller.key)
    there.account, there.cn = caller.account, caller.cn
    return there


async def test_the_new_key_is_right_at_once_at_a_server_that_knows_the_old_one(holder: Caller, other: Office) -> None:
    there = at(other, holder)
    (await there.post(there.account or "")).must(200)
    new = generate("P-256")
    (await holder.post("/acme/key-change", holder.key_change(new))).must(200)
    there.key = new
    (await there.post(there.account or "")).must(200)


async def test_the_old_key_is_wrong_at_the_other_server_once_it_has_looked(holder: Caller, other: Office) -> None:
    there = at(other, holder)
    (await there.post(there.account or "")).must(200)
    (await holder.post("/acme/key-change", holder.key_change(generate("P-256")))).must(200)
    await other.wiring._authenticator.look_for_changes()
    assert (await there.post(there.account or "")).refusal == (400, "malformed")


async def test_a_key_that_was_looked_up_before_it_was_changed_is_not_remembered(
    holder: Caller, other: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, authenticator = at(other, holder), other.wiring._authenticator
    database = authenticator._database
    look_up = database.lookup

    async def late(operation: Any, *arguments: Any) -> Any:
        found = await look_up(operation, *arguments)
        if operation is accounts.key:
            monkeypatch.undo()
            (await holder.post("/acme/key-change", holder.key_change(generate("P-256")))).must(200)
            await authenticator.look_for_changes()
        return found

    monkeypatch.setattr(database, "lookup", late)
    await there.post(there.account or "")  # on its way while the key changes
    assert (await there.post(there.account or "")).refusal == (400, "malformed")


async def test_a_wrong_signature_is_refused_whoever_knows_the_key(holder: Caller, other: Office) -> None:
    there = at(other, holder)
    (await there.post(there.account or "")).must(200)
    for _ in range(2):
        assert (await there.post(there.account or "", key=generate("P-256"))).refusal == (400, "malformed")
    (await there.post(there.account or "")).must(200)
