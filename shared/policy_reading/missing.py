"""What GDPR Art. 13 wants a policy to say, item by item, and whether this one says it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from shared.company import Purpose
from shared.policy_reading.claims import ADDRESS
from shared.policy_reading.claims_of_recipients import names, names_kinds
from shared.policy_reading.facts import Facts
from shared.policy_reading.sentences import Sentence, plain

LEGAL_FORMS = re.compile(
    r"[,.]|\b(?:ltd|limited|llc|inc|incorporated|plc|llp|gmbh|ag|ug|kg|ohg|se|sa|sas|sarl|bv|nv|ab|oy|aps|srl|spa|pty|co|company|corp)\b"
)
BASES = {
    "consent": r"\b(?:consent|permission|opt[- ]?in|agreed? to|your yes)\b",
    "contract": r"\b(?:contract|contractual|agreement with you|provide (?:you )?(?:with )?(?:the|our) services?|run (?:the|your))\b",
    "legal_obligation": r"\b(?:legal(?:ly)? (?:obligations?|requirements?|dut(?:y|ies)|obliged|required)|required by law|law (?:requires|asks|obliges)|tax law)\b",
    "legitimate_interests": r"\blegitimate(?: business)? interests?\b",
    "vital_interests": r"\bvital interests?\b",
    "public_task": r"\b(?:public (?:interest|task)|official authority)\b",
}
STATES_PURPOSES = (
    r"\bpurposes?\b|\bwe (?:use|utili[sz]e|process|need|collect|take) (?:\w+ ){1,8}(?:to|for)\b|\bin order to\b"
)
STATES_BASES = (
    r"\b(?:legal|lawful) (?:basis|bases|ground|grounds)\b|\bart(?:icle)?\.? ?6\b|\b(?:on the|our) basis (?:of|for)\b"
)
COMMON = frozenset(
    [
        "your",
        "that",
        "this",
        "with",
        "from",
        "about",
        "which",
        "what",
        "when",
        "other",
        "data",
        "their",
        "have",
        "site",
        "used",
        "page",
        "email",
        "mail",
        "messages",
    ]
)


class Item(NamedTuple):
    """One item of Art. 13: its words (any of the patterns says it), why it is missed, its source."""

    rule: str
    source: str
    says: str
    why: str
    needed: Callable[[Facts], bool] = lambda _: True
    advisory: bool = False


ITEMS: tuple[Item, ...] = (
    Item(
        "controller_contact",
        "GDPR Art. 13(1)(a)",
        ADDRESS.pattern + r"|\b(?:telephone|phone|call us|write to us at|postal address|contact form)\b",
        "No way to reach the controller is given.",
    ),
    Item(
        "protection_officer",
        "GDPR Art. 13(1)(b)",
        r"\b(?:data )?protection officer\b|\bdpo\b",
        "Where a data protection officer is appointed (Art. 37), the contact belongs here; no officer is named.",
        advisory=True,
    ),
    Item(
        "legitimate_interests",
        "GDPR Art. 13(1)(d)",
        BASES["legitimate_interests"],
        "A purpose rests on legitimate interests; the text does not say which they are.",
        needed=lambda facts: bool(facts.purposes_on("legitimate_interests")),
    ),
    Item(
        "transfers",
        "GDPR Art. 13(1)(f)",
        r"\b(?:third countr(?:y|ies)|united states|outside (?:of )?(?:the )?(?:european|eu|eea|uk|united kingdom)|international(?:ly)? transfer\w*"
        r"|transfer\w*(?: \w+){0,6} (?:abroad|internationally|other countries|another country))",
        "Recipients may process data outside the United Kingdom and the European Union; the text does not say so.",
        needed=lambda facts: bool(facts.abroad),
    ),
    Item(
        "safeguards",
        "GDPR Art. 13(1)(f)",
        r"\b(?:standard contractual clauses|sccs?\b|adequacy|adequate level|data privacy framework|binding corporate rules|appropriate safeguards"
        r"|transfer agreement|idta\b)",
        "The safeguard of transfers abroad is not named, nor where a copy can be had.",
        needed=lambda facts: bool(facts.abroad),
    ),
    Item(
        "retention",
        "GDPR Art. 13(2)(a)",
        r"\b(?:keep|kept|retain\w*|retention|stor(?:e|ed)|sav(?:e|ed)|delet\w+|eras\w+)\b.{0,200}\b(?:days?|weeks?|months?|years?|as long as"
        r"|duration|until|no longer than|period)\b|\bas long as you\b",
        "The text gives neither a period for which data is kept nor what decides it.",
    ),
    Item(
        "right_of_access",
        "GDPR Art. 13(2)(b)",
        r"\b(?:right (?:of|to) access|access to (?:your|the|their)|access,|access your|see your|copy of (?:your|the|all)|right to know)",
        "The right of access is not named.",
    ),
    Item(
        "right_to_rectification",
        "GDPR Art. 13(2)(b)",
        r"\b(?:rectif\w+|correct (?:it|your|them|any|inaccurate)|corrected|correction|inaccura\w+)",
        "The right to rectification is not named.",
    ),
    Item(
        "right_to_erasure",
        "GDPR Art. 13(2)(b)",
        r"\b(?:erasure|erase|erased|right to be forgotten|(?:have (?:it|them|(?:your|personal|any|the) (?:\w+ ){0,2}?(?:data|information|account)) |right to (?:\w+ ){0,3})delet\w+|delete your|ask (?:us )?(?:\w+ ){0,3}delet\w+|deletion of)",
        "The right to erasure is not named.",
    ),
    Item(
        "right_to_restriction",
        "GDPR Art. 13(2)(b)",
        r"\b(?:restrict\w*|limit (?:the )?(?:use|processing|how))",
        "The right to restriction is not named.",
    ),
    Item(
        "right_to_portability",
        "GDPR Art. 13(2)(b)",
        r"\b(?:portab\w+|machine[- ]readable|take (?:it|them|your data) (?:with|elsewhere)|transfer(?:red)? (?:\w+ ){0,4}to another (?:controller|provider|service))",
        "The right to data portability is not named.",
    ),
    Item(
        "right_to_object",
        "GDPR Art. 13(2)(b), 21(4)",
        r"\b(?:right to object|objection|object to|may object|can object)",
        "The right to object is not named.",
    ),
    Item(
        "withdrawal",
        "GDPR Art. 13(2)(c)",
        r"\b(?:withdraw\w*|revok\w+|take (?:\w+ ){0,4}back|retract\w*|change your mind)\b",
        "A purpose rests on consent; the text does not say that consent can be withdrawn at any time.",
        needed=lambda facts: bool(facts.purposes_on("consent")),
    ),
    Item(
        "complaint",
        "GDPR Art. 13(2)(d)",
        r"\b(?:complain\w*|supervisory authorit\w+|data protection authorit\w+|information commissioner|ico\b)",
        "The right to complain to an authority is not named.",
    ),
    Item(
        "required_or_not",
        "GDPR Art. 13(2)(e)",
        r"\byou (?:\w+ ){0,2}(?:must|need to|have to|are (?:not )?(?:required|obliged|obligated)|do not have to|don't have to)(?: \w+){0,3} (?:provide|give|tell)"
        r"|\bif you (?:\w+ )?(?:do not|don't|fail to|choose not to|prefer not to|decide not to) (?:provide|give|share|tell)"
        r"|\bprovi(?:sion|ding)(?: \w+){0,6} (?:mandatory|voluntary|required|optional|necessary|obligatory)"
        r"|\b(?:mandatory|voluntary|required|optional) (?:fields?|information|data|details)\b|\bto run your account we need\b"
        r"|\bwithout (?:it|them|this|these|your)(?: \w+){0,3} we can(?:not|'t)",
        "The text does not say whether a person must give the data, and what follows if not.",
    ),
    Item(
        "automated_decisions",
        "GDPR Art. 13(2)(f)",
        r"\b(?:automated|automatic) (?:individual )?(?:decision|processing|profil)|\bprofil(?:e|ing)\b|\bsolely by (?:a )?(?:machine|computer|software)",
        "If anything is decided by software alone (Art. 22), it belongs here; the text does not speak of it.",
        advisory=True,
    ),
)
LINKED_CONTACT = re.compile(r"\]\(\s*<?(?:mailto:[^\s()]+@|tel:|https?://[^\s()]*contact)|href=[\"']mailto:")
"""A way to reach the controller that stands in a link alone: reading a text as sentences leaves the addresses of links out."""
_SAYS = {item.rule: re.compile(item.says) for item in ITEMS}


class Missed(NamedTuple):
    """An item that is not said."""

    rule: str
    source: str
    why: str
    advisory: bool = False


def missing(text: str, sentences: Sequence[Sentence], facts: Facts) -> Iterator[Missed]:
    """Yield each item of Art. 13 that the text leaves out, in the article's order."""
    lows = [one.low for one in sentences]
    shown = [*lows, *dict.fromkeys(plain(one.section) for one in sentences)]
    if not _identity(text, facts):
        yield Missed(
            "controller_identity", "GDPR Art. 13(1)(a)", f"The controller, {facts.company.name}, is not named."
        )
    for item in ITEMS:
        said = any(_SAYS[item.rule].search(one) for one in shown)
        linked = item.rule == "controller_contact" and LINKED_CONTACT.search(text.lower())
        if item.needed(facts) and not said and not linked:
            yield Missed(item.rule, item.source, item.why, item.advisory)
        if item.rule == "protection_officer":
            yield from _purposes(" ".join(shown), facts)
            yield from _bases(" ".join(shown), facts)
            yield from _recipients(shown, facts)


