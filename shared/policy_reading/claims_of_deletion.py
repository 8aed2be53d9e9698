"""What a policy says of deleting and keeping, held against what is deleted and kept. Each rule answers why it is not so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from shared.company import Purpose
from shared.policy_reading.facts import Facts, Place
from shared.policy_reading.periods import PERIOD, Period, days_of, period
from shared.policy_reading.sentences import plain

DELETED = r"(?:delet|eras|remov|destroy)(?:e|es|ed|ing)?\b"
COMMITTED = re.compile(
    rf"\b(?:we|our \w+)(?: will| shall| then| also| always| undertake to| promise to| commit to)* (?:\w+ly )?{DELETED}"
    rf"|\b(?:is|are|be|get|gets|being) (?:\w+ly |then |also |completely )*(?:delet|eras|remov|destroy)(?:ed)\b"
    r"|\b(?:deletion|erasure) (?:of (?:\w+ ){1,6})?(?:is|takes place|happens|will|follows|completes)\b"
)
DATA = re.compile(r"\b(?:data|information|account|profile|details|records?|everything|it|them)\b")
NARROW = re.compile(
    r"\b(?:logs?|cookies?|backups?|back-ups?|recordings?|tickets?|drafts?|messages?|chats?|uploads?|payment|invoices?"
    r"|billing|comments?|posts?|cvs?|applications?|mailing list|from (?:\w+ )?(?:view|search|display|sight|the list)|newsletter|subscri\w+|trial)\b"
)
DENIED = re.compile(r"\b(?:not|never|cannot|neither|nor|without being)\b|n't\b")
CLAUSE = re.compile(r"[,;:—]\s|\s–\s|\s-\s| (?:and|but|or) (?=(?:we|you|stop|cease|they|it)\b)")
WITHIN = re.compile(
    rf"\b(?:within|in (?:at most|no more than|less than|under)|no later than|not later than|after at most) {PERIOD}"
)
AT_ONCE = re.compile(
    r"\b(?:immediately|instantly|instantaneously|at once|right away|straight away|straightaway|on the spot|within seconds"
    r"|within minutes|in real time|that (?:same )?instant)\b"
)
ONLY_SPOKEN_OF = re.compile(
    rf"\b(?:if|once|when|whenever|after|before|until|as|whether|that) we (?:have |had |\w+ly )*{DELETED}"
    r"|\b(?:(?:if|once|when|whenever|after|before|until|as|whether)|that(?= (?:your|the|all|any|our|it|they)\b)) (?!you\b|we\b)"
    r"(?:(?!(?:is|are|was|were|has|have)\b)[\w'-]+ ){1,4}(?:is|are|was|were|(?:has|have) been) (?:\w+ly |\w+ or )?"
    r"(?:delet|eras|remov|destroy)ed\b"
)
"""A deletion that is no promise: `tell you once your account is deleted`."""
COUNTED_FROM = re.compile(
    r"\b(?:of|from|by|after|once|when|since|that|which|day|moment|time) (?:(?:you|we|they|it)\b|(?:your|the|an?) \w+)"
    r"(?: (?:has|have|had|is|are|was|were|been))*(?: (?!(?:we|you|they|it|somebody|someone|is|are)\b)\w+)?"
)
OWN_VERB = re.compile(
    r"\b(?:we|you|they|it|somebody|someone|our (?:team|staff|support|people)|is|are|was|were|will|shall|has|have|gets?)\b"
)
OWN_SUBJECT = re.compile(r" (?:an?|the|our|your|all|every|each)\b")
LONGEST_ANSWER_DAYS = 31
"""A calendar month at the longest (GDPR Art. 12(3)); two more need a reason."""
LAW = re.compile(
    r"\b(?:law|laws|legal\w*|lawful\w*|statut\w+|regulat\w+|tax|court|mandat\w+|oblig\w+|require\w*|unless|except\w*|exempt\w*"
    r"|apart from|other than|archiv\w+|longer)\b"
)
KEPT = re.compile(
    r"\b(?:keep|kept|retain\w*|retention|stor(?:e|ed|age)|hold|held|stay|preserv\w+|exempt\w*|exception\w*)\b"
)
ALL = re.compile(
    rf"\b(?:all|every piece|any and all|100 ?%|everything)(?: of)?(?: (?:the|your|their|that|this|such))?(?: \w+){{0,4}}?"
    rf"(?: we \w+ (?:about|on) you)? (?:will be|is|are|gets?|get|being) (?:\w+ly )?(?:delet|eras|remov|destroy)ed\b"
    rf"|\bwe(?: will| shall| then)* (?:\w+ly )?{DELETED} (?:all|everything|every trace|every piece)\b"
    r"|\b(?:nothing|no (?:copy|copies|trace|traces|record|records|data|information)) (?:\w+ ){0,4}?"
    r"(?:remains?(?! (?:un|open\b|secret\b|hidden\b))|is left(?! (?:un|open\b|to\b|without\b))|are left(?! (?:un|open\b|to\b|without\b))|is kept|are kept|will remain|will be kept|is retained|are retained)\b"
    r"|\bwe (?:keep|retain) (?:nothing|no (?:copy|copies|trace|traces|records?|data))\b"
)
OF_ONE_MATTER = re.compile(
    r"\b(?:data|information|details|records?|cop(?:y|ies)|traces?|nothing|everything) (?:about|on|of|concerning|regarding|relating to) "
    r"(?:your|the|our|any|an?) (?!(?:\w+ ){0,2}?(?:account|profile|person|data|details|records?|information)\b)"
)
"""`Data about your health` is not all data."""
OWN_NARROW = re.compile(
    r"\b(?:cookies?|payment|card|logs?|about (?:third|other)|children|minors?|under (?:the age|\d))\b"
)
AFTER_END = re.compile(
    r"\b(?:keep|retain|store|hold|kept|retained|stored|held)\b(?: \w+){0,8}? (?:for )?(?:up to |a further |another |at least )?"
    + PERIOD
    + r"(?: \w+){0,3}? (?:after|following|from|once|beyond) (?:\w+ ){0,4}?"
    r"(?:clos\w+|delet\w+|cancel\w*|terminat\w+|account ends|(?:end|expiry|expiration) of (?:your|the) (?:account|subscription|contract))"
)
FOR = re.compile(
    r"\b(?:(?:keep|retain|store|hold|kept|retained|stored|held|retention period|saved)\b(?: [\w/-]+){0,10}? (?:for|is)"
    r"|(?:retention|storage)(?: period| time)? of)(?: a period of| a maximum of| a total of| the)? (?P<bound>up to |at most |no longer than |no more than |at least |a minimum of |"
    r"a maximum of |maximum |not more than )?" + PERIOD
)
GONE_AFTER = re.compile(
    rf"\b(?:{DELETED}|(?:data|records|statistics|details|counts) expires?\b)"
    r"(?: [\w-]+){0,6}? after (?P<bound>at most |no more than )?"
    + PERIOD
    + r"(?! (?:of|without|after|from|since|in|if|when|unless|you|we)\b)"
)
AFTER_IT = re.compile(
    rf"after (?P<bound>at most |no more than )?{PERIOD},? (?:we (?:\w+ )?{DELETED}|(?:[\w-]+ ){{1,6}}(?:is|are|will be) (?:\w+ )?{DELETED})"
)
LABELLED = re.compile(
    r"[^:]{3,80}: (?P<bound>up to |at most |at least |no longer than |no more than )?" + PERIOD + r"[. ]*"
)
"""An entry under a heading or a sentence that speaks of keeping: `Statistics: 14 months`."""
OF_A_PART = re.compile(
    r"\b(?:logs?|back-?ups?|drafts?|reports?|raw|cop(?:y|ies)|failed|test|tests|unpaid|unconfirmed|abandoned|cards?|audiences?)\b"
)
NOT_OURS_NOW = re.compile(
    r"\b(?:was|were|been) (?:once |formerly |previously )?(?:kept|stored|held|retained)\b|\bwe (?:once |formerly |previously )?(?:kept|held|stored|retained)\b"
    r"|\bused to\b|\blast year\b|\b(?:server|error|access) logs?\b|\b(?:analytics|newsletter|payment) (?:services?|tools?|providers?|software)\b|\b(?:people|customers|users|they|you) (?:keep|hold|store)\b"
)
KEEPING = re.compile(r"(?:keep|retain|store|hold)\b")
PARTS = re.compile(r",\s+(?:and |but |while )?|;\s+| and (?=[\w ]{1,40} for )| while | whereas ")
EACH = re.compile(
    r"(?:(?:keep|retain|store|hold) )?(?:(?!keep|retain|store|hold|last|that|which|not)[\w/-]+ ){1,4}(?:(?:is|are) (?:kept|retained|stored|held) )?"
    r"for (?P<bound>up to |at most |no longer than |no more than |at least )?" + PERIOD
)
"""One of several kinds of data in a sentence, with the period it is kept for and nothing else."""
TOPICS = {
    "payments": re.compile(r"\b(?:payment|invoice|billing|purchase|transaction|accounting|tax)"),
    "counts of use": re.compile(
        r"\b(?:analytic|usage data|usage statistics|statistics|page views?|(?:counting|counts) (?:of )?(?:how|(?:the )?(?:use|visits?|visitors))\b)"
        r"|\bhow (?:you|visitors|people|users|customers) use (?:our|this|the) (?:web ?)?(?:site|pages|shop)\b"
    ),
    "marketing": re.compile(r"\b(?:newsletter|marketing|news and offers|promotional)"),
    "advertising": re.compile(r"\b(?:advertis|ads\b)"),
}
THESE_COUNTS = re.compile(r"\b(?:these|those|such) (?:counts|figures|numbers)\b")
OF_USE = re.compile(r"\bcount(?:s|ed|ing)? (?:how|which|when|(?:your |the )?(?:visits?|visitors|page|use))")
STOP_WORD = re.compile(r"the|an?|and|or|how|that|this|is|are|your?|our|us|we|for|of|by|to|with|in|on|about|at|from|it")
SOME_WORDS = r"(?: [\w'-]+){0,3}? "


def deadline(place: Place, facts: Facts) -> str | None:
    """Tell whether deletion is promised sooner than it is done, or later than law lets a person wait."""
    named = _deadline(place)
    if named is None:
        return None
    if named.days < facts.promised_days - 0.01:
        return f"It names {named.words}; deletion here may take {facts.promised_days} days from the day the person is verified."
    if named.days > LONGEST_ANSWER_DAYS and not LAW.search(place.low) and not _topic(place.low):
        return f"It names {named.words}; a request must be answered within one month, and here it is."
    return None


def _deadline(place: Place) -> Period | None:
    if NARROW.search(place.low):
        return None
    clauses = _clauses(place)
    for clause, following in zip(clauses, [*clauses[1:], ""], strict=True):
        words = f"{clause} , {following}" if _is_only_a_period(clause) else clause
        if WITHIN.search(clause) and _commits(words):
            return _period_of_deletion(words)
    return None


def _clauses(place: Place) -> list[str]:
    return CLAUSE.split(ONLY_SPOKEN_OF.sub(" ", place.low))


def _is_only_a_period(clause: str) -> bool:
    """Tell whether a clause names a period for what follows, and nothing that is itself done within it."""
    found = WITHIN.match(clause.lstrip())
    rest = clause.lstrip()[found.end() :] if found else ""
    return bool(found) and not OWN_SUBJECT.match(rest) and not OWN_VERB.search(COUNTED_FROM.sub(" ", rest))


def _period_of_deletion(words: str) -> Period:
    """Return the period nearest to the deletion: a sentence may name another for something else."""
    said = next(COMMITTED.finditer(words))
    return period(min(WITHIN.finditer(words), key=lambda one: max(said.start() - one.end(), one.start() - said.end())))


def _commits(words: str) -> bool:
    """Tell whether words say that a person's data is deleted."""
    return bool(COMMITTED.search(words) and DATA.search(words) and not DENIED.search(words))


