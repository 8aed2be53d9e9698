"""A policy's Markdown as HTML: no raw HTML, no images, so that a policy cannot bring in anything from elsewhere."""

from __future__ import annotations

from functools import lru_cache

WIDE = '<div class="wide" role="region" aria-label="Table" tabindex="0">'


@lru_cache(maxsize=16)
def rendered(text: str) -> str:
    """Return safe HTML."""
    from markdown_it import MarkdownIt

    html: str = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image").render(text)
    # a wide table scrolls by itself, by keyboard too: a phone must not break its words letter by letter
    return html.replace("<table>", f"{WIDE}<table>").replace("</table>", "</table></div>")
