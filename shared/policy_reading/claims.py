"""What else a policy claims: anonymity, consent, disclosure, changes, security, where to write. Each rule answers why not."""

from __future__ import annotations

import re

from shared.policy_reading.facts import Facts, Place

_WHOLLY = "always|completely|fully|entirely|strictly|totally|truly|absolutely|100 ?%"
ANONYMOUS = re.compile(
    r"\banonym(?:ous|i[sz]ed) (?:\w+ ){0,3}?(?:data|information|statistics|cookies|usage|form|manner|basis|way|identifiers?)\b"
    r"|\b(?:data|information|it|they|these|this|statistics|cookies|identifiers?|details|usage)(?: \w+){0,6}? (?:is|are|be|remains?|stays?|kept)"
    r"(?: \w+){0,3}? anonym(?:ous|i[sz]ed)\b(?! by (?:you|us on))"
    r"|\b(?:collect|process|us|stor|record|track|measur|gather|analy[sz])(?:e|es|ed|ing)?(?: \w+){0,4}? anonymously\b"
    r"|\bfully anonym\w+"
    r"|\b(?:analytics|statistics|figures|(?:counts|counting|measuring|measurements?|tracking|analysis|evaluation)(?: (?:of|how|on) (?:\w+ ){0,4}?\w+)?)"
    r"(?: data)? (?:is|are|(?:has|have) been|stays?|remains?|works?|runs?|happens?|takes place)"
    rf"(?: (?:done|made|carried out|kept|run|always|purely|both|all|thus|therefore|{_WHOLLY}))* anonym(?:ous|i[sz]ed|ously)\b"
    r"|\b(?:use|run|do|offer|rely on|create|keep|make|collect|gather) (?:only |purely |just )?(?:fully |completely )?anonym(?:ous|i[sz]ed) "
    r"(?:\w+ )?(?:analytics|tracking|measurements?|counting|web analysis|page views|clicks|visits)\b"
    r"|\b(?:count|evaluat|logg?|captur|observ|register|sav|keep|kept|happen|work|run)(?:e|es|ed|s|ing)?(?: \w+){0,4}? anonymously\b"
    r"|\b(?:is|are|gets?) anonymously (?:collect|process|stor|record|track|measur|gather|analy[sz]|count|evaluat|log|captur|observ|sav|us)(?:ed)\b"
    r"|\bwe anonymously (?:collect|process|store|record|track|measure|gather|analy[sz]e|count|evaluate|log|observe)\b"
    r"|\bwe anonymi[sz]e (?:all |any |your |the |these )?(?:\w+ )?(?:data|statistics|visits|page views|clicks)\b"
)
UNTRACEABLE = re.compile(
    r"\b(?:can ?not|can't|can never|never|not|no way|impossible to)(?: \w+)?(?: be)? "
    r"(?:trac(?:e|ed)|link(?:ed)?|connect(?:ed)?|tied|attribut(?:e|ed))(?: back)? (?:back )?to "
    r"(?:you|any|an? (?:individual|person|natural)|your|single|specific)"
    r"|\b(?:can ?not|can't|does not|do not|never)(?: \w+)? (?:personally )?identif(?:y|ies) (?:you|any (?:individual|person))\b"
)
ABOUT_USE = re.compile(
    r"\b(?:usage|use of (?:our|the)|cookies?|analytics?|statistic\w*|visit\w*|brows\w+|interact\w*|track\w*|pixel\w*|advertis\w*"
    r"|marketing|partners?|third[- ]part\w+|page views?|clicks?|reach|how (?:you|people|users|visitors))\b"
)
NOT_ANONYMOUS = re.compile(
    r"\b(?:not|never|no longer|cannot be (?:called|considered)|isn't|aren't|neither)(?: \w+){0,3} anonym"
    r"|pseudonym|\banonymi[sz]ed? (?:your |the )?ip\b|\bip[- ]addresses?(?: \w+){0,4} anonymi[sz]|\bip[- ]anonymi[sz]"
    r"|\b(?:delete[sd]?|erase[sd]?|deleted|removed?) or (?:\w+ )?anonymi[sz]|\banonymi[sz]ed? or (?:\w+ )?delete"
    r"|\b(?:may|can|could|might|or) (?:be )?(?:\w+ or )?anonymi[sz]ed\b|\b(?:shortened|truncated|masked)\b"
    r"|\bour own (?:counts|statistics|counters|analytics|figures)\b|\banonymous(?:ly)? (?:report|complain|question|tip)|\bif (?:\w+ ){1,8}anonym"
    r"|\b(?:you|visitors|users|guests|people) (?:can|may|could|might|want to|wish to|like to)(?: \w+){0,5} anonym|\bcannot (?:promise|say|claim|be sure)\b"
    r"|\b(?:once|before you|after|until|unless|would|wish|hope|want|wanted)\b(?: [\w,]+){0,9} anonym|\banonym\w+(?: \w+){0,4} (?:once|after|before|until|unless|if)\b"
    r"|\banonymously if\b|\bno (?:\w+ ){1,4}(?:is|are) (?:\w+ )?anonym|\b(?:think|believe|calls?|claims?|says?|writes?)\b(?: \w+){0,5} anonym|\?$"
)
BY_DOING = re.compile(
    r"\b(?:by|when|if you|in)(?: \w+)?(?: (?:and|or|,) \w+)? ?(?:continu(?:e|ing)(?: to)? (?:\w+ )?)?"
    r"(?:us(?:e|ing)|access(?:ing)?|visit(?:ing)?|brows(?:e|ing)|enter(?:ing)?|accept(?:ing)?|read(?:ing)?|register(?:ing)?"
    r"|signing up|creating|provid(?:e|ing)|submitting|continuing)\b(?P<what>.{0,160}?)\b"
    r"(?:you|users?|visitors?)(?: (?:hereby|also|expressly|explicitly|automatically|therefore|thereby|give|are giving|will))* "
    r"(?:consent|accept|agree)\b(?P<to>.{0,120})"
)
ITS_USE_IS = re.compile(
    r"\b(?:your )?(?:continued |further |mere |ongoing )*(?:use|access|visit|registration|presence|browsing)\b.{0,80}?"
    r"\b(?:constitutes?|signif(?:y|ies)|means|implies|indicates|will be (?:deemed|considered|taken)|(?:is|are) (?:deemed|considered|taken|regarded)"
    r"|amounts to|shall be (?:deemed|considered))\b.{0,60}?\b(?:consent|acceptance|agreement|accept|agree|accepted)\b"
)
REAL_CONSENT = re.compile(
    r"\b(?:accepting (?:all |optional |these |the |our )?cookies|ticking|tick|checking the box|check the box|switch|button|banner|toggle"
    r"|your consent|cookie (?:banner|settings|notice))\b"
)
TO_DATA = re.compile(
    r"\b(?:process\w*|collect\w*|us(?:e|ing)|shar\w+|stor\w+|transfer\w*|polic\w+|practices|data|information|details|notice)\b"
)
TERMS = re.compile(r"\b(?:terms|conditions)(?: (?:and|&) conditions)?(?: of (?:service|use|sale|business|trade))?\b")
"""Accepting them makes a contract; it says nothing of data yet."""
OWN_DUTY = re.compile(
    r" (?:to (?:use(?! of\b)|provide|keep|tell|inform|notify|update|follow|respect|pay|comply|abide|obey|treat|act|behave)\b|that you |not to )"
)
"""What a person undertakes: `agree to use it fairly`."""
DENIES = re.compile(r"\b(?:not|cannot|never|no)\b|n't\b")
WITHOUT_NOTICE = re.compile(
    r"\bwithout (?:\w+ ){0,4}?(?:or |and )?(?:any |prior |further |previous |advance )*(?:notice|notification|notifying|informing|telling|warning"
    r"|your knowledge)\b"
)
DISCLOSES = re.compile(
    r"\b(?:disclos\w+|provid\w+|shar\w+|hand(?:ed|ing)? over|releas\w+|giv(?:e|ing)|transfer\w*|pass(?:ed)? on|surrender\w*)\b"
)
DEMANDED = re.compile(
    r"\b(?:law|legal\w*|court|courts|judge|authorit\w+|police|government\w*|agenc\w+|subpoena|warrant|order|personal\w*|information|data)\b"
)
FORBIDDEN = re.compile(
    r"\b(?:where|when|if|unless|only|as far as|to the extent)\b.{0,60}\b(?:law|forbid\w*|prohibit\w*|legally|lawful\w*|court)\b"
)
NEVER_WITHOUT = re.compile(
    r"\b(?:never|not|nothing|no change|no data)\b(?: \w+){0,12} without\b|n't(?: \w+){0,8} without\b"
)
CHANGES = re.compile(
    r"\b(?:chang\w+|modif\w+|amend\w*|updat\w+|revis\w+|replac\w+)\b.{0,80}\b(?:policy|notice|statement|terms|it)\b"
    r"|\b(?:policy|statement)\b.{0,60}\b(?:chang\w+|modif\w+|amend\w*|updat\w+|revis\w+)\b"
)
SUPERLATIVE = re.compile(
    r"\b(?:full|fully|complete|completely|total|totally|100 ?%|absolute|entirely|strict) (?:in )?(?:compl(?:y|ies|iance|iant)|conform\w*)"
    r"|\bcompl(?:y|ies) (?:fully|completely|entirely|100 ?%) with|\bcompliant in (?:full|every respect)"
    r"|\bhighest (?:\w+ ){0,3}?(?:standards?|levels?|degree|security|protection|safety)\b"
    r"|\b(?:best|strongest|greatest|utmost|maximum)(?: possible| available| conceivable)? (?:\w+ )?(?:protection|security|safety|safeguards?|encryption)\b"
    r"|\b(?:100 ?%|completely|absolutely|totally|perfectly|fully|always) (?:secure|safe|protected|confidential)\b"
    r"|\b(?:latest|newest|most advanced|most modern|unbreakable|military[- ]grade|bank[- ](?:level|grade)) "
    r"(?:\w+ ){0,2}?(?:encryption|security|technolog\w+|protection|safeguards?|measures?)\b"
    r"|\b(?:guarantee|guarantees|ensure that)(?: \w+){0,3} (?:security|safety|confidentiality) of\b|\bimpossible to (?:hack|breach|intercept|steal)"
    r"|\b(?:can ?not|never|no one can|nobody can)(?: be)? (?:hack|breach|stolen|lost)(?:ed)?\b"
)
MODEST = re.compile(
    r"\b(?:no|not|cannot|never|nor|neither|none|nobody|aim|strive|try|endeavou?r)\b[^.;]{0,60}?\b(?:100 ?%|complet\w+|absolut\w+|fully|full|guarantee\w*"
    r"|perfectly|totally|highest|always|total\w*|strict|latest|best|utmost|maximum|entirely)"
)
ON_ITS_WAY = re.compile(
    r"(?: \w+){0,2} (?:by|with|through|using|over|via) (?:\w+ ){0,2}?(?:tls|ssl|https|encryption)\b"
)
"""What protects data on its way is named, and can be seen to do so."""
ADDRESS = re.compile(r"[a-z0-9._%+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,5}")
ABOUT_RIGHTS = re.compile(
    r"\b(?:rights?|object\w*|opt(?:ing)?[- ]out|unsubscri\w*|delet\w+|eras\w+|request\w*|privacy|contact us|contacting us|personal data)\b"
)
SOMEBODY_ELSE = re.compile(
    r"\b(?:protection officer|dpo|representative|authority|commissioner|ombuds\w*|regulator|press|careers|sales|stripe|google)\b"
)
OPT_OUT_OF_ALL = re.compile(
    r"\b(?:unsubscribe from|opt[- ]out of|opt out from|stop receiving|stop|turn off) (?:receiving )?(?:all|any|every)(?: of)?(?: (?:our|the))? "
    r"(?:further )?(?:e-?mails?|mails?|messages|communications?|correspondence|notifications)\b(?P<more>.{0,40})"
)
OF_MARKETING = re.compile(
    r"\b(?:market\w*|promot\w*|newsletter|advertis\w*|commercial|except|other than|apart from|unless|offers|direct)\b"
)
OF_SOME = re.compile(r" (?:about|regarding|(?:in|on|of) (?:your|the) (?:browser|device|phone))\b")
AGE = re.compile(
    r"\b(?:under|below|younger than)(?: the age of| age)? (?P<under>\d{1,2})\b"
    r"|\b(?:at least|minimum age (?:is|of)|must be(?: aged)?) (?P<least>\d{1,2})(?: years| or (?:older|over|above)|\b)"
    r"|\b(?P<over>\d{1,2}) (?:years (?:old |of age )?)?(?:or|and) (?:older|over|above)\b"
)
WITH_A_PARENT = re.compile(
    r"\b(?:visit|come|attend|enter|read|look)\w*\b.{0,60}\b(?:with|accompanied by|together with) (?:an? |their |his |her |your )?(?:parent|guardian|adult)"
)
"""A visit in company sets no minimum age."""
OF_A_PURCHASE = re.compile(r"\bto (?:buy|order|purchase|win|enter|take part)\b|\balcohol|\btobacco")
ABOUT_AGE = re.compile(r"\b(?:child\w*|minors?|years? (?:old|of age)|age|aged|younger|older)\b")


