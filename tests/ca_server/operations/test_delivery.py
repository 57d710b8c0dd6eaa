"""Delivering mail: what a mail server's moods do to the outbox, second by second, on a clock of the test's own."""

import dataclasses
from collections.abc import AsyncIterator, Callable
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from ca_server.clock import DAY
from ca_server.config import Operator
from ca_server.domain.administrators import Administrator
from ca_server.notices.mailer import Accepted, Deferred, Outage, Rejected
from ca_server.notices.messages import Messages, Sender
from ca_server.operations import delivery
from ca_server.operations.delivery import PostOffice, deliver
from ca_server.operations.letters import Letters
from ca_server.store import Database, SynchronousDatabase, institutions, outbox, tables
from ca_server.store.institutions import Institution
from ca_server.store.outbox import Mail
from ca_server.whereabouts import Whereabouts
from keys.sealing import Sealer
from protocol.names import InstitutionCode
from tests.ca_server.databases import fresh, raw

NOON = 1_795_402_800
STALL_SECONDS = 20

YAMADA = "yamada@midori.example"
AWAY = Outage("no connection could be made.")
LATER = Deferred("The mail server answered 451 to the addressee.")
NOBODY = Rejected("The mail server answered 550 5.1.1 to the addressee.")
Outcome = Accepted | Deferred | Rejected


