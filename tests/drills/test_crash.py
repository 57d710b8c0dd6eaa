"""Kills in small counts, and that they notice the wrong order of writes and a mail that is lost."""

from pathlib import Path

from tests.drills import crash
from tests.drills.figures import missed
from tests.drills.letters import Letter, missing, told_twice


def test_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    assert missed(crash.drill(tmp_path, enrolments=30, kills=3, hurry=True)) == []


def test_kills_show_a_key_that_signs_before_the_plan_is_committed(tmp_path: Path) -> None:
    figures = crash.drill(tmp_path, enrolments=30, kills=3, defect="sign-before-planning", hurry=True)
    assert "crash: signatures unknown to the records" in {figure.what for figure in missed(figures)}


def test_a_mail_that_never_came_and_one_told_twice_are_noticed() -> None:
    first, again, other = (Letter(Path(), "fetched", "F123456-001", name, "") for name in ("<a@b>", "<a@b>", "<c@b>"))
    assert missing([first, again], ["fetched"], ["F123456-001", "F123456-002"]) == ["fetched of F123456-002"]
    assert told_twice([first, again], ["fetched"]) == []
    assert told_twice([first, other], ["fetched"]) == ["fetched of F123456-001"]
