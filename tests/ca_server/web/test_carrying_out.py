"""The running server carries out what is due; what it cannot is an alarm four times a minute at most."""

import logging

import pytest

from ca_server.clock import day_in_tokyo
from ca_server.domain.applications import Filed, Receipt
from ca_server.domain.officers import Acting
from ca_server.operations import applications
from ca_server.store import officers
from tests.ca_server.databases import raw
from tests.ca_server.paper import an_issuance
from tests.ca_server.web.office import INSTITUTION_NAME, Office


async def test_what_cannot_be_carried_out_is_tried_again_after_a_quarter_of_a_minute(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    now = office.clock.now()
    form = an_issuance(1, now=now, institution_name=INSTITUTION_NAME, applied_on=str(day_in_tokyo(now)))
    first, second = (Acting(each.id, "test") for each in office.look(officers.all_officers))
    filed = await office.write(applications.file, form, Receipt(first, "test"), now)
    assert isinstance(filed, Filed)
    await office.write(applications.examine, filed.number, first, now)
    await office.write(applications.approve, filed.number, second, now, four_eyes=True)
    with raw(office.config.server.database) as outside:
        outside.execute("UPDATE institution SET last_number = 999")
    outside.close()
    with caplog.at_level(logging.ERROR):
        for seconds in (0, 1, 14, 15):
            await office.wiring._carry_out(now + seconds)
    assert sum("ALARM" in record.message for record in caplog.records) == 2
    (item,) = office.look(applications.show, filed.number).application.items
    assert item.issuance == "failed"
    assert "fewer than 1 numbers left" in str(item.failure)