def anonymous(place: Place, facts: Facts) -> str | None:
    """Tell whether what client ids and pixels make personal is called anonymous."""
    low = place.low
    context = f"{low} {place.before} {place.section}"
    claims = ANONYMOUS.search(low) or UNTRACEABLE.search(low)
    if not claims or not ABOUT_USE.search(context) or NOT_ANONYMOUS.search(low) or not facts.trackers:
        return None
    return (
        f"{', '.join(facts.trackers)} tell browsers apart by ids and addresses; that is personal data, not anonymous."
    )


def consent_by_acceptance(place: Place, facts: Facts) -> str | None:
    """Tell whether reading, using or accepting is said to be consent."""
    low, doing = place.low, BY_DOING.search(place.low)
    by_doing = doing and _is_of_data(doing["to"]) and not DENIES.search(doing[0])
    its_use_is = ITS_USE_IS.search(low)
    if (not by_doing and not its_use_is) or REAL_CONSENT.search(low):
        return None
    if its_use_is and not by_doing and (DENIES.search(its_use_is[0]) or _is_of_terms(low[its_use_is.end() :])):
        return None
    return "Reading or accepting a policy is no consent: here each purpose on consent is asked for by itself, and recorded."


def _is_of_data(words: str) -> bool:
    """Tell whether what one agrees to is what becomes of data, and not a contract's terms or something to do oneself."""
    return bool(TO_DATA.search(TERMS.sub(" ", words))) and not OWN_DUTY.match(words)


