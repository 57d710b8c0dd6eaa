"""CP/CPS (RFC 3647) and privacy policy: Markdown files that the operator completes, shown as pages.

`{name}` stands for a fact of the configuration. What only the operator knows is a blank, 【記入：…】 or [complete: …],
and while one is left the page says that the document is not in force. HTML in a file is shown as the text that it is.
"""

import dataclasses
import functools
import html
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from aiohttp import web
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ca_server.language import cause, sentence
from ca_server.web.look import Look, answer, language_of, tagged

NAMES: Final = ("cps", "privacy")
_FACT: Final = re.compile(r"\{([a-z_]+)\}")
_BLANK: Final = re.compile(r"【記入[：:][^】]*】|\[complete:[^\]]*\]")
_TEXTS: Final = {
    "text": ("", ""),
    "code_inline": ("<code>", "</code>"),
    "code_block": ("<pre><code>", "</code></pre>\n"),
    "fence": ("<pre><code>", "</code></pre>\n"),
}
"""What markdown-it calls the texts of a document, and what stands around each."""
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)*")


class BadDocument(Exception):
    """A document cannot be shown; `fault` says why."""

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(f"{path}: {fault}")
        self.path = path
        self.fault = fault


@dataclasses.dataclass(frozen=True)
class Document:
    """One document in one language, and the facts that it names."""

    name: str
    language: str
    text: str = dataclasses.field(repr=False)
    facts: Mapping[str, str] = dataclasses.field(repr=False)

    @property
    def blanks(self) -> int:
        """Return how many places wait for the operator."""
        return len(_BLANK.findall(self.text))

    @functools.cached_property
    def page(self) -> "Page":
        """Return what its page shows."""
        parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
        tokens = parser.parse(_BLANK.sub(lambda found: found[0].replace("\n", " "), self.text))
        title, *contents = _headings(tokens)
        self._complete(tokens)
        body = parser.renderer.render(tokens[3:], parser.options, {})  # without the title, which is three tokens
        listed = [(place, self._filled(text)) for tag, place, text in contents if tag == "h2"]
        return Page(self._filled(title[2]), listed, body)

    def _complete(self, tokens: Iterable[Token]) -> None:
        """Fill in facts and mark blanks in texts alone: in an attribute they would break the tag."""
        for token in tokens:
            if token.type in _TEXTS:
                before, after = _TEXTS[token.type]
                token.type, token.content = "html_inline", f"{before}{self._shown(token.content)}{after}"
            self._complete(token.children or ())

    def _shown(self, text: str) -> str:
        shown = _FACT.sub(lambda found: _linked(self.facts[found[1]]), html.escape(text, quote=False))
        return _BLANK.sub(lambda found: f"<mark>{found[0]}</mark>", shown)

    def _filled(self, text: str) -> str:
        return _FACT.sub(lambda found: self.facts[found[1]], text)


@dataclasses.dataclass(frozen=True)
class Page:
    """A document as its page shows it: title, anchors and titles of the chapters, and the HTML of the rest."""

    title: str
    contents: list[tuple[str, str]]
    body: str


def read(path: Path, name: str, language: str, facts: Mapping[str, str]) -> Document:
    """Read one document. Raises BadDocument when it is unreadable, has no title, or names a fact that there is not."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadDocument(path, sentence("it cannot be read: {error}", error=cause(error))) from error
    if not text.startswith("# "):
        raise BadDocument(path, sentence("its first line must be its title: # and a blank before it"))
    for fact in _FACT.findall(text):
        if fact not in facts:
            known = ", ".join(sorted(facts))
            raise BadDocument(path, sentence("there is no {{{fact}}}; there are: {known}", fact=fact, known=known))
    return Document(name, language, text, facts)


class DocumentPages:
    """Shows the documents that are read here; each is rendered when first asked for, then kept."""

    def __init__(self, look: Look, documents: list[Document]) -> None:
        self._look = look
        self._documents = {(document.name, document.language): document for document in documents}

    async def show(self, request: web.Request) -> web.Response:
        """Show a document in the reader's language; one that is published elsewhere is not found here."""
        document = self._documents.get((request.match_info["document"], language_of(request)))
        if document is None:
            raise web.HTTPNotFound
        return tagged(request, answer(self._html(document), "public, max-age=300"))

    def _html(self, document: Document) -> str:
        facts = {"page": document.page, "blanks": document.blanks}
        return self._look.page("document", document.language, facts)


def _headings(tokens: list[Token]) -> list[tuple[str, str, str]]:
    """Give every heading an anchor, its number where it has one, and every column's head its scope.

    Return tag, anchor and text of the headings.
    """
    found: list[tuple[str, str, str]] = []
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "th_open":
            token.attrSet("scope", "col")
        if token.type == "heading_open" and following is not None:
            number = _NUMBER.match(following.content)
            place = number[0] if number else f"part-{len(found)}"
            token.attrSet("id", place)
            found.append((token.tag, place, following.content))
    return found


def _linked(value: str) -> str:
    """Return a fact as HTML; an address is a link."""
    text = html.escape(value)
    return f'<a class="address" href="{text}">{text}</a>' if value.startswith(("https://", "http://")) else text