def at_once(place: Place, facts: Facts) -> str | None:
    """Tell whether deletion is promised on the spot."""
    for clause in _clauses(place):
        if AT_ONCE.search(clause) and _commits(clause) and not NARROW.search(clause):
            return (
                f"There is first a time to change one's mind ({facts.company.cooling_off}), "
                f"and deletion may take {facts.promised_days} days."
            )
    return None


def everything_deleted(place: Place, facts: Facts) -> str | None:
    """Tell whether all data is said to be deleted, with no word near it of what stays."""
    found = ALL.search(place.low)
    if not found or OWN_NARROW.search(place.low) or DENIED.search(place.low[: found.start()][-12:]):
        return None
    if OF_ONE_MATTER.search(place.low, found.start()):
        return None
    around = place.low[: found.start()] + place.low[found.end() :]
    if LAW.search(around) or any(LAW.search(other) and KEPT.search(other) for other in place.others()):
        return None
    named = [f"{ground} ({years} years)" for ground, years in facts.kept_by_law]
    kept = "; ".join([*named, f"the evidence of the request itself ({facts.company.evidence_kept_for})"])
    return f"Some records stay after a deletion: {kept}."


def kept_after_the_end(place: Place, facts: Facts) -> str | None:
    """Tell whether data is said to outlive the account, which it does not here."""
    found = AFTER_END.search(place.low)
    if not found or LAW.search(place.low) or DENIED.search(place.low) or _topic(place.low):
        return None
    if NARROW.search(place.low[: found.start("n")]):
        return None
    named = period(found)
    if named.days <= facts.promised_days:
        return None
    return f"It names {named.words}; an account that ends is deleted within {facts.promised_days} days here."