def _is_of_terms(words: str) -> bool:
    return bool(TERMS.search(words)) and not _is_of_data(words)


def disclosed_untold(place: Place, facts: Facts) -> str | None:
    """Tell whether data is said to be handed over without a word to the person."""
    low = place.low
    if not WITHOUT_NOTICE.search(low) or not DISCLOSES.search(low) or not DEMANDED.search(low):
        return None
    if FORBIDDEN.search(low[low.index("without") :]) or NEVER_WITHOUT.search(low) or _is_about_changes(place):
        return None
    return "A demand is to be checked, may be refused or narrowed, and is kept from the person only where law forbids to tell."


def changed_untold(place: Place, facts: Facts) -> str | None:
    """Tell whether the policy is said to change without notice."""
    if not WITHOUT_NOTICE.search(place.low) or not _is_about_changes(place) or NEVER_WITHOUT.search(place.low):
        return None
    return "Every version published here is announced by e-mail to every account."


def _is_about_changes(place: Place) -> bool:
    return bool(CHANGES.search(place.low)) and "polic" in f"{place.low} {place.section} {place.before}"


def superlative(place: Place, facts: Facts) -> str | None:
    """Tell whether something is claimed that no configuration can prove."""
    found = SUPERLATIVE.search(place.low)
    if not found or MODEST.search(place.low) or ON_ITS_WAY.match(place.low, found.end()):
        return None
    return f"No configuration can prove “{found[0]}”. Say what is done instead."


