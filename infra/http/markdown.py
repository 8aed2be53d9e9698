"""A policy's Markdown as HTML: no raw HTML, no images, so that a policy cannot bring in anything from elsewhere."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=16)
def rendered(text: str) -> str:
    """Return safe HTML."""
    from markdown_it import MarkdownIt

    html: str = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image").render(text)
    return html