def kept_for(place: Place, facts: Facts) -> str | None:
    """Tell whether a period for keeping one kind of data is none that is configured for it."""
    found, topic = _keeping(place), _topic(place.low) or _of_counts(place)
    if (
        not found
        or "cookie" in place.low
        or DENIED.search(place.low[: found.start()])
        or NOT_OURS_NOW.search(place.low)
    ):
        return None
    if topic is not None:
        return _kept_otherwise(topic, found, facts)
    purpose = _titled(place.low, facts)
    if purpose:
        return _differs(purpose.title, found, [purpose.kept_for])
    return next(filter(None, (_kept_otherwise(*one, facts) for one in _of_each(place.low, found.start()))), None)


def _keeping(place: Place) -> re.Match[str] | None:
    """Find the period for which something is kept, or after which it is deleted."""
    found = FOR.search(place.low)
    if found or OF_A_PART.search(place.low):
        return found
    context = f"{place.section} {place.sentence.lead.lower()}"
    is_entry = "how long" in context or KEPT.search(context)
    return (
        AFTER_IT.match(place.low)
        or GONE_AFTER.search(place.low)
        or (LABELLED.fullmatch(place.low) if is_entry else None)
    )


def _of_counts(place: Place) -> str | None:
    """Tell whether it speaks of counts that it, or the sentence before it, says are of how the site is used."""
    of_use = THESE_COUNTS.search(place.low) and OF_USE.search(f"{place.before} {place.low}")
    return "counts of use" if of_use else None


