"""Whom a policy names as getting data, held against the annex. Each rule answers why it is not so."""

from __future__ import annotations

import re
from collections.abc import Iterable

from shared.policy_reading.facts import Facts, Place
from shared.policy_reading.sentences import Sentence

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
    r"\b(?:mailchimp|mailgun|mailjet|brevo|sendinblue|klaviyo|constant contact|postmark|hubspot|salesforce|zendesk|intercom"
    r"|freshdesk|crisp chat|drift|hotjar|mixpanel|amplitude|matomo|plausible|fathom analytics|adobe analytics|microsoft clarity"
    r"|fullstory|yandex metrica|amazon web services|aws|microsoft azure|azure|cloudflare|fastly|akamai|heroku|vercel|netlify"
    r"|digitalocean|hetzner|ovh|paypal|braintree|adyen|klarna|mollie|worldpay|shopify|tiktok|linkedin|pinterest|snapchat"
    r"|google ads|google adsense|doubleclick|bing ads|criteo|taboola|outbrain|google maps|google fonts|recaptcha|vimeo|typeform"
    r"|calendly|datadog|new relic|sentry|segment\.io|openai|slack|dropbox|trustpilot|auth0|okta|onesignal)\b"
)
GIVES = re.compile(
    r"\b(?:use|uses|using|share|shares|shared|send|sends|sent|provide|provided|transfer\w*|pass|passed|disclose\w*|work with"
    r"|works? for|rely|relies|engage\w*|employ|host\w*|process\w*|operated|powered|handled|through|via|including|such as"
    r"|partners?|providers?|processors?|subprocessors?|sub-processors?|recipients?)\b"
)
NOT_GIVEN = re.compile(r"\b(?:not|never|no longer|neither|nor|without|instead of|stopped)\b|n't\b")
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
NO_SHARING = re.compile(
    r"\b(?:is|are) (?:never|not) (?:shared|disclosed|given|passed|transferred|provided|handed)(?: on| over)? (?:to|with) "
    r"(?:any |other )*(?:third part\w+|anyone|anybody|other compan\w+)|"
    r"\b(?:never|do not|don't|does not|will not|won't|shall not)(?: \w+){0,3}? (?:share|disclose|give|pass|transfer|provide|hand)"
    r"(?: (?:or|and|,)? ?\w+){0,5}? (?:your|any|personal|the|it|them|user|customer)(?: \w+){0,4}? ?(?:with|to|on to) "
    r"(?:any |other |outside )*(?:third part\w+|anyone|anybody|other compan\w+|other organi[sz]ation\w*|others)"
)
EXCEPT = re.compile(
    r"\b(?:except\w*|other than|unless|without|besides|apart from|only|save|but|beyond|unrelated|not named|for their own"
    r"|who are not|that are not|unauthori[sz]ed|for (?:direct )?marketing|for money|who do not)\b"
)
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
UNLESS_ASKED = re.compile(r"\b(?:unless|until|without|before|except|other than|only|beyond)\b")


def names(text: str, name: str, title: str) -> bool:
    """Tell whether words in small letters name one of the annex."""
    return any(re.search(rf"\b{re.escape(one)}\b", text) for one in {title.lower(), *ALIASES.get(name, ())})


def unlisted(place: Place, facts: Facts) -> str | None:
    """Tell whether somebody is named as getting data who is not in the annex."""
    low, named = place.low, SERVICES.search(place.low)
    if named and not _in_annex(named[0], facts) and not NOT_GIVEN.search(low) and _is_recipient(place):
        return f"{named[0].title()} is not among the subprocessors of this system: nothing is passed on to it, or erased there."
    item = _item(place)
    if item and not named and not _in_annex(item.lower(), facts) and not NOT_GIVEN.search(low):
        return f"{item} is not among the subprocessors of this system: nothing is passed on to it, or erased there."
    return None


def _is_recipient(place: Place) -> bool:
    return bool(GIVES.search(place.low) or _in_list(place.sentence))


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
    """Tell whether a text says that nobody gets data, while somebody does."""
    if not NO_SHARING.search(place.low) or EXCEPT.search(place.low) or not facts.used:
        return None
    return f"{len(facts.used)} subprocessors get data, {facts.used[0].title} among them."


def stays_here(place: Place, facts: Facts) -> str | None:
    """Tell whether a text says that data stays in one part of the world, while somebody takes it elsewhere."""
    if not STAYS.search(place.low) or EXCEPT.search(place.low) or not facts.abroad:
        return None
    return f"Data may be processed elsewhere by {', '.join(facts.abroad)}."


def untracked(place: Place, facts: Facts) -> str | None:
    """Tell whether a text says that nothing tells browsers apart, while something does once a person agrees."""
    if not UNTRACKED.search(place.low) or UNLESS_ASKED.search(place.low) or not facts.trackers:
        return None
    return f"After consent {', '.join(facts.trackers)} set cookies or tell browsers apart."
