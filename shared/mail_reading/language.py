"""The table of phrases by which mails are read: what to add when a mail was not understood, and a case beside it.

A phrase is words. `a/b` one of them · `[a]` may be missing · `a*` any ending · `a-b` two words · `..` up to five words,
not over a comma · `|` the phrase ends here: a sentence, a comma or a word of `after` follows, so that `my account` is not
`my account manager` · `||` a sentence or a comma ends here. Write as people write: the size of letters, accents and umlauts
are folded. Cases: `tests/promises/mails.yaml`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from shared.records import Right

Asks = Right | Literal["stop_marketing", "withdrawal", "complaint"]


class Language(NamedTuple):
    """The phrases of one language. A right counts where nothing of `denying`, `wondering` or `done` stands beside it.

    An erasure counts only where nothing but words of `leading` stands before it, back to a comma or a word of `joining`;
    behind a word of `reasons` stands only why. `alone`: what stops marketing as a whole mail, `polite` words aside. `touching`: near a right, so that a person must
    look. `harmless`: taken out before anything is looked for. `done`: as written, accents and all: told, not asked.
    `others`: the mail speaks for somebody else; `others_own`: so does this sentence.
    """

    code: str
    asking: tuple[tuple[Asks, tuple[str, ...]], ...]
    after: tuple[str, ...]
    leading: str
    joining: str
    reasons: str
    alone: tuple[str, ...]
    polite: tuple[str, ...]
    touching: tuple[str, ...]
    harmless: tuple[str, ...]
    denying: tuple[str, ...]
    wondering: tuple[str, ...]
    done: tuple[str, ...]
    others: tuple[str, ...]
    others_own: tuple[str, ...] = ()
