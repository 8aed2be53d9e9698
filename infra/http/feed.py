"""The feed of the policy's versions, as Atom (RFC 4287)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import flask

from infra.http.answers import HEADERS

ATOM = "http://www.w3.org/2005/Atom"
MEDIA = "application/atom+xml"
NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write."""


def atom(company: str, base_url: str, entries: Sequence[Mapping[str, Any]], cache: str) -> flask.Response:
    """Return the feed. Entries, newest first: version, title, summary, published_at, updated_at, effective_at, state,
    by|None (version, effective_at), difference_from|None.
    """
    ET.register_namespace("", ATOM)
    here = f"{base_url}/policy/changes"
    feed = ET.Element(f"{{{ATOM}}}feed")
    _add(feed, "id", here)
    _add(feed, "title", f"{company}: changes of the privacy policy")
    _add(feed, "updated", max(entry["updated_at"] for entry in entries))
    _add(_add(feed, "author"), "name", company)
    _add(feed, "link", rel="self", type=MEDIA, href=here)
    _add(feed, "link", rel="alternate", type="text/html", href=f"{base_url}/policy")
    for entry in entries:
        _entry(_add(feed, "entry"), base_url, entry)
    body = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    headers = {**HEADERS, "Cache-Control": cache, "Vary": "Accept"}
    return flask.Response(body, 200, headers, content_type=f"{MEDIA}; charset=utf-8")


def _entry(element: ET.Element, base_url: str, entry: Mapping[str, Any]) -> None:
    here = f"{base_url}/policy/{entry['version']}"
    _add(element, "id", here)
    _add(element, "title", f"{entry['title']}, version {entry['version']}")
    _add(element, "published", entry["published_at"])
    _add(element, "updated", entry["updated_at"])
    _add(element, "link", rel="alternate", type="text/html", href=here)
    if entry["difference_from"]:
        href = f"{base_url}/policy/{entry['difference_from']}...{entry['version']}"
        _add(element, "link", rel="related", type="text/html", title="What changed", href=href)
    summary = entry["summary"].strip()
    ended = summary if not summary or summary[-1] in ".!?" else f"{summary}."
    _add(element, "summary", f"{ended} {_effect(entry)}".strip())


def _effect(entry: Mapping[str, Any]) -> str:
    if entry["state"] != "overtaken":
        return f"In effect from {entry['effective_at']}."
    by = entry["by"]
    return (
        f"Never in effect: it was announced for {entry['effective_at']}, "
        f"and version {by['version']} takes its place from {by['effective_at']}."
    )


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
    element.text = NO_XML.sub("", text) if text is not None else None
    return element
