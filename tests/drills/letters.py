"""The letters that a trial's maildir holds, with what `warifu-ca mailbox` does not show: their Message-IDs."""

import collections
import dataclasses
import email
import email.policy
from collections.abc import Iterable
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Letter:
    """A mail as it lies in the maildir."""

    path: Path
    kind: str
    cn: str
    message_id: str
    text: str


def letters(maildir: Path) -> list[Letter]:
    """Return every mail that was delivered, read by the standard library alone."""
    found = []
    folder = maildir / "new"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        body = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
        found.append(Letter(path, mail["X-Warifu-Notice"], str(mail["X-Warifu-CN"]), mail["Message-ID"], body))
    return found


def missing(delivered: Iterable[Letter], kinds: Iterable[str], cns: Iterable[str]) -> list[str]:
    """Return which mails never came."""
    there = {(letter.kind, letter.cn) for letter in delivered}
    return [f"{kind} of {cn}" for cn in cns for kind in kinds if (kind, cn) not in there]


def told_twice(delivered: Iterable[Letter], kinds: Iterable[str]) -> list[str]:
    """Return the mails, one a CN of each of `kinds`, of which there are two that do not show as one by Message-ID."""
    wanted = set(kinds)
    ids = collections.defaultdict(set)
    for letter in delivered:
        if letter.kind in wanted:
            ids[letter.kind, letter.cn].add(letter.message_id)
    return [f"{kind} of {cn}" for (kind, cn), names in ids.items() if len(names) > 1]


def copies(delivered: Iterable[Letter]) -> int:
    """Return how many mails came once more than needed."""
    names = [letter.message_id for letter in delivered]
    return len(names) - len(set(names))
