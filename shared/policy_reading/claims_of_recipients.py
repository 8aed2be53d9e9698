"""Whom a policy names as getting data, held against the annex. Each rule answers why it is not so."""

from __future__ import annotations

import re
from collections.abc import Iterable

from shared.policy_reading.denials import denied
from shared.policy_reading.facts import Facts, Place
from shared.policy_reading.sentences import Sentence, plain

ALIASES = {
    "google_analytics": ("google analytics",),
    "google_tag_manager": ("google tag manager",),
    "google_cloud_platform": ("google cloud", "gcp", "firebase", "firestore"),
    "stripe": ("stripe",),
    "sendgrid": ("sendgrid", "twilio"),
    "facebook": ("facebook", "meta platforms", "meta pixel", "meta"),
    "instagram": ("instagram", "meta platforms", "meta"),
}
"""Names by which policies call those in the annex, beside their titles."""
SERVICES = re.compile(
    r"\b(?:mailchimp|mailgun|mailjet|brevo|sendinblue|klaviyo|hubspot|salesforce|zendesk"
    r"|freshdesk|crisp chat|hotjar|mixpanel|matomo|fathom analytics|adobe analytics|microsoft clarity"
    r"|fullstory|yandex metrica|amazon web services|aws|microsoft azure|cloudflare|fastly|akamai|heroku|vercel|netlify"
    r"|digitalocean|hetzner|ovh|paypal|braintree|adyen|klarna|mollie|worldpay|shopify|tiktok|linkedin|pinterest|snapchat"
    r"|google ads|google adsense|doubleclick|bing ads|criteo|taboola|outbrain|google maps|google fonts|recaptcha|vimeo|typeform"
    r"|calendly|datadog|new relic|segment\.io|openai|dropbox|trustpilot|auth0|okta|onesignal)\b",
    re.IGNORECASE,
)
ALSO_WORDS = "Amplitude|Azure|Constant Contact|Drift|Intercom|Plausible|Postmark|Sentry|Slack"
NAMED_FIRM = re.compile(
    rf"(?:\b(?:us(?:e|es|ed|ing)|through|via|by|with|to|at|in|from|on|including|as|like|and|or|called|providers?|services?|tools?"
    rf"|(?:sub-?)?processors?) |[,:] |\()(?P<inside>{ALSO_WORDS})\b"
    rf"|^(?P<first>{ALSO_WORDS}) (?:receives|processes|stores|hosts|handles|sends|delivers|counts|measures|collects|provides)\b"
)
"""Firms whose names are English words too: meant only where written as a name, where one that gets or does something stands."""
_SHARES = r"(?:(?! (?:is|are|was|were|will|we|gets?|your (?:\w+ )?(?:data|details|information|address|answers?|name))\b)[^,;])*"
OWN_ACT = re.compile(
    r"\b(?:you|users?|visitors?|customers?|people|anyone|anybody|everyone|everybody|readers?)"
    r"(?: (?:can|may|could|might|also|then|will|like to|want to|wish to|choose to|decide to))*"
    rf" (?:shares?|posts?|pins?|recommends?|follows?|tweets?)\b{_SHARES}"
    rf"|\b(?:pages?|articles?|pictures?|photos?|links?|products?|offers?) (?:can|may) (?:also )?be (?:shared|posted|pinned)\b{_SHARES}",
    re.IGNORECASE,
)
"""What a person shares themselves is no sharing of ours."""
GIVES = re.compile(
    r"\b(?:use|uses|using|share|shares|shared|send|sends|sent|provides?|provided|transfer\w*|pass|passed|disclose\w*|work with"
    r"|works? for|rely|relies|engage\w*|employ|host\w*|process\w*|operated|powered|handled|through|via|including|such as"
    r"|partners?|providers?|processors?|subprocessors?|sub-processors?|recipients?|receives?|handles|stores|delivers|collects|counts|measures)\b"
)
NOT_GIVEN = re.compile(r"\b(?:not|never|no longer|neither|nor|without|instead of|stopped)\b|n't\b")
DENIES_ALL = re.compile(r"\b(?:no|none|nobody|nothing|cannot|refuse\w*|forbid\w*|forbidden|prohibit\w*)\b")
LISTED = re.compile(
    r"\b(?:sub-?processors?|processors|recipients?|service providers?|third[- ]part\w+|works? for us|we work with|share\w* (?:\w+ )?with)\b"
)
CATEGORIES = re.compile(
    r"\b(?:provider|providers|service|services|partner|partners|agency|agencies|authority|authorities|court|courts|company"
    r"|companies|advisers?|advisors?|accountants?|lawyers?|auditors?|banks?|processors?|employees?|staff|affiliates?|group"
    r"|law|police|insurers?|couriers?|carriers?|platforms|networks|customers?|users?|data|tools|hosting|analytics|payments?)\b"
)
PROPER = re.compile(r"(?:[A-Z][\w.&'-]*|\d+)(?: (?:[A-Z][\w.&'-]*|of|and|the|for|by|de|\d+))*")
NAME_ENDS = re.compile(r"\s*(?:[:(,;]|\s[–—-]\s)")
_NOBODY = r"(?:nobody|no one|no-one|no (?:third part\w+|other compan\w+|outsiders?))(?: else)?"
_THEIR_DATA = r"(?:any of |all )?(?:your|the|any|their|our (?:users?|customers?)') (?:personal )?(?:data|information|details)\b(?! cent)"
_ANYBODY = (
    r"(?:any |other |outside )*(?:third part\w+|anyone|anybody|other compan\w+|other organi[sz]ation\w*|others)\b"
)
_NOTHING = r"\b(?:nothing|none of (?:your|the) (?:personal )?(?:data|information|details)\b|no (?:personal )?(?:data|information)\b(?: about you)?)(?: (?:that )?we (?:collect|hold|have|know|store))?"
NO_SHARING = re.compile(
    r"\b(?:is|are) (?:never|not) (?:shared|disclosed|given|passed|transferred|provided|handed)(?: on| over)? (?:to|with) "
    + _ANYBODY
    + r"|\b(?:never|do not|don't|does not|will not|won't|shall not)(?: \w+){0,3}? (?:share|disclose|give|pass|transfer|provide|hand)"
    r"(?: (?:or|and|,)? ?\w+){0,5}? (?:your|any|personal|the|it|them|user|customer|anything|data|information)(?: \w+){0,4}? ?(?:with|to|on to) "
    + _ANYBODY
    + rf"|\b{_NOBODY} (?:ever )?(?:gets?|receives?|obtains?|is given|are given|(?:has|have) access to) {_THEIR_DATA}"
    rf"|\bwe (?:\w+ )?(?:share|give|disclose|pass|transfer|provide)(?: on)? {_THEIR_DATA}(?: on)? (?:with|to) {_NOBODY}"
    rf"|\b(?:data|information|details) (?:is|are) (?:shared|disclosed|given|passed)(?: on)? (?:with|to) {_NOBODY}"
    r"|\bwe (?:do not|don't|never) (?:use|employ|engage|work with) (?:any )?third[- ]part(?:y|ies)(?: (?:services?|providers?|processors?|tools))?(?=\.?$)"
    rf"|\band (?:share|give|disclose|pass) (?:it|them)(?: on)? (?:with|to) {_NOBODY}"
    rf"|{_NOTHING} (?:is|are|will be|has been|gets) (?:ever )?(?:shared|disclosed|given|passed|transferred|provided|handed)(?: on| over)? (?:with|to) {_ANYBODY}"
    rf"|\bwe (?:\w+ )?(?:share|give|disclose|pass|transfer|provide) {_NOTHING}(?: on)? (?:with|to) {_ANYBODY}"
    r"|^(?:third part\w+|outsiders|others) (?:never|do not|don't|will not|will never|cannot)(?: ever)? (?:get|receive|obtain|see|have access to) "
    rf"{_THEIR_DATA}"
    rf"|\b(?:none of our (?:\w+ )?partners|neither (?:our )?partners nor (?:any )?(?:other )?third part\w+) (?:ever )?(?:gets?|receives?|obtains?|sees?) {_THEIR_DATA}"
)
"""What says that nobody gets data; it names no recipients either."""
EXCEPT = re.compile(
    r"\b(?:except\w*|other than|unless|without|besides|apart from|only|save|but|beyond|unrelated|not named|(?:for|of) their own"
    r"|who are not|that are not|unauthori[sz]ed|for (?:direct )?marketing|for money|who do not)\b"
)
FOR_ONE_USE = re.compile(
    r" (?:for (?!any\b|whatever\b|we\b|the\b|advertis|ads\b)(?!(?:\w+ ){0,2}reasons?\b)|(?:in order |so as )?to |so that |that |which |who )"
)
"""What follows is what data is not shared for, or with whom not: no word of the rest."""
FOR_A_WHILE = re.compile(r"(?: \w+){0,3} (?:while|until|before|when|if|during|after|whose|in transit)\b")
KINDS = (
    r"(?:data|information|address|list) (?:brokers?|dealers?|traders?)|brokers? of data|(?:marketing|advertising|ad|media) agenc(?:y|ies)"
    r"|marketing (?:compan(?:y|ies)|firms?)|advertisers?|credit (?:reference |rating |reporting )?(?:agenc(?:y|ies)|bureaus?)"
)
_LED = r"(?: (?:our|other|some|selected|trusted|various|outside|external|chosen|carefully|such|as|third[- ]part\w+|partners?|and|or|,|\(?e\.g\.|including|for|example)|,)*"
GIVEN_TO_A_KIND = re.compile(
    r"\b(?:shared?|shares|disclosed?|discloses|sell|sold|sells|rent|rented|pass|passed|passes|given?|gives|provided?|provides|transfer|transferred"
    rf"|transfers|send|sends|sent|traded?)\b(?: (?!(?:with|to|which|who|that|so)\b)[\w'-]+){{0,6}}? (?:with|to){_LED} "
    rf"(?:(?!(?:which|who|that|to|for|by|because|so)\b)[\w-]+,? (?:and |or )?){{0,3}}?(?P<kind>{KINDS})\b(?! (?:of|for) (?:ours|us)\b)"
)
OF_DATA = re.compile(r"\b(?:data|information|details|profiles?|addresses|it|them)\b")
NAMES_NOBODY = re.compile(
    r"\b(?:aggregat\w+|statistic\w*|summar\w+|figures|counts|totals|reports?|our (?:logo|own|company)|number of)\b"
)
SOLD = re.compile(
    r"\bwe(?: (?:may|might|can|could|will|also|sometimes|or our partners|then|share|rent|use|collect|and|or|,))*,? (?:sell|rent|lease|trade)(?: (?:or|and) \w+)?"
    r" (?:(?:some|any|all|parts) of )?(?:your|personal|user|users'|customers?'?|their|this|that|such)(?: personal| contact| usage| own)? (?:data|information|details|profiles?)\b"
    r"|\byour (?:personal |contact |usage )?(?:data|information|details|profile) (?:(?:may|might|can|could|will) (?:also )?be|is|are) (?:also )?(?:sold|rented)\b"
)
ONLY_ASKED = re.compile(
    r"\b(?:whether|where|how|why|if|unless|until|only|without|with your (?:consent|permission)|do we|should we|were we|once you|after you)\b|\?"
)
"""A question, or what holds only once a person agrees."""
STAYS = re.compile(
    r"\b(?:never|not|n't)(?: (?:be|is|are))?(?: \w+){0,3}? (?:leaves?|transfer\w*|sent|moved|stored|processed|exported)(?: \w+){0,3}? "
    r"(?:outside|out of|beyond|from)?(?: of)?(?: the)? ?(?:european union|eu|eea|european economic area|united kingdom|uk|europe)\b"
    r"|\b(?:only|exclusively|solely)(?: \w+){0,4}? (?:in|within|inside)(?: the)? (?:european union|eu|eea|european economic area|"
    r"united kingdom|uk|europe)\b"
    r"|\b(?:stays?|remains?|(?:is|are) (?:kept|stored|held|processed)) (?:only |solely |exclusively |entirely )?(?:in|within|inside)"
    r"(?: the)? (?:european union|eu|eea|european economic area|united kingdom|uk|europe)\b"
)
UNTRACKED = re.compile(
    r"\b(?:(?:we|this (?:site|website)|our (?:site|website|app)) (?:do|does) not|we don't|we never|never)(?: \w+)? "
    r"(?:use|set|place|employ) (?:any )?(?:cookies|tracking|trackers|analytics|pixels)\b"
    r"|\b(?:free of|without any|no) (?:cookies|trackers|tracking|pixels)(?: or \w+)? (?:are|is) (?:used|set|placed)\b"
)
FOR_OTHER_ENDS = re.compile(
    r"(?: \w+)? (?:to|in order to|for|that|which|of(?! any)) (?!.*\b(?:track|trace|follow|recogni[sz]|identif|analy|count|measur|statistic|advertis|market"
    r"|profil|target|tell (?:you|people|browsers) apart))|(?: \w+)? in (?:our |the |any )?(?:\w+ )?(?:e-?mails?|mails?|newsletters?|messages?)\b"
)
"""What cookies are not used for, where that is no tracking: nothing is said of their other uses."""
UNLESS_ASKED = re.compile(r"\b(?:unless|until|without|before|except|other than|only|beyond)\b")


