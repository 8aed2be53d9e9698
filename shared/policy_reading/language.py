"""Which sentences of a policy are in English: the rules read no other language, and must not judge what they cannot read.

Told by the small words that every text is full of. Which other language it is, is not asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from shared.policy_reading.sentences import Sentence

WORD = re.compile(r"[^\W\d_]+")
ENGLISH = frozenset(
    WORD.findall(
        "a about after all an and any are as at be because been before but by can do does each every for from has have his how if in into is it"
        " its made may more must my never no not nothing of on only or other our shall should than that the their them then there these they this"
        " those to under until up us used was we what when where which while who whose will with within without would you your yours"
    )
)
"""With those that other languages have too, such as `in`: they speak for English, and others speak louder there."""
OTHERS = frozenset(
    WORD.findall(
        # German, Dutch
        "der das dem den und oder ist sind wir ihr ihre ihren ihrer ihnen sie nicht werden wird mit von vom für auf aus bei zu zur zum nach"
        " eine einer einen haben können auch durch über het een van wij onze uw niet worden wordt voor met naar zijn ook deze"
        # French, Spanish, Portuguese, Italian
        " le la les des du et ou nous vous vos votre notre sont une pour dans sur avec ne pas cette ces que qui aux"
        " el los las nuestro nuestra nuestros nuestras su sus una por con del usted"
        " da dos das em um uma não nosso nossa seu sua seus suas ao pelo pela"
        " il gli di dei della delle nel nella che sono uno nostro vostro suoi"
        # Swedish, Danish, Norwegian, Polish, Czech, Turkish, Finnish, Hungarian, Romanian
        " och att det som är för till på inte du dina ditt og ikke til af"
        " na się nie jest są oraz przez dla twoje państwa że je jsou nebo vaše ve bu için ile"
        " ja ei tai että sekä az egy nem hogy és în cu nu este"
    )
)
LONG = 8
"""Words in small letters: a sentence this long without one small word of English is not English. Names have capitals."""
WORTH_TELLING = 0.2
"""Share of a text's words: what is foreign below it are names, addresses and quotations."""


def foreign(sentences: Sequence[Sentence]) -> frozenset[int]:
    """Return the numbers of the sentences that are not in English; none where they are hardly any of the text."""
    words = [WORD.findall(one.text) for one in sentences]
    found = frozenset(n for n, some in enumerate(words) if _is_foreign(some))
    n_foreign = sum(len(words[n]) for n in found)
    return found if n_foreign > WORTH_TELLING * sum(map(len, words)) else frozenset()


def _is_foreign(words: Sequence[str]) -> bool:
    lows = [word.lower() for word in words]
    n_english = sum(word in ENGLISH for word in lows)
    n_others = sum(word in OTHERS or not word.isascii() for word in lows)
    is_long = sum(word.islower() for word in words) >= LONG
    return n_others > n_english or (is_long and not n_english)
