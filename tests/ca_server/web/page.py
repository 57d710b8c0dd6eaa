"""A page as a browser or a screen reader takes it apart, for tests."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser

_VOID = {"meta", "link", "img", "br", "input", "hr"}
_LOADS = {"link": "href", "img": "src", "script": "src", "iframe": "src", "object": "data", "form": "action"}


class Page(HTMLParser):
    """The elements of a page with their attributes, and the text in each."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, Mapping[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[int] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.texts.append("")
        if tag not in _VOID:
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self._open.pop()][0] == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        for place in self._open:
            self.texts[place] += data

    @property
    def text(self) -> str:
        """Return all that is read, blanks as one."""
        return re.sub(r"\s+", " ", self.of("main")[0])

    def of(self, tag: str, cls: str | None = None) -> list[str]:
        """Return the texts of the elements with a tag, and a class."""
        found = zip(self.elements, self.texts, strict=True)
        return [
            text
            for (name, attributes), text in found
            if name == tag and (cls is None or attributes.get("class") == cls)
        ]

    def links(self) -> list[str]:
        """Return where the links lead."""
        return [attributes["href"] for name, attributes in self.elements if name == "a"]

    def loaded(self) -> list[str]:
        """Return what a browser loads with the page."""
        return [attributes[_LOADS[name]] for name, attributes in self.elements if _LOADS.get(name) in attributes]

    def scripts_within(self) -> list[str]:
        """Return what a strict policy would have to forbid: scripts and styles that stand in the page itself."""
        return [
            name
            for name, attributes in self.elements
            if name == "style"
            or (name == "script" and "src" not in attributes)
            or any(each.startswith("on") or each == "style" for each in attributes)
        ]