def names(text: str, name: str, title: str) -> bool:
    """Tell whether words in small letters name one of the annex."""
    return any(re.search(rf"\b{re.escape(one)}\b", text) for one in {title.lower(), *ALIASES.get(name, ())})


def unlisted(place: Place, facts: Facts) -> str | None:
    """Tell whether somebody is named as getting data who is not in the annex."""
    if NOT_GIVEN.search(place.low):
        return None
    words = OWN_ACT.sub(" ", place.sentence.text)
    firms = _firms(words)
    is_given = GIVES.search(plain(words)) or _in_list(place.sentence)
    named = firms if firms and is_given else [_item(place)] if not firms else []
    unknown = [one for one in named if one and not _in_annex(one.lower(), facts)]
    if not unknown:
        return None
    return f"{unknown[0]} is not among the subprocessors of this system: nothing is passed on to it, or erased there."


def _firms(words: str) -> list[str]:
    """Return the firms named in words, as they are written there."""
    also_words = [one["inside"] or one["first"] for one in NAMED_FIRM.finditer(words)]
    return [one[0] for one in SERVICES.finditer(words)] + also_words


def _in_annex(words: str, facts: Facts) -> bool:
    return any(names(words, one.name, one.title) for one in facts.annex)


def _item(place: Place) -> str | None:
    """Return the name that an item of a list of recipients gives, where it is clearly one."""
    sentence = place.sentence
    if not _in_list(sentence):
        return None
    name = NAME_ENDS.split(sentence.text, maxsplit=1)[0].rstrip(". ")
    is_name = len(name.split()) <= 5 and PROPER.fullmatch(name) and not CATEGORIES.search(name.lower())
    return name if is_name else None