def other_contact(place: Place, facts: Facts) -> str | None:
    """Tell whether people are sent to an address whose mail this system does not read."""
    ours = {facts.company.contact.lower()}
    found = [one for one in ADDRESS.findall(place.low) if one.rstrip(".") not in ours]
    about = ABOUT_RIGHTS.search(f"{place.low} {place.section}")
    if not found or not about or SOMEBODY_ELSE.search(place.low):
        return None
    return f"Requests are read at {facts.company.contact}; a mail to another address starts nothing here."


def opts_out_of_all(place: Place, facts: Facts) -> str | None:
    """Tell whether people are said to be able to stop service mail too."""
    found = OPT_OUT_OF_ALL.search(place.low)
    if (
        not found
        or OF_SOME.match(found["more"])
        or OF_MARKETING.search(f"{found[0]} {place.section}")
        or DENIES.search(place.low[: found.start()][-20:])
    ):
        return None
    return "Only marketing stops: notices of a changed policy and answers to requests are always sent."


def other_age(place: Place, facts: Facts) -> str | None:
    """Tell whether another minimum age is named than the one configured."""
    found = AGE.search(place.low)
    if (
        not found
        or not ABOUT_AGE.search(place.low)
        or OF_A_PURCHASE.search(place.low)
        or WITH_A_PARENT.search(place.low)
        or place.low[found.end() :].lstrip().startswith(("%", "per cent", "percent", "day", "month"))
    ):
        return None
    named = int(found["under"] or found["least"] or found["over"])
    if named == facts.company.minimum_age or not 10 <= named <= 21:
        return None
    return f"It names {named}; the minimum age configured is {facts.company.minimum_age}."