def _identity(text: str, facts: Facts) -> bool:
    """Tell whether the company's name stands in the text, with or without its legal form, beside addresses."""
    said = _bare(ADDRESS.sub(" ", plain(text)))
    return f" {_bare(plain(facts.company.name)).strip()} " in said


def _bare(words: str) -> str:
    letters = re.sub(r"[^\w ,.&-]", " ", words)
    return f" {' '.join(LEGAL_FORMS.sub(' ', letters).split())} "


def _purposes(said: str, facts: Facts) -> Iterator[Missed]:
    """Name each configured purpose that the text does not speak of; all in one where it speaks of none at all."""
    absent = [one for one in facts.company.purposes if not _speaks_of(one, said)]
    if len(absent) == len(facts.company.purposes) and not re.search(STATES_PURPOSES, said):
        yield Missed("purposes", "GDPR Art. 13(1)(c)", "The text does not say what data is used for.")
        return
    for purpose in absent:
        why = f"The purpose “{purpose.title}” is configured and the text does not speak of it."
        yield Missed(f"purpose_{purpose.name}", "GDPR Art. 13(1)(c)", why)


def _speaks_of(purpose: Purpose, said: str) -> bool:
    """Tell whether any telling word of a purpose's title or name stands in the text, by how it begins."""
    words = re.findall(r"[a-z]{4,}|ads", plain(f"{purpose.title} {purpose.name}".replace("_", " ")))
    stems = [word[:6] for word in words if word not in COMMON]
    return not stems or any(re.search(rf"\b{stem}", said) for stem in stems)


def _bases(said: str, facts: Facts) -> Iterator[Missed]:
    """Name each legal basis in use that the text does not name; all in one where it speaks of none as a basis."""
    used = list(dict.fromkeys(one.legal_basis for one in facts.company.purposes))
    absent = [basis for basis in used if not re.search(BASES[basis], said)]
    if not re.search(STATES_BASES, said):
        named = ", ".join(one.replace("_", " ") for one in used)
        yield Missed("legal_basis", "GDPR Art. 13(1)(c)", f"The legal basis of each purpose is not given ({named}).")
        return
    for basis in absent:
        titles = ", ".join(one.title for one in facts.purposes_on(basis))
        why = f"The legal basis “{basis.replace('_', ' ')}” is not named; on it rest: {titles}."
        yield Missed(f"legal_basis_{basis}", "GDPR Art. 13(1)(c)", why)


def _recipients(shown: Sequence[str], facts: Facts) -> Iterator[Missed]:
    named = any(names(one, entry.name, entry.title) for one in shown for entry in facts.annex)
    if facts.used and not named and not any(names_kinds(one) for one in shown):
        yield Missed("recipients", "GDPR Art. 13(1)(e)", "Neither recipients nor categories of recipients are named.")
