"""Makes the manual page warifu(1), in roff (man(7)), from the commands themselves, so that it cannot lag behind them.

`python -m client.man_page` writes it in English, `python -m client.man_page ja` in Japanese.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Final

import click

from client.cli import main
from client.columns import atoms
from client.config import NAME
from client.language import Language, choose, sentence

EXIT_CODES: Final = (
    (0, sentence("Done, or nothing to do.")),
    (1, sentence("It failed.")),
    (2, sentence("The command line, a setting or what was typed is wrong; nothing was sent.")),
    (3, sentence("The server is away or busy; the same command may succeed later.")),
    (4, sentence("A rule says no.")),
    (5, sentence("Nothing that this PC can do by itself will help; a person must act.")),
)

ENVIRONMENT: Final = (
    ("WARIFU_HOME", sentence("The folder of the certificates.")),
    ("LC_ALL, LC_MESSAGES, LANG", sentence("The language of the messages, where neither --lang nor the file says it.")),
    ("NO_COLOR", sentence("No colours, whatever it is set to.")),
    ("HTTPS_PROXY, NO_PROXY", sentence("The way to the server, as other programs have it.")),
)

HOOKS: Final = (
    ("WARIFU_STAGE", sentence("pre, deploy or post.")),
    ("WARIFU_HOME", sentence("The folder of the certificates.")),
    ("WARIFU_CN", sentence("Which certificate; pre and post: all that are due, with blanks between.")),
    ("WARIFU_CERTIFICATE, WARIFU_CHAIN", sentence("deploy: the new certificate and its issuers, as files in PEM.")),
    ("WARIFU_KEY", sentence("deploy: the private key's file, or what its token or store knows it by.")),
    ("WARIFU_STORE", sentence("deploy: how the key is held, a word of --store.")),
    ("WARIFU_NOT_AFTER", sentence("deploy: when the new certificate ends (RFC 3339).")),
    ("WARIFU_OUTCOME", sentence("post: renewed, or failed if one did.")),
    ("WARIFU_RENEWED, WARIFU_FAILED", sentence("post: which did, and which did not.")),
)

_ABOUT_HOOKS = sentence(
    "Programs in the folders pre, deploy and post of the hooks folder run around a renewal, by their names. They must "
    "be executable, and nobody else may write them or their folders. Each may run for five minutes; what it says is in "
    "the log. A failed pre stops the run before anything is ordered. They learn from the environment:"
)
_ABOUT_FILES = (
    ("HOME", sentence("Certificates, keys and accounts; `warifu config show` names the folder.")),
    ("HOME/log", sentence("One line for each run of renew and each failure; at a megabyte it makes way to log.1.")),
    ("HOME/hooks", sentence("Programs to run around a renewal.")),
    ("config.toml", sentence("Settings; `warifu config path` names the file. docs/client.md has an example.")),
)


def man_page(language: Language) -> str:
    """Return the page."""
    page = _Page(language)
    return "\n".join(
        [
            f'.TH {NAME.upper()} 1 "" "{NAME}"',
            ".ad l",
            *page.section(sentence("Name")),
            f"{NAME} \\- {page.text(main.help or '')}",
            *page.section(sentence("Synopsis")),
            f".B {NAME}",
            "[OPTIONS] COMMAND [ARGS]...",
            *page.commands(),
            *page.section(sentence("Options of every command")),
            *page.options(list(_common())),
            *page.section(sentence("Exit codes")),
            *page.terms([(str(code), meaning) for code, meaning in EXIT_CODES]),
            *page.section(sentence("Environment")),
            *page.terms(ENVIRONMENT),
            *page.section(sentence("Hooks")),
            page.text(_ABOUT_HOOKS),
            *page.terms(HOOKS),
            *page.section(sentence("Files")),
            *page.terms(_ABOUT_FILES),
            "",
        ]
    )


class _Page:
    """Writes parts of a page in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def section(self, title: str) -> list[str]:
        return [f'.SH "{self.text(title).upper()}"']

    def text(self, text: str) -> str:
        return _escaped(self._language.say(text))

    def terms(self, terms: Sequence[tuple[str, str]]) -> list[str]:
        return [line for term, meaning in terms for line in (".TP", f".B {_escaped(term)}", self.text(meaning))]

    def options(self, options: Sequence[click.Option]) -> list[str]:
        context = click.Context(main)
        records = [(each.get_help_record(context), each.help) for each in options]
        return self.terms([(record[0], text or "") for record, text in records if record is not None])

    def commands(self) -> list[str]:
        lines = self.section(sentence("Commands"))
        common = {each.name for each in _common()}
        for words, command in _leaves():
            usage = " ".join(
                piece for each in command.params for piece in each.get_usage_pieces(click.Context(command))
            )
            lines += [f'.SS "{_escaped(f"{words} {usage}".strip())}"', self.text(command.help or "")]
            lines += self.options([each for each in _options(command) if each.name not in common])
        return lines


def _leaves() -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, with the words that call it."""
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", each) for below, each in sorted(command.commands.items()))
        elif command is not None:
            yield name, command


def _options(command: click.Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option)]


def _common() -> Iterator[click.Option]:
    """Yield the options that every command with a store has."""
    commands = [command for _, command in _leaves() if any("--home" in each.opts for each in command.params)]
    for option in _options(commands[0]):
        if all(option.name in {each.name for each in command.params} for command in commands):
            yield option


def _escaped(text: str) -> str:
    """Return a text in which roff finds nothing to act on, and where a line may break without a blank (groff(7))."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    text = "\\:".join(atoms(text)).replace("\\: \\:", " ")
    return f"\\&{text}" if text[:1] in (".", "'") else text


if __name__ == "__main__":
    click.echo(man_page(choose(sys.argv[1] if len(sys.argv) > 1 else "en", {})), nl=False)
