"""Renewal from the day on which it is asked for to its end, over the wire: mails, either way, refusals, the PC."""

import datetime
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import icalendar
import pytest
from cryptography import x509

from ca_server.authority.extensions import subject_key_identifier
from ca_server.clock import MINUTE, TOKYO
from ca_server.notices.mailer import read_maildir
from ca_server.operations import inventory
from protocol import renewal_info
from tests.ca_server.web.caller import Caller, Reply
from tests.ca_server.web.conftest import Opened
from tests.ca_server.web.office import Office

UNAUTHORIZED = (403, "unauthorized")
GONE = (401, "unauthorized")
NEW_PC = {"hostName": "KEIRI-PC99", "os": "Windows 11", "store": "windows", "agent": "warifu/0.2"}


@pytest.fixture
async def office(opened: Opened, tmp_path: Path) -> AsyncIterator[Office]:
    """A running CA with a mailbox of its own."""
    async with opened(mail={"maildir": tmp_path / "mailbox"}) as running:
        yield running


@pytest.fixture
async def leaf(office: Office, holder: Caller) -> x509.Certificate:
    """The certificate of F123456-001, whose mails were read."""
    leaf = await holder.enrol()
    await mails(office)
    return leaf


async def mails(office: Office) -> list[EmailMessage]:
    """Deliver what is due, the password's mails too, and return the mails of renewals that came of it."""
    folder = office.config.mail.maildir
    before = {mail["Message-ID"] for mail in read_maildir(folder)}
    await office.ask_for_renewal()
    for _ in range(2):
        await office.deliver()
        office.clock.pass_by(seconds=office.config.mail.password_delay_seconds)
    fresh = [mail for mail in read_maildir(folder) if mail["Message-ID"] not in before]
    return [mail for mail in fresh if mail["X-Warifu-CN"] == "F123456-001"]


def kinds(found: list[EmailMessage]) -> list[str]:
    return [mail["X-Warifu-Notice"] for mail in found]


def turn(office: Office, leaf: x509.Certificate, *, days: int) -> None:
    """Turn the clock to noon in Japan so many days before the day of the certificate's end."""
    last = leaf.not_valid_after_utc.astimezone(TOKYO).date()
    noon = datetime.datetime.combine(last - datetime.timedelta(days=days), datetime.time(12), TOKYO)
    office.clock.set(int(noon.timestamp()))


async def refused(caller: Caller, **members: object) -> Reply:
    reply = await caller.order(**members)
    assert reply.refusal == UNAUTHORIZED
    return reply


async def test_a_year_without_an_agent_goes_by_mail(office: Office, holder: Caller, leaf: x509.Certificate) -> None:
    turn(office, leaf, days=30)
    assert kinds(await mails(office)) == ["renewal-url", "renewal-password"]
    await office.restart()
    assert await mails(office) == []
    turn(office, leaf, days=14)
    (reminder,) = await mails(office)
    (file,) = reminder.iter_attachments()
    (event,) = icalendar.Calendar.from_ical(file.get_payload(decode=True)).walk("VEVENT")
    assert event.decoded("DTSTART") == leaf.not_valid_after_utc.astimezone(TOKYO).date()
    person = office.caller()
    (await person.bind(office.invitation(), device=NEW_PC)).must(201)
    fresh = await person.enrol()
    assert fresh.subject == leaf.subject
    gone = await holder.order()
    assert gone.refusal == GONE
    assert "administrator" in gone.detail
    assert kinds(await mails(office)) == ["fetched"]
    turn(office, leaf, days=7)
    assert await mails(office) == []


async def test_a_year_with_an_agent_goes_without_a_mail_but_that_of_the_fetch(
    office: Office, holder: Caller, leaf: x509.Certificate
) -> None:
    turn(office, leaf, days=40)
    order = (await holder.order(device=NEW_PC)).must(201).document
    (await holder.finalize(order)).must(200)
    (fetched,) = await mails(office)
    assert "KEIRI-PC99" in fetched.get_content()
    entry = office.look(inventory.of, office.cn(1), office.config.times, office.clock.now())
    assert entry.host_name == "KEIRI-PC99"
    for days in (30, 14, 7, 1, -1):
        turn(office, leaf, days=days)
        assert await mails(office) == []


async def test_an_agent_that_comes_back_after_the_mail_closes_the_mailed_way(
    office: Office, holder: Caller, leaf: x509.Certificate
) -> None:
    turn(office, leaf, days=30)
    await office.ask_for_renewal()
    pair = office.invitation()
    await holder.enrol()
    assert kinds(await mails(office)) == ["fetched"]  # those of the pair had not left yet
    late = await office.caller().bind(pair)
    assert late.document["reason"] == "replaced"


async def test_a_renewal_that_is_too_early_says_from_when_to_programs_too(
    office: Office, holder: Caller, leaf: x509.Certificate
) -> None:
    assert (await refused(holder)).document["reason"] == "tooEarly"


async def test_after_the_grace_every_way_says_which_forms_lead_on(
    office: Office, holder: Caller, leaf: x509.Certificate
) -> None:
    turn(office, leaf, days=30)
    await office.ask_for_renewal()
    pair = office.invitation()
    turn(office, leaf, days=-91)
    for _ in range(2):  # before and after the schedule has seen it
        reply = await refused(holder)
        assert reply.document["reason"] == "lapsed"
        assert "DCM902 or DCM904" in reply.detail
        late = await office.caller().bind(pair)
        assert late.document["reason"] == "expired"
        assert "DCM902 or DCM904" in late.detail
        key_id = subject_key_identifier(office.folder.issuing.public_key).digest
        name = renewal_info.certificate_id(key_id, leaf.serial_number)
        assert (await office.caller().send("GET", f"/acme/renewal-info/{name}")).status == 404
        await office.ask_for_renewal()


async def test_a_device_that_says_nothing_leaves_the_list_as_it_is(
    office: Office, holder: Caller, leaf: x509.Certificate
) -> None:
    turn(office, leaf, days=40)
    (await holder.order(device=NEW_PC)).must(201)
    (await holder.order()).must(201)
    entry = office.look(inventory.of, office.cn(1), office.config.times, office.clock.now())
    assert entry.host_name == "KEIRI-PC99"


async def test_a_device_that_is_none_is_refused(office: Office, holder: Caller) -> None:
    for device in ("PC", {"hostName": 1}, {"hostName": "a" * 201}):
        assert (await holder.order(device=device)).refusal == (400, "malformed")


async def test_the_schedule_of_the_server_asks_each_minute(office: Office) -> None:
    (task,) = [task for task in office.wiring.schedule().tasks if task.run == office.wiring._ask_for_renewal]
    assert (task.every, task.eager) == (MINUTE, False)
