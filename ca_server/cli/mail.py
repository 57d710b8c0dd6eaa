"""`warifu-ca mail`: what the mails of this installation say, before anybody gets one."""

from collections.abc import Iterable, Mapping

import click

from ca_server.cli.front import Group
from ca_server.cli.options import common, now, settings
from ca_server.cli.output import answer, answer_table
from ca_server.clock import DAY
from ca_server.config import Config
from ca_server.domain.attempts import Attempt
from ca_server.domain.reasons import Reason
from ca_server.language import CODES, ENGLISH, JAPANESE, Language, japanese, sentence
from ca_server.notices.messages import NoticeKind, Rendered

# No client takes the halves of the example: EXAMPLE is too short, and the last X is no check character of the others.
_EXAMPLES: Mapping[str, object] = {
    "cn": "F000000-001",
    "cns": "F000000-001, F000000-002",
    "application": 1,
    "password": "-".join(["XXXXX"] * 5),
    "serial": "0123456789abcdef",
    "serials": "0123456789abcdef",
    "host_name": "EXAMPLE-PC",
    "agent": "warifu/0.1",
    "address": "192.0.2.1",
    "seconds_taken": 5,
    "form": "DCM903",
    "days_left": 7,
    "act": "suspended",
    "attempt": Attempt.OTHER_ADDRESS,
    "count": 12,
    "entries": 1234,
    "lines": ("ca.example.jp/audit", "1234", "(EXAMPLE)"),
}
_WORDS: Mapping[str, Mapping[str, object]] = {
    JAPANESE: {
        "institution_name": "見本銀行",
        "administrator": "見本 太郎",
        "caller": "見本 花子",
        "former": "見本 太郎",
        "successor": "見本 花子",
        "return_reason": "（差戻しの理由がここに入ります）",
        "withdrawal_reason": "（取下げの理由がここに入ります）",
    },
    ENGLISH: {
        "institution_name": "Example Bank",
        "administrator": "Taro Example",
        "caller": "Hanako Example",
        "former": "Taro Example",
        "successor": "Hanako Example",
        "return_reason": "(the reason of the return stands here)",
        "withdrawal_reason": "(the reason of the withdrawal stands here)",
    },
}
_JUST_NOW = (
    "acted_at",
    "attempted_at",
    "changed_at",
    "expired_at",
    "fetched_at",
    "listed_at",
    "made_at",
    "published_at",
    "released_at",
    "revoked_at",
    "suspended_at",
)


@click.group(cls=Group)
@common
def mail() -> None:
    """Look at the mails of this installation."""


def _language_option(function: click.decorators.FC) -> click.decorators.FC:
    option = click.option("--language", type=click.Choice(CODES), help="The language of the mail (else yours).")
    return option(function)


@mail.command("list")
@_language_option
@common
def list_kinds(language: str | None) -> None:
    """Show the kinds of mails and their subjects."""
    listed = _examples(NoticeKind, language)
    answer_table(
        [{"kind": each.kind, "subject": each.subject} for each in listed],
        (sentence("Kind"), sentence("Subject")),
        [(str(each.kind), each.subject) for each in listed],
        "",
    )


@mail.command()
@click.argument("kind", type=click.Choice([kind.value for kind in NoticeKind]), metavar="KIND")
@_language_option
@common
def preview(kind: str, language: str | None) -> None:
    """Show a mail as administrators get it, filled with examples.

    `warifu-ca mail list` shows what KIND can be.
    """
    (example,) = _examples([NoticeKind(kind)], language)
    words = [sentence("Subject: {subject}", subject=example.subject), "", example.text]
    answer({"kind": example.kind, "subject": example.subject, "text": example.text}, words)


def _examples(kinds: Iterable[NoticeKind], language: str | None) -> list[Rendered]:
    from ca_server.post_office import messages_of

    config = settings().config()
    code = language or settings().language.code
    messages, facts = messages_of(config), _facts(config, code, now())
    return [messages.render(kind, code, facts) for kind in kinds]


def _facts(config: Config, code: str, today: int) -> dict[str, object]:
    """Return the facts of every kind at once, as plain examples."""
    words = japanese() if code == JAPANESE else Language(ENGLISH, {})
    lost = words.say(Reason.LOST.label)
    return (
        dict(_EXAMPLES)
        | dict(_WORDS[code])
        | dict.fromkeys(_JUST_NOW, today)
        | {
            "url": f"{config.server.public_url}/e/EXAMPLE",
            "expires": today + config.credentials.days * DAY,
            "wrong_passwords": config.credentials.wrong_passwords,
            "reissued": False,
            "ended": False,
            "not_after": today + 7 * DAY,
            "fresh_pair_until": today + config.credentials.fresh_pair_days * DAY,
            "reason": lost,
            "incident": lost,
        }
    )