def _in_list(sentence: Sentence) -> bool:
    return sentence.is_item and bool(LISTED.search(f"{sentence.section} {sentence.lead}".lower()))


def not_used(place: Place, facts: Facts) -> str | None:
    """Tell whether a list of recipients names one that the company says it does not use."""
    if not _in_list(place.sentence) or NOT_GIVEN.search(place.low):
        return None
    idle = [one for one in facts.annex if one.name in facts.company.not_used]
    found = [one for one in idle if one.title.lower() in place.low]
    return f"{found[0].title} is configured as not used: {facts.company.not_used[found[0].name]}." if found else None


def unnamed(sentences: Iterable[Sentence], facts: Facts) -> list[tuple[str, str]]:
    """Return (machine name, why) of those who work for the company and are not named by a text that names others."""
    text = " ".join(one.low for one in sentences)
    named = [one for one in facts.annex if names(text, one.name, one.title)]
    if not named:
        return []
    return [
        (
            one.name,
            f"{one.title} works for the company and gets {', '.join(one.data)}; the text names others and not this one.",
        )
        for one in facts.used
        if one not in named
    ]


def no_sharing(place: Place, facts: Facts) -> str | None:
    """Tell whether a text says that nobody gets data, or one who is named does not, while somebody or this one does."""
    if not says_nobody(place.low) or not facts.used:
        return denied(place, facts)
    return f"{len(facts.used)} subprocessors get data, {facts.used[0].title} among them."


