"""Reads HTML for tests: every element with its attributes, and the words a person sees."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import NamedTuple

LINKING = ("href", "src", "srcset", "action", "background", "poster", "data")


class Element(NamedTuple):
    """A start tag."""

    tag: str
    attributes: dict[str, str]


class Page(HTMLParser):
    """The elements and the visible text of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.text = ""
        self._inside: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self._inside != "style":
            self.text += data

    def named(self, *tags: str) -> list[Element]:
        """Return the elements of these names."""
        return [element for element in self.elements if element.tag in tags]

    def links(self) -> Iterator[tuple[str, str]]:
        """Yield (tag, address) of everything that leads or loads."""
        for tag, attributes in self.elements:
            yield from ((tag, value) for name, value in attributes.items() if name in LINKING)