@dataclasses.dataclass
class Place:
    """A post office, the records it works on, the mail server that it meets, and the clock of all three."""

    database: Database
    where: Whereabouts
    now: int = NOON
    answer: Callable[[str], Outcome] = lambda _: Accepted()
    stalls: bool = False
    heard: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    """When a mail was tried, in seconds since noon, and which."""
    taken: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        operator = Operator("窓口", "03-5555-0100", "desk@ca.example.jp", "平日", ("ca.example.jp",))
        messages = Messages(Sender("割符試験認証局", "notice@ca.example.jp"), operator)
        self.office = PostOffice(self, messages, Letters(Sealer([b"s" * 32]), "https://ca.example/e/", 10, 180))

    async def deliver(self, mail: Message) -> Outcome:
        """Be the mail server."""
        name = str(mail["Message-ID"]).strip("<>").partition("@")[0]
        self.heard.append((self.now - NOON, name))
        outcome = self.answer(name)
        if isinstance(outcome, Accepted):
            self.taken.append(name)
        return outcome

    async def post(self, count: int, *, at: int = NOON, **changes: Any) -> list[str]:
        """Put mails into the outbox and return their ids."""
        before = {row["id"] for row in self.rows()}
        mail = dataclasses.replace(Mail("", "attempt", YAMADA, "ja", "F123456", attempt="foreign-cn"), **changes)
        for _ in range(count):
            await self.database.write(outbox.put, mail, at)
        return [row["id"] for row in self.rows() if row["id"] not in before]

    async def pass_by(self, seconds: int) -> None:
        """Let the schedule call each second; a try at a server that stalls takes its time."""
        until = self.now + seconds
        while self.now < until:
            before = len(self.heard)
            await deliver(self.database, self.office, self.now)
            hung = self.stalls and len(self.heard) > before
            self.now += STALL_SECONDS if hung else 1

    def rows(self, status: str | None = None) -> list[dict[str, Any]]:
        """Return the outbox."""
        return [row for row in self._read("outbox") if status in (None, row["status"])]

    def audited(self) -> list[str]:
        """Return what the audit log says of mails."""
        return [row["action"] for row in self._read("audit") if row["action"].startswith("mail ")]

    def _read(self, table: str) -> list[dict[str, Any]]:
        connection = raw(self.where)
        names = tables.metadata.tables[table].columns.keys()
        rows = connection.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY id").fetchall()
        connection.close()
        return [dict(zip(names, row, strict=True)) for row in rows]

    def tries(self) -> list[int]:
        """Return the moments of the tries, in seconds since noon."""
        return [at for at, _ in self.heard]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    where = fresh(tmp_path)
    administrator = Administrator("山田", "太郎", "やまだ たろう", YAMADA)
    institution = Institution(InstitutionCode.parse("F123456"), "みどり銀行", administrator, "ja", 0, NOON)
    records = SynchronousDatabase(where)
    records.write(institutions.register, institution, NOON, "test")
    records.close()
    database = await Database.open(where)
    yield Place(database, where)
    await database.close()


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the alarms by their beginning."""
    return [record.message.partition(";")[0] for record in caplog.records if "ALARM" in record.message]


async def test_mails_leave_sixteen_at_once_and_each_is_recorded(place: Place) -> None:
    posted = await place.post(20)
    await place.pass_by(1)
    assert len(place.taken) == 16
    await place.pass_by(1)
    assert sorted(place.taken) == sorted(posted)
    assert {row["status"] for row in place.rows()} == {"sent"}
    assert place.audited() == ["mail sent"] * 20


async def test_the_try_is_counted_and_kept_from_others_for_its_time_before_the_server_hears_of_it(place: Place) -> None:
    (mail,) = await place.post(1)
    seen: list[dict[str, Any]] = []

    def look(_: str) -> Outcome:
        seen.extend(place.rows())
        return Accepted()

    place.answer = look
    await place.pass_by(1)
    assert (seen[0]["id"], seen[0]["attempts"], seen[0]["status"]) == (mail, 1, "pending")
    assert seen[0]["next_try"] - NOON > delivery.LONGEST_TRY_SECONDS


async def test_a_server_that_is_away_is_asked_every_few_seconds_with_one_mail_and_another_each_time(
    place: Place,
) -> None:
    await place.post(40, at=NOON - 1)
    place.answer = lambda _: AWAY
    await place.pass_by(70)
    assert place.tries() == [0] * 16 + [3, 9, 21, 36, 51, 66]
    assert len({mail for _, mail in place.heard}) == 22


async def test_what_the_server_prevented_does_not_count_as_a_try_of_the_mail(place: Place) -> None:
    await place.post(3)
    place.answer = lambda _: AWAY
    await place.pass_by(60)
    assert [(row["status"], row["attempts"]) for row in place.rows()] == [("pending", 0)] * 3
    assert {row["failure"] for row in place.rows()} == {AWAY.reason}


async def test_the_first_mail_accepted_lets_all_others_follow_at_once(place: Place) -> None:
    await place.post(40)
    place.answer = lambda _: AWAY
    await place.pass_by(60)
    place.answer = lambda _: Accepted()
    await place.pass_by(10)
    assert place.tries()[-40:] == [66] + [67] * 16 + [68] * 16 + [69] * 7
    assert len(place.rows("sent")) == 40


async def test_the_next_outage_begins_with_short_pauses_again(place: Place) -> None:
    await place.post(1)
    place.answer = lambda _: AWAY
    await place.pass_by(60)
    place.answer = lambda _: Accepted()
    await place.pass_by(40)
    await place.post(1)
    place.answer = lambda _: AWAY
    await place.pass_by(10)
    assert place.tries()[-3:] == [100, 103, 109]


async def test_the_server_is_an_alarm_once_when_it_goes_and_once_when_it_is_back(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    await place.post(20)
    place.answer = lambda _: AWAY
    await place.pass_by(100)
    assert alarms(caplog) == ["ALARM: mails do not leave"]
    assert AWAY.reason in caplog.text
    place.answer = lambda _: Accepted()
    await place.pass_by(30)
    assert alarms(caplog) == ["ALARM: mails do not leave", "ALARM over: mails leave again"]


async def test_a_mail_that_is_put_off_by_itself_waits_by_itself(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    (greylisted,) = await place.post(1)
    await place.post(9)
    place.answer = lambda mail: LATER if mail == greylisted else Accepted()
    await place.pass_by(1)
    await place.post(1)
    await place.pass_by(1)
    assert len(place.taken) == 10
    await place.pass_by(13)
    assert place.tries() == [0] * 10 + [1]
    await place.pass_by(1)
    assert place.heard[-1] == (15, greylisted)
    assert place.rows("pending")[0]["attempts"] == 2
    assert alarms(caplog) == []


async def test_a_line_that_drops_for_one_mail_only_while_others_leave_is_about_that_mail(place: Place) -> None:
    (cut,) = await place.post(1)
    place.answer = lambda mail: AWAY if mail == cut else Accepted()
    await place.post(9)
    await place.pass_by(15)
    assert place.tries() == [0] * 10
    assert (place.rows("pending")[0]["attempts"], place.rows("pending")[0]["next_try"]) == (1, NOON + 15)


async def test_a_mail_at_which_the_line_drops_each_time_stops_the_others_and_alarms_once_only(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    (cut,) = await place.post(1)
    place.answer = lambda mail: AWAY if mail == cut else Accepted()
    for _ in range(30):
        await place.pass_by(20)
        await place.post(1, at=place.now)
    assert len(place.taken) >= 28
    assert sum(mail == cut for _, mail in place.heard) <= 20  # in ten minutes
    assert alarms(caplog) == ["ALARM: mails do not leave", "ALARM over: mails leave again"]


async def test_a_server_that_puts_off_every_mail_is_asked_with_few_and_is_an_alarm(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    await place.post(100)
    place.answer = lambda _: LATER
    await place.pass_by(60)
    assert len(place.heard) <= 16 + 6
    assert alarms(caplog) == ["ALARM: mails do not leave"]


async def test_an_administrators_three_mails_that_are_put_off_are_no_alarm_but_a_fourth_is(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    await place.post(3)
    place.answer = lambda _: LATER
    await place.pass_by(300)
    assert len(place.heard) > 10
    assert alarms(caplog) == []
    await place.post(1)
    await place.pass_by(30)
    assert alarms(caplog) == ["ALARM: mails do not leave"]


async def test_mails_that_were_put_off_before_one_was_accepted_do_not_add_up_to_an_alarm(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        await place.post(3)
        place.answer = lambda _: LATER
        await place.pass_by(10)
        place.answer = lambda _: Accepted()
        await place.pass_by(30)
    assert len(place.taken) == 6
    assert alarms(caplog) == []


async def test_a_no_for_good_is_an_alarm_and_an_audit_entry_and_stops_no_other_mail(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    (refused,) = await place.post(1)
    await place.post(3)
    place.answer = lambda mail: NOBODY if mail == refused else Accepted()
    await place.pass_by(2)
    assert [(row["id"], row["failure"]) for row in place.rows("dead")] == [(refused, NOBODY.reason)]
    assert alarms(caplog) == [f"ALARM: mail {refused} (attempt) cannot be delivered: {NOBODY.reason}"]
    assert sorted(place.audited()) == ["mail dead", *["mail sent"] * 3]


async def test_a_no_for_good_while_the_server_was_away_lets_the_next_mail_ask_at_once(place: Place) -> None:
    refused = sorted(await place.post(3))[:2]  # whose turn comes first
    place.answer = lambda _: AWAY
    await place.pass_by(1)
    place.answer = lambda mail: NOBODY if mail in refused else Accepted()
    await place.pass_by(3)
    assert place.tries() == [0, 0, 0, 3, 3, 3]
    assert {row["id"] for row in place.rows("dead")} == set(refused)
    assert len(place.rows("sent")) == 1


async def test_after_five_days_a_mail_that_is_put_off_is_dead(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    await place.post(1, at=NOON - 5 * DAY - 1)
    place.answer = lambda _: LATER
    await place.pass_by(1)
    assert [row["failure"] for row in place.rows("dead")] == [LATER.reason]
    assert place.audited() == ["mail dead"]
    assert len(alarms(caplog)) == 1


async def test_an_outage_however_long_kills_no_mail(place: Place) -> None:
    await place.post(2, at=NOON - 6 * DAY)
    place.answer = lambda _: AWAY
    await place.pass_by(60)
    assert len(place.rows("pending")) == 2
    place.answer = lambda _: Accepted()
    await place.pass_by(20)
    assert len(place.rows("sent")) == 2


async def test_a_mail_whose_credential_ended_is_void_and_asks_no_server(place: Place) -> None:
    await place.post(1, kind="enrolment-url", cn="F123456-001", credential_id="gone", application=None, attempt=None)
    await place.pass_by(1)
    assert place.heard == []
    assert place.audited() == ["mail void"]


async def test_a_mail_that_cannot_be_made_is_an_alarm_and_stops_no_other(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    await place.post(1, kind="no-such-notice")
    await place.post(1)
    await place.pass_by(60)
    assert len(place.taken) == 1
    assert alarms(caplog) == ["ALARM: a mail could not be delivered"] * 2
    assert place.rows("pending")[0]["attempts"] == 2


@pytest.mark.parametrize("outcome", [AWAY, LATER])
async def test_a_try_that_took_too_long_changes_nothing_once_another_server_tries_the_mail(
    place: Place, outcome: Outcome
) -> None:
    await place.post(2)
    again = NOON + 100

    def steal(_: str) -> Outcome:
        for row in place.rows("pending"):
            if row["attempts"] == 1:
                connection = raw(place.where)
                connection.execute("UPDATE outbox SET attempts = 2, next_try = ? WHERE id = ?", (again, row["id"]))
                connection.commit()
                connection.close()
        return outcome

    place.answer = steal
    await place.pass_by(1)
    assert {(row["attempts"], row["next_try"]) for row in place.rows()} == {(2, again)}


async def test_a_clock_set_back_does_not_prolong_the_pause(place: Place) -> None:
    await place.post(1)
    place.answer = lambda _: AWAY
    await place.pass_by(1)
    place.now = NOON - DAY
    await place.post(1, at=place.now)
    await place.pass_by(1)
    assert len(place.heard) == 2


async def test_a_server_that_stalls_costs_its_patience_and_no_pause_besides(place: Place) -> None:
    await place.post(20)
    place.answer, place.stalls = lambda _: AWAY, True
    await place.pass_by(60)
    assert place.tries() == [0] * 16 + [20, 40]


@pytest.mark.parametrize("lasts", [1, 16, 35, 59, 60, 61, 66, 75, 89, 110])
@pytest.mark.parametrize(("outcome", "stalls"), [(AWAY, False), (AWAY, True), (LATER, False)])
async def test_whatever_the_mood_and_however_long_all_mails_have_left_thirty_seconds_after_the_return(
    place: Place, outcome: Outcome, stalls: bool, lasts: int
) -> None:
    posted = await place.post(18)
    posted += await place.post(6, at=NOON + lasts // 2)
    # a try that hangs when the server returns hangs to its end
    place.answer = lambda _: outcome if place.now < NOON + lasts else Accepted()
    place.stalls = stalls
    await place.pass_by(lasts)
    place.stalls = False
    await place.pass_by(NOON + lasts + 30 - place.now)
    assert place.rows("pending") == []
    assert sorted(place.taken) == sorted(posted)
