"""Mails from templates: a subject, a text that is complete by itself, and an HTML twin that fetches nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from shared.words import FILTERS

FOLDER = Path(__file__).parent
WIDTH = 74
ENGLISH = ""


@dataclass(frozen=True)
class Mail:
    """One mail, ready to hand over."""

    subject: str
    text: str
    html: str


def compose(template: str, locale: str, words: Mapping[str, Any]) -> Mail:
    """Render a mail of the list in the person's language, in English where there is no whole translation.

    A word that the mail needs and does not get is an error, never a blank. Every mail needs `company`, `policy_url`,
    `preferences_url` and `contact`; each template names the rest in its first lines.
    """
    tongue = language_of(template, locale)
    subject, text, html = (
        _environment().get_template(f"{template}/{name}").render(words, language=tongue or "en")
        for name in _names(tongue)
    )
    # one line, whatever a title holds: a line break in a subject starts another header
    return Mail(" ".join(subject.split()), _flowed(text), html)


def _names(tongue: str) -> tuple[str, str, str]:
    tag = f".{tongue}" if tongue else ""
    return f"subject{tag}.txt", f"text{tag}.txt", f"mail{tag}.html"


def language_of(template: str, locale: str) -> str:
    """Return the language in which a mail is there for a locale; `""` for English."""
    return whole_language(template, locale, _templates())


def whole_language(template: str, locale: str, there: AbstractSet[str]) -> str:
    """Return the language in which all three parts are there: never a German subject over an English text."""
    tags = (locale.lower(), locale.lower().partition("-")[0])
    return next((tag for tag in tags if all(f"{template}/{name}" in there for name in _names(tag))), ENGLISH)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=jinja2.select_autoescape(["html"], default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(FILTERS)
    return environment


@lru_cache(maxsize=1)
def _templates() -> frozenset[str]:
    return frozenset(_environment().list_templates(extensions=["txt", "html"]))


def _flowed(text: str) -> str:
    """Wrap each line by itself, links never, and leave at most one empty line between paragraphs."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.strip() or (lines and lines[-1]):
            lines += _wrapped(line.rstrip())
    return "\n".join(lines).strip() + "\n"


def _wrapped(line: str) -> list[str]:
    if len(line) <= WIDTH or "://" in line:
        return [line]
    indent = "  " if line.startswith("- ") else ""
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
