"""Who applies in the walks, three administrators and one who poses as such, and how they fill their forms in."""

import datetime

from ca_server.domain.administrators import Administrator
from tests.ca_server.operations.bureau import OTHER, OTHER_NAME, TANAKA
from tests.ca_server.operations.model import Paper
from tests.ca_server.paper import INSTITUTION, SUZUKI, YAMADA, successor, who

THIRD = "F777777"
SATO = Administrator("佐藤", "次郎", "さとう じろう", "sato@aoba.example")
KATO = Administrator("加藤", "三郎", "かとう さぶろう", "kato@asahi.example")
MALLORY = Administrator("山田", "太郎", "やまだ たろう", "mallory@evil.example")
PEOPLE = {person.email: person for person in (YAMADA, SUZUKI, TANAKA, SATO, KATO, MALLORY)}
FIRST = {INSTITUTION: YAMADA, OTHER: TANAKA, THIRD: KATO}
NAMES = {INSTITUTION: "みどり銀行", OTHER: OTHER_NAME, THIRD: "あさひ信用組合"}


def sheets(paper: Paper, today: datetime.date) -> list[dict[str, str]]:
    """Return the form as its applicant fills it in."""
    first = who(PEOPLE[paper.administrator], paper.institution, institution_name=NAMES[paper.institution])
    first |= {"applied_on": str(today)}
    if paper.kind == "DCM902":
        return [first | {"count": str(len(paper.lines))}]
    if paper.successor is not None:
        return [first | successor(PEOPLE[paper.successor]) | {"change_on": str(paper.changed_on or "")}]
    lines = [
        {
            "cn": str(line.cn),
            "reason": line.reason,
            "revocation_on": str(line.revoked_on or ""),
            "issuance_on": str(line.issued_on or ""),
        }
        for line in paper.lines
    ]
    return [first | lines[0], *lines[1:]]
