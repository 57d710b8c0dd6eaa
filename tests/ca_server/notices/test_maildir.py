"""The maildir for trials, and when a mail is tried again."""

import asyncio
import stat
from collections.abc import Callable
from email.message import Message
from pathlib import Path

import pytest

from ca_server.clock import DAY
from ca_server.notices.mailer import Accepted, Deferred, MaildirMailer, is_hopeless, read_maildir
from tests.ca_server.notices.conftest import NOON, URL

MakeMail = Callable[[str, int], Message]


def files_in(maildir: Path) -> list[Path]:
    return list(maildir.glob("*/*"))


async def test_a_delivered_mail_lies_whole_in_new_readable_by_its_owner_alone(tmp_path: Path, mail: Message) -> None:
    folder = tmp_path / "deep" / "mailbox"
    assert await MaildirMailer(folder).deliver(mail) == Accepted()
    (stored,) = (folder / "new").iterdir()
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert {stat.S_IMODE(each.stat().st_mode) for each in (folder, *folder.iterdir())} == {0o700}
    assert {each.name for each in folder.iterdir()} == {"tmp", "new", "cur"}
    assert list((folder / "tmp").iterdir()) == []


async def test_a_mail_and_its_name_are_synced_before_it_counts_as_accepted(
    tmp_path: Path, mail: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("os.fsync", lambda descriptor: synced.append(Path(f"/dev/fd/{descriptor}").resolve()))
    await MaildirMailer(tmp_path / "mailbox").deliver(mail)
    (stored,) = (tmp_path / "mailbox" / "new").iterdir()
    assert synced == [tmp_path / "mailbox" / "tmp" / stored.name, tmp_path / "mailbox" / "new"]


async def test_mails_of_one_turn_are_all_written_before_the_first_is_synced_and_share_the_folders_sync(
    tmp_path: Path, mail_of: MakeMail, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, int]] = []

    def sync(descriptor: int) -> None:
        path = Path(f"/dev/fd/{descriptor}").resolve()
        synced.append((path.parent.name if path.is_file() else path.name, len(files_in(tmp_path))))

    monkeypatch.setattr("os.fsync", sync)
    mailer = MaildirMailer(tmp_path)
    outcomes = await asyncio.gather(*(mailer.deliver(mail_of(f"{number}", NOON)) for number in range(3)))
    assert outcomes == [Accepted()] * 3
    assert synced == [("tmp", 3), ("tmp", 3), ("tmp", 3), ("new", 3)]
    names = [mail["Message-ID"].partition("@")[0] for mail in read_maildir(tmp_path)]
    assert sorted(names) == ["<0", "<1", "<2"]


async def test_a_mail_is_stored_though_whoever_came_with_it_went_away(tmp_path: Path, mail_of: MakeMail) -> None:
    mailer = MaildirMailer(tmp_path)
    gone, stays = (asyncio.create_task(mailer.deliver(mail_of(name, NOON))) for name in ("gone", "stays"))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == Accepted()
    assert len(read_maildir(tmp_path)) == 2


async def test_a_mail_reads_back_with_its_url_alone_on_a_line(tmp_path: Path, mail: Message) -> None:
    await MaildirMailer(tmp_path).deliver(mail)
    (read,) = read_maildir(tmp_path)
    assert read["Subject"] == "証明書取得用 URL のお知らせ（F123456-001）"
    assert read["Message-ID"] == mail["Message-ID"]
    assert f"\r\n\r\n{URL}\r\n\r\n" in read.get_content()


async def test_mails_are_read_by_date_then_by_arrival(tmp_path: Path, mail_of: MakeMail) -> None:
    for name, date in (("late", NOON + 60), ("early", NOON), ("early-too", NOON), ("first", NOON - 60)):
        await MaildirMailer(tmp_path).deliver(mail_of(name, date))
    names = [mail["Message-ID"].partition("@")[0] for mail in read_maildir(tmp_path)]
    assert names == ["<first", "<early", "<early-too", "<late"]


async def test_a_mail_that_somebody_has_read_is_still_listed_once(tmp_path: Path, mail: Message) -> None:
    await MaildirMailer(tmp_path).deliver(mail)
    (stored,) = (tmp_path / "new").iterdir()
    stored.rename(tmp_path / "cur" / f"{stored.name}:2,S")
    assert len(read_maildir(tmp_path)) == 1


def test_a_maildir_that_is_not_there_yet_holds_nothing(tmp_path: Path) -> None:
    assert read_maildir(tmp_path / "none") == []


async def test_a_disk_that_takes_nothing_defers_and_leaves_nothing_behind(
    tmp_path: Path, mail: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    outcome = await MaildirMailer(tmp_path).deliver(mail)
    assert outcome == Deferred("The maildir cannot be written: No space left on device.")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(("age", "hopeless"), [(0, False), (2 * DAY, False), (5 * DAY, False), (5 * DAY + 1, True)])
def test_a_deferred_mail_is_given_up_after_five_days_and_never_within_two(age: int, hopeless: bool) -> None:
    assert is_hopeless(NOON, NOON + age) is hopeless
