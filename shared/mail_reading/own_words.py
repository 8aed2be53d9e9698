"""What the writer of a mail wrote now: without quoted mails, without a signature, without HTML.

Our own mail, quoted below an answer, must not speak for the person who answers it.
"""

from __future__ import annotations

import re
import unicodedata
from html import unescape

LONGEST_READ = 50_000
"""Characters: nobody asks for a right behind a book."""
QUOTED_FROM = re.compile(
    r"""^\s*(?:
        -{2,}\s*(?:original\s+message|forwarded\s+message|urspr(?:ü|ue)ngliche\s+nachricht|weitergeleitete\s+nachricht
            |message\s+d'origine|message\s+transf(?:é|e)r(?:é|e)|mensaje\s+original|mensaje\s+reenviado).*
        |begin\s+forwarded\s+message\s*:?.*
        |_{10,}\s*
        |(?:on|am|le|el)\b.{4,200}\b(?:wrote|schrieb|a\s+(?:é|e)crit|escribi(?:ó|o))\b.{0,80}:\s*
        |(?:from|von|de)\s*:\s*\S.*
        |\*(?:from|von|de)\s*:\*\s*\S.*
    )$""",
    re.IGNORECASE | re.VERBOSE,
)
SIGNED_FROM = re.compile(
    r"^(?:--\s*|sent from my .{1,60}|get outlook for .{1,40}|von meinem .{1,40} gesendet"
    r"|gesendet von .{1,60}|envoy(?:é|e) de(?:puis)? mon .{1,40}|enviado desde mi .{1,40})$",
    re.IGNORECASE,
)
INTRODUCED = re.compile(r"^\s*(?:on|am|le|el)\b.{4,200}$", re.IGNORECASE)
ANSWERED = re.compile(r"^\s*(?:re|fwd?|aw|wg|antw|tr|rv|res|enc|sv|vs)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)
BLOCKS = frozenset(
    {"p", "div", "br", "tr", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "hr", "section", "article"}
)
UNREAD = frozenset({"style", "script", "head", "title", "blockquote", "template", "svg"})
QUOTES = (
    "gmail_quote",
    "gmail_signature",
    "yahoo_quoted",
    "moz-cite-prefix",
    "divrplyfwdmsg",
    "appendonsend",
    "protonmail_quote",
)
VOID = frozenset(
    {"br", "hr", "img", "meta", "link", "input", "col", "area", "base", "wbr", "source", "embed", "param", "track"}
)
TAG = re.compile(
    r"""<(?P<end>/?)(?P<name>[a-z][\w:-]*+)(?P<attributes>(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+)>|<[!?][^<>]*+>?""",
    re.IGNORECASE,
)
"""A tag, or a declaration. Nothing in it goes back to try again."""
ATTRIBUTE = re.compile(r"""(?P<name>[\w:-]++)(?:\s*+=\s*+(?P<value>"[^"]*+"|'[^']*+'|[^\s"'>]++))?+""")


def own_words(text: str) -> str:
    """Return what stands above the first quoted mail and the signature, without quoted lines."""
    kept: list[str] = []
    lines = text[:LONGEST_READ].splitlines()
    for number, line in enumerate(lines):
        wrapped = f"{line.rstrip()} {lines[number + 1].strip()}" if number + 1 < len(lines) else line
        introduces = INTRODUCED.match(line) and QUOTED_FROM.match(wrapped)
        if QUOTED_FROM.match(line) or introduces or SIGNED_FROM.match(line.strip()):
            break
        if not line.lstrip().startswith((">", "|>")):
            kept.append(line)
    return "\n".join(kept).strip()


def own_subject(subject: str) -> str:
    """Return a subject its writer chose: nothing where it was taken over from the mail that is answered or forwarded."""
    return "" if ANSWERED.match(subject) else subject.strip()


def text_of(html: str) -> str:
    """Return an HTML mail's text, a line for each block; quoted parts and what is not shown are left out. Never raises.

    Time grows with the mail's length alone, whatever stands in it.
    """
    reader = _Reader()
    shown = _without_comments(html[: LONGEST_READ * 20])
    end = 0
    for tag in TAG.finditer(shown):
        reader.data(shown[end : tag.start()])
        reader.tag(tag)
        end = tag.end()
    reader.data(shown[end:])
    return "\n".join(" ".join(line.split()) for line in "".join(reader.parts).splitlines()).strip()


def printable(text: str) -> str:
    """Return text without NUL and other control characters; line ends and tabs stay."""
    normal = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(one for one in normal if one in "\n\t" or unicodedata.category(one) not in {"Cc", "Cs", "Cn"})


def _without_comments(html: str) -> str:
    # by parts: a pattern would look for the end of each that has none
    before, *comments = html.split("<!--")
    return before + "".join(one.partition("-->")[2] for one in comments)


class _Reader:
    # The standard library's parser raises on a broken `<![`, and takes hours for a megabyte of tags that are not closed.

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._hidden: list[str] = []

    def tag(self, found: re.Match[str]) -> None:
        name = (found["name"] or "").lower()
        if name in BLOCKS:
            self.parts.append("\n")
        if found["end"]:
            self._ended(name)
        elif name and name not in VOID:
            self._started(name, found["attributes"])

    def _started(self, name: str, attributes: str) -> None:
        if self._hidden:
            self._hidden += [name] if name == self._hidden[0] else []
        elif name in UNREAD or _is_hidden(attributes):
            self._hidden = [name]

    def _ended(self, name: str) -> None:
        if self._hidden and name == self._hidden[0]:
            self._hidden.pop()

    def data(self, text: str) -> None:
        if not self._hidden:
            # a line end in the source is a space; lines are made by tags
            self.parts.append(unescape(text).replace("\n", " "))


def _is_hidden(written: str) -> bool:
    attributes = {one["name"].lower(): unescape(one["value"] or "").strip("\"'") for one in ATTRIBUTE.finditer(written)}
    named = f"{attributes.get('class', '')} {attributes.get('id', '')}".lower()
    style = attributes.get("style", "").replace(" ", "").lower()
    return "hidden" in attributes or "display:none" in style or any(one in named for one in QUOTES)