def _titled(low: str, facts: Facts) -> Purpose | None:
    """Return the one purpose that a sentence with one period names by its title, small words of it left out or other ones."""
    found = [one for one in facts.company.purposes if _title(one.title).search(low)]
    if len(found) != 1 or len(list(re.finditer(PERIOD, low))) != 1:
        return None
    # what is kept as long as there is an account has no period of its own
    return None if "as long as" in found[0].kept_in_words else found[0]


@cache
def _title(title: str) -> re.Pattern[str]:
    """Return what finds a title by the words that tell; by one alone only where it stands as a label."""
    words = [one for one in re.findall(r"[\w'-]+", plain(title)) if not STOP_WORD.fullmatch(one)]
    if len(words) < 2:
        return re.compile(rf"^{re.escape(plain(title))}(?=:| (?:is|are) (?:kept|stored)\b)")
    return re.compile(rf"\b{SOME_WORDS.join(rf'{re.escape(one[:5])}[a-z]*' for one in words)}\b")


def _of_each(low: str, start: int) -> Iterator[tuple[str, re.Match[str]]]:
    """Yield what a sentence that keeps several kinds of data says of each: the kind and its period."""
    for part in PARTS.split(low[start:] if KEEPING.match(low, start) else low):
        found, topic = EACH.fullmatch(part.strip(" .")), _topic(part)
        if found and topic and not DENIED.search(part):
            yield topic, found


def _kept_otherwise(topic: str, found: re.Match[str], facts: Facts) -> str | None:
    return _differs(topic, found, _configured(topic, facts))


def _differs(what: str, found: re.Match[str], configured: list[str]) -> str | None:
    named = period(found)
    if not configured or any(_agrees(named, found["bound"], days_of(one)) for one in configured):
        return None
    return f"It names {named.words} for {what}; configured is {' or '.join(configured)}."


def _topic(low: str) -> str | None:
    found = [name for name, pattern in TOPICS.items() if pattern.search(low)]
    return found[0] if len(found) == 1 else None


def _configured(topic: str, facts: Facts) -> list[str]:
    """Return the periods configured for a kind of data, ISO 8601, each once."""
    pattern = TOPICS[topic]
    about = [one for one in facts.company.purposes if pattern.search(f"{one.title} {' '.join(one.fields)}".lower())]
    stated = [one.kept_for for one in about] or [
        one.kept_for
        for one in facts.company.purposes
        if pattern.search(one.name.replace("_", " ") + f" {one.why}".lower())
    ]
    law = [f"P{years}Y" for ground, years in facts.kept_by_law if pattern.search(ground.lower())]
    return list(dict.fromkeys([*stated, *(law if stated else [])]))


def _agrees(named: Period, bound: str | None, days: float) -> bool:
    if bound is None:
        return named.is_about(days)
    is_least = "least" in bound or "minimum" in bound
    return named.is_about(days) or (days > named.days if is_least else days < named.days)
