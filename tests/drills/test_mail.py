"""A mail server away in every way, in small counts, and that mails lost, told twice, changed or late are noticed."""

from pathlib import Path

from tests.drills import mail
from tests.drills.figures import missed


def test_a_mail_server_away_in_one_mood_after_the_other_loses_no_mail_and_delays_none(tmp_path: Path) -> None:
    moods = [mood for mood in mail.MOODS if mood != mail.SILENT]  # to hang once is enough here
    assert missed(mail.drill(tmp_path, outages=(moods,), seconds=1, certificates=8, hurry=True)) == []


def test_mails_taken_for_delivered_while_the_server_was_away_are_noticed(tmp_path: Path) -> None:
    figures = mail.drill(
        tmp_path, outages=((mail.DOWN,),), seconds=1, certificates=1, defect="take-for-granted", hurry=True
    )
    assert "mail: lost of 3" in {figure.what for figure in missed(figures)}


def _copy(message_id: str, text: str = "text") -> bytes:
    return (
        f"Message-ID: <{message_id}@b>\r\nX-Warifu-Notice: fetched\r\nX-Warifu-CN: F123456-001\r\n\r\n{text}"
    ).encode()


def test_a_mail_that_never_came_one_under_two_names_and_one_that_changed_are_noticed() -> None:
    rows = [("fetched", "F123456-001")]
    assert missed(mail.compared(rows, [_copy("a"), _copy("a")])) == []
    never, twice, changed = (
        missed(mail.compared(rows, received))
        for received in ([], [_copy("a"), _copy("c")], [_copy("a"), _copy("a", "other")])
    )
    assert [figure.what for figure in never] == ["mail: lost of 1"]
    assert [figure.what for figure in twice] == ["mail: twice, under two Message-IDs"]
    assert [figure.what for figure in changed] == ["mail: copies that differ"]


def test_mails_that_leave_late_and_a_server_that_is_hammered_are_noticed() -> None:
    late, hammered = mail.Outage([mail.DOWN], 60, 30, [], 30.2), mail.Outage([mail.DOWN], 60, 500, [], 1)
    noticed = [figure.what for figure in missed(mail.timed([late, hammered]))]
    assert noticed == ["mail, down: drained", "mail, down: tries"]
