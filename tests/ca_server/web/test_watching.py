"""The officers' address: numbers move when things happen, and readiness is lost for each thing that it is about."""

from collections.abc import AsyncIterator

import pytest

from ca_server.store import Unavailable
from tests.ca_server.databases import contents, unwritable
from tests.ca_server.web.caller import Caller
from tests.ca_server.web.office import Office
from tests.ca_server.web.watchers import Watchers

ORDER = "route=/acme/new-order"


@pytest.fixture
async def watchers(office: Office) -> AsyncIterator[Watchers]:
    """An office that is watched."""
    async with Watchers(office).open() as watching:
        yield watching


async def test_what_is_answered_issued_and_refused_is_counted(watchers: Watchers, holder: Caller) -> None:
    before = await watchers.scrape()
    await holder.enrol()
    reply = await holder.post("/acme/new-order", b"{}")
    assert reply.status == 400
    after = await watchers.scrape()
    moved = {sample: value - before.get(sample, 0) for sample, value in after.items()}
    assert moved["warifu_certificates_issued_total",] == 1
    assert moved["warifu_http_requests_total", ORDER, "status=201"] == 1
    assert moved["warifu_http_requests_total", ORDER, "status=400"] == 1
    assert moved["warifu_http_request_duration_seconds_count", ORDER] == 2
    assert moved["warifu_refusals_total", "type=malformed"] == 1


async def test_no_label_is_a_path_that_somebody_asked_for(watchers: Watchers, holder: Caller) -> None:
    kid = watchers.office.invitation(2).kid
    for path in (f"/e/{kid}", "/nowhere-at-all", "/acme/order/unknown-order"):
        await watchers.office.public.get(path)
    labels = "\n".join(label for _, *labels in await watchers.scrape() for label in labels)
    assert "route=/e/{kid}" in labels
    assert not any(word in labels for word in (kid, "nowhere", "unknown-order"))


async def test_a_revocation_is_counted_with_the_seconds_until_it_was_visible(watchers: Watchers, owner: Caller) -> None:
    office = watchers.office
    await office.wiring._publish(office.clock.now())
    await office.revoke_seat(1)
    office.clock.pass_by(seconds=7)
    await office.wiring._publish(office.clock.now())
    seen = await watchers.scrape()
    assert seen["warifu_revocation_visible_seconds_count",] == 1
    assert seen["warifu_revocation_visible_seconds_sum",] == 7
    assert seen["warifu_crl_entries", "issuer=issuing-1"] == 1


async def test_mails_that_should_have_left_are_counted_with_their_age(watchers: Watchers) -> None:
    office = watchers.office
    await office.deliver()
    office.clock.pass_by(hours=1)
    assert (await watchers.scrape())["warifu_outbox_waiting",] == 3
    await office.deliver()
    assert (await watchers.scrape())["warifu_outbox_waiting",] == 0
    await office.replace_credential(1)
    await office.renewal_invitation(1)
    office.clock.pass_by(minutes=10)
    seen = await watchers.scrape()
    assert (seen["warifu_outbox_waiting",], seen["warifu_outbox_oldest_seconds",]) == (2, 600)


async def test_an_office_that_works_is_ready_and_says_why_when_its_clockwork_stands(watchers: Watchers) -> None:
    assert await watchers.reasons() == [
        "The records could not be written yet.",
        "There is no CRL of issuing-1 yet.",
        "The schedule has not begun.",
    ]
    await watchers.let_the_clockwork_run()
    assert await watchers.reasons() == []
    watchers.office.clock.pass_by(seconds=31)
    written, schedule = await watchers.reasons()
    assert written.startswith("The records could not be written since ")
    assert schedule.startswith("The schedule stands still since ")


async def test_readiness_is_lost_while_the_records_are_read_only(watchers: Watchers) -> None:
    office, pulse = watchers.office, watchers.office.wiring._pulse
    await watchers.let_the_clockwork_run()
    with unwritable(office.database, office.config.server.database):
        office.clock.pass_by(seconds=30)
        watchers.schedule.turned_at = office.clock.now()
        with pytest.raises(Unavailable):
            await pulse.beat(office.clock.now())
        (reason,) = await watchers.reasons()
        assert reason.startswith("The records could not be written since ")
    await pulse.beat(office.clock.now())
    assert await watchers.reasons() == []


async def test_readiness_is_lost_when_the_crl_or_a_certificate_it_lives_by_ends(watchers: Watchers) -> None:
    office = watchers.office
    await watchers.let_the_clockwork_run()

    async def later(hours: int) -> list[str]:
        office.clock.pass_by(hours=hours)
        watchers.schedule.turned_at = office.clock.now()
        await office.wiring._pulse.beat(office.clock.now())
        return [reason.partition(" ended")[0] for reason in await watchers.reasons()]

    assert await later(23) == []
    assert await later(1) == ["CRL 1 of issuing-1"]
    await office.publish()
    assert await later(0) == []
    await office.publish()
    assert await later(30 * 24) == ["CRL 3 of issuing-1", "The certificate issuing-1 OCSP signer"]


async def test_a_part_that_cannot_be_asked_hides_no_other(watchers: Watchers, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("The database is away.")

    monkeypatch.setattr(watchers.office.database, "read", away)
    seen = await watchers.scrape()
    assert seen["warifu_watch_silent_parts",] == 1
    assert ("warifu_certificates_issued_total",) in seen
    assert "Records cannot be asked: The database is away." in await watchers.reasons()


async def test_watching_changes_nothing(watchers: Watchers) -> None:
    before = contents(watchers.office.config.server.database)
    for path in ("/metrics", "/healthz", "/readyz"):
        await watchers.client.get(path)
        assert (await watchers.client.post(path)).status == 405
    assert contents(watchers.office.config.server.database) == before


async def test_the_clockwork_raises_an_alarm_before_what_it_lives_by_ends(
    watchers: Watchers, caplog: pytest.LogCaptureFixture
) -> None:
    office = watchers.office
    await office.publish()

    async def alarms(*, hours: int = 0, days: int = 0) -> list[str]:
        office.clock.pass_by(hours=hours, days=days)
        caplog.clear()
        await office.wiring._glance(office.clock.now())
        return [each.getMessage().partition(" 20")[0] for each in caplog.records if "ALARM" in each.getMessage()]

    assert await alarms(hours=15) == []
    assert await alarms(hours=2) == ["ALARM: CRL 1 of issuing-1 ends at"]
    await office.publish()
    assert await alarms() == []
    office.clock.pass_by(days=24)
    await office.publish()
    assert await alarms() == ["ALARM: The certificate of issuing-1 OCSP signer ends at"]