def says_nobody(low: str) -> bool:
    """Tell whether a sentence says that nobody gets data, without a word of who does, when or for what."""
    found = NO_SHARING.search(low)
    if not found or EXCEPT.search(low) or ONLY_ASKED.search(low):
        return False
    return not FOR_ONE_USE.match(low, found.end()) and not FOR_A_WHILE.match(low, found.end())


def names_kinds(low: str) -> bool:
    """Tell whether a sentence speaks of those who get data, and not of nobody."""
    return bool(LISTED.search(low)) and not says_nobody(low)


def kind_unlisted(place: Place, facts: Facts) -> str | None:
    """Tell whether data is said to go to a kind of firm of which none is in the annex."""
    low = OWN_ACT.sub(" ", place.low)
    found = GIVEN_TO_A_KIND.search(low)
    if not found or not _is_plainly_said(low) or NAMES_NOBODY.search(low) or _in_annex(low, facts):
        return None
    if not OF_DATA.search(low[: found.end()]) or any(found["kind"] in one.role.lower() for one in facts.used):
        return None
    return f"None of the {len(facts.used)} subprocessors of this system is among {_plural(found['kind'])}."


def sold(place: Place, facts: Facts) -> str | None:
    """Tell whether data is said to be sold, which no purpose speaks of."""
    if not SOLD.search(place.low) or not _is_plainly_said(place.low):
        return None
    if any(re.search(r"\b(?:sell|sale|sold|rent)", f"{one.title} {one.why}".lower()) for one in facts.company.purposes):
        return None
    return f"None of the {len(facts.company.purposes)} purposes configured is selling data, and who gets it works for the company."


def _is_plainly_said(low: str) -> bool:
    return not NOT_GIVEN.search(low) and not DENIES_ALL.search(low) and not ONLY_ASKED.search(low)


def _plural(kind: str) -> str:
    return kind if kind.endswith("s") else f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def stays_here(place: Place, facts: Facts) -> str | None:
    """Tell whether a text says that data stays in one part of the world, while somebody takes it elsewhere."""
    if not STAYS.search(place.low) or EXCEPT.search(place.low) or not facts.abroad:
        return None
    return f"Data may be processed elsewhere by {', '.join(facts.abroad)}."


def untracked(place: Place, facts: Facts) -> str | None:
    """Tell whether a text says that nothing tells browsers apart, while something does once a person agrees."""
    found = UNTRACKED.search(place.low)
    if (
        not found
        or UNLESS_ASKED.search(place.low)
        or FOR_OTHER_ENDS.match(place.low, found.end())
        or not facts.trackers
    ):
        return None
    return f"After consent {', '.join(facts.trackers)} set cookies or tell browsers apart."
