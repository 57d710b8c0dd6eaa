"""The charts of `warifu doctor`, path by path, beside what the manual says at the end of each."""

from collections.abc import Iterator

import pytest

from client.doctor import acts
from client.doctor.acts import Act
from client.doctor.charts import FIRST, MAIL, QUESTIONS, WHICH_PC, WRONG_PC, WRONG_PC_HERE, walk

Path = tuple[tuple[str, bool], ...]
STARTS = (MAIL, WHICH_PC, WRONG_PC, WRONG_PC_HERE, FIRST)

# 9.3.1 更新証明書取得用 URL のお知らせが届きません
MAIL_PATHS: dict[str, tuple[Act, str]] = {
    "renewed": (acts.NOTHING, "U2: the mailed pair is void; 9.3.7: both certificates work"),
    "renewed- endsSoon-": (acts.WAIT, "U1: the mails go out 30 days before the end"),
    "renewed- endsSoon renewsItself": (acts.RENEW, "U2: the agent needs no mail; 9.3.5: after the end too"),
    "renewed- endsSoon renewsItself- mailArrived": (acts.ENROLL, "9.2.6: open the URL on the PC that uses it"),
    "renewed- endsSoon renewsItself- mailArrived- addressRight-": (acts.FILE_905, "9.2.1: 管理者変更申請書を提出"),
    "renewed- endsSoon renewsItself- mailArrived- addressRight domainsAllowed-": (
        acts.ALLOW_MAIL,
        "9.2.3: ドメインからのメールが受信できるよう設定",
    ),
    "renewed- endsSoon renewsItself- mailArrived- addressRight domainsAllowed": (
        acts.RESEND,
        "9.2.1, 9.2.2: 問い合わせ窓口、届出のあるアドレスへ再送信",
    ),
}

# 9.3.2 更新対象の証明書が格納されているパソコンがわかりません
WHICH_PC_PATHS: dict[str, tuple[Act, str]] = {
    **{f"onThisPc {path}": end for path, end in MAIL_PATHS.items()},
    "onThisPc- onAnotherPc": (acts.USE_THERE, "M3: the list of PCs; 9.1.3: the CN is seen on the PC"),
    "onThisPc- onAnotherPc- stillNeeded-": (acts.FILE_903, "9.3.4: 使用していない証明書は失効申請書"),
    "onThisPc- onAnotherPc- stillNeeded pcGone": (acts.FILE_904, "9.2.5, 9.3.6: パソコンの変更、削除は失効・新規発行"),
    "onThisPc- onAnotherPc- stillNeeded pcGone-": (acts.REPORT_LOSS, "A9: 紛失・証明書が無くなった is urgent; 9.1.1"),
}

# 9.3.3 誤って別のパソコンで更新証明書の取得操作を行いました
WRONG_PC_PATHS: dict[str, tuple[Act, str]] = {
    "fetchedByUs-": (acts.STOP, "A9: 不正利用の疑い is urgent; 9.1.1"),
    "fetchedByUs rightThere": (acts.USE_THERE, "9.3.7: the old one lasts to its end, the new one is where it is to be"),
    "fetchedByUs rightThere-": (acts.FILE_904, "9.2.4: 失効・新規発行申請書"),
}
WRONG_PC_HERE_PATHS: dict[str, tuple[Act, str]] = {
    "meantHere": (acts.NOTHING, "9.3.7: the new one is where it is to be"),
    "meantHere-": (acts.FILE_904, "9.2.4: 失効・新規発行申請書"),
}

# ours: a PC without a certificate
_MAIL_OF_OTHERS = {path: end for path, end in MAIL_PATHS.items() if "addressRight" in path}
FIRST_PATHS: dict[str, tuple[Act, str]] = {
    "neededHere-": (acts.NOTHING, "nothing is wanted"),
    **{f"neededHere toRenew {path}": end for path, end in MAIL_PATHS.items()},
    "neededHere toRenew- mailed": (acts.ENROLL, "E2"),
    "neededHere toRenew- mailed- appliedFor-": (acts.FILE_902, "9.2.5: 新規発行申請書"),
    **{
        f"neededHere toRenew- mailed- appliedFor addressRight{path.partition('addressRight')[2]}": end
        for path, end in _MAIL_OF_OTHERS.items()
    },
}

ENDS = {
    MAIL: MAIL_PATHS,
    WHICH_PC: WHICH_PC_PATHS,
    WRONG_PC: WRONG_PC_PATHS,
    WRONG_PC_HERE: WRONG_PC_HERE_PATHS,
    FIRST: FIRST_PATHS,
}


def paths(place: str | Act, before: Path = ()) -> Iterator[tuple[Path, Act]]:
    """Return every way through a chart."""
    if isinstance(place, Act):
        yield before, place
        return
    assert place not in dict(before), "a chart must not go in circles"
    yield from paths(QUESTIONS[place].yes, (*before, (place, True)))
    yield from paths(QUESTIONS[place].no, (*before, (place, False)))


def name(path: Path) -> str:
    return " ".join(f"{question}{'' if yes else '-'}" for question, yes in path)


@pytest.mark.parametrize("start", STARTS)
def test_each_path_ends_where_the_manual_sends_it(start: str) -> None:
    assert {name(path): act for path, act in paths(start)} == {path: act for path, (act, _) in ENDS[start].items()}


@pytest.mark.parametrize("start", STARTS)
def test_a_person_who_answers_is_led_along_the_path(start: str) -> None:
    for path, act in paths(start):
        answers = dict(path)
        texts = {QUESTIONS[question].text: yes for question, yes in answers.items()}
        found, trail = walk(start, {}, lambda question, texts=texts: texts[question.text])  # type: ignore[misc]
        assert found == act
        assert [(each.question, each.yes, each.known) for each in trail] == [(*step, False) for step in path]


def test_what_is_known_is_not_asked() -> None:
    known = {"renewed": False, "endsSoon": True, "renewsItself": True}
    act, trail = walk(MAIL, known, None)
    assert act == acts.RENEW
    assert all(each.known for each in trail)


def test_a_chart_stops_where_nobody_can_be_asked() -> None:
    act, trail = walk(MAIL, {"renewed": False, "endsSoon": True, "renewsItself": False}, None)
    assert act is None
    assert len(trail) == 3


def test_no_question_stands_outside_the_charts() -> None:
    asked = {question for start in STARTS for path, _ in paths(start) for question, _ in path}
    assert asked == set(QUESTIONS)
    assert {each.section for each in QUESTIONS.values()} == {"9.3.1", "9.3.2", "9.3.3", ""}
