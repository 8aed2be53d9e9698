"""What a policy says it does not do with those in the annex: use them, or give them data. Whole clauses are read, or nothing.

Names are put into a clause as single letters of Unicode's private use area, so that a pattern can ask for a list of them.
A pattern has to cover the clause from its first word to its last: `we do not use Facebook to log you in` denies something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from shared.policy_reading.facts import TRACKERS, Facts, Place
from shared.policy_reading.sentences import Sentence, plain

GOOGLE = ("google_analytics", "google_tag_manager", "google_cloud_platform")
SPOKEN: Mapping[str, Sequence[str]] = {
    "ga4": ("google_analytics",),
    "universal analytics": ("google_analytics",),
    "gtm": ("google_tag_manager",),
    "google cloud": ("google_cloud_platform",),
    "gcp": ("google_cloud_platform",),
    "firebase": ("google_cloud_platform",),
    "firestore": ("google_cloud_platform",),
    "google": GOOGLE,
    "twilio": ("sendgrid",),
    "twilio sendgrid": ("sendgrid",),
    "meta": ("facebook", "instagram"),
}
"""Whom people mean by a name that is no title in the annex: any one of them."""
FIRST, OTHER = 0xE000, "\ue0ff"
"""The letters that stand for the names of the annex, and the one that stands for any other name or a quotation."""
MOST_NAMES = 200
LONGEST = 400
"""Letters of a clause: whoever plainly denies something does not take longer."""
NAME = rf"[{chr(FIRST)}-{OTHER}]"
CONDITION = re.compile(
    r"\b(?:if|unless|until|till|without|before|after|when|whenever|while|once|only|just|except|excluding|other than|apart from|besides|beyond|save"
    r"|whether|where|outside|instead|their own|by default|(?:so|as) long as|provided|consent\w*|permission|agreed?|allow|opt(?:ed|ing)?[- ](?:in|out)"
    r"|declin\w+|(?<!we )refus\w+|reject\w*|object\w*|withdraw\w*|withdrew|more than|rather than|not (?:all|every|each|just))\b|\?"
)
"""What makes a denial hold for a while, for some, or not at all."""
OF_SOME = re.compile(
    r"\b(?:if|unless|until|without|before|after|declin\w+|refus\w+|reject\w*|withdraw\w*|child\w*|minors?|applicants?|appl(?:y|ying)|candidates?|careers?|jobs?|employees?|staff|suppliers?|app|apps|trial|demo)\b"
)
"""A section about these says nothing of everybody, or of always."""
MARKS = re.compile(
    r"^[\d.)( ]+|(?<=[ ,(])(?:no,|yes,) |\([^()]{0,80}\) ?|, (?=or any|nor any|or other)|,? (?:directly or indirectly|indirectly or directly)(?=[ .])"
)
"""Numbers, brackets and fillings that change nothing of what is said."""
CLAUSE = re.compile(
    r"; | [–—-] |,? (?:but|and|so) (?=(?:we|our|this|the|it|no|none|nothing|neither|your)\b"
    rf"|{NAME} (?:gets?|receives?|do|does|is|are|has|have|never|will)\b)"
)
LEAD = (
    r"(?:(?:and|but|also|likewise|similarly|moreover|furthermore|finally|generally|currently|in (?:particular|addition|short|general)|of course"
    r"|(?:please )?(?:note|be aware) that|importantly|to be clear|put simply|that is why|for th(?:is|at) reason|therefore"
    r"|for the avoidance of doubt|as an? (?:\w+ ){1,4}(?:business|company|firm|shop|team)(?=,)|as a matter of (?:principle|course)|(?:we|i) (?:promise|confirm|guarantee|assure you|can assure you)(?: you)?(?: that)?"
    r"|(?:you can )?rest assured(?: that)?|to protect your privacy|for (?:your|more) privacy|(?:because|since|as) we (?:value|respect|care)[^,]{1,40}(?=,)"
    r"|unlike (?:many|most|some) (?:\w+ ){0,2}(?:sites|websites|shops|companies|firms|others)"
    r"),? ){0,4}"
)
US = (
    r"(?:we|(?:none of )?(?:our|this|the) (?:own )?(?:(?:web ?)?(?:sites?|pages?|shop)|service|company|platform|online shop|store|business|team))"
    r"(?: (?:also|currently|deliberately|intentionally|simply|consciously|strictly))?"
)
NOT = (
    r"(?:(?:do|does|did|will|shall|have|has|can)(?: (?:also|currently|absolutely|certainly|simply))? not"
    r"(?:,? (?:and|nor) (?:never )?(?:will|would|shall|do|have|can)(?: (?:not|never))?,?)?|never,? ever|never(?: (?:do|have|did|and will never))?"
    r"|(?:will|shall|would|have|has|does|do) never|no longer|not)"
    r"(?: (?:ever|knowingly|actively|currently|at any time|in any way|under any circumstances))?"
)
USE = (
    r"(?:uses?|used|employ(?:s|ed)?|works? with|worked with|(?:rely|relies|relied) on|engaged?|integrated?|embed(?:s|ded)?|runs?|loads?|loaded"
    r"|install(?:ed)?|include[sd]?|contains?|utili[sz]es?|utili[sz]ed|cooperates? with|co-operates? with|partners? with|deploy(?:ed)?"
    r"|advertis(?:e|ed) (?:on|with|through|via)|exchange(?:s|d)? (?:any )?data with|involve[sd]?)"
)
OF_THEIRS = r"(?:(?:any |the |a |either )?(?:(?:services?|tools?|products|technolog(?:y|ies)|software|offers) (?:of|from|by|offered by|provided by) )?)?"
FIRMS = (
    r"(?:(?:any |other |the |large |big |social |advertising |tech(?:nology)? |media |third |outside )*"
    r"(?:companies|firms|networks?|platforms|part(?:y|ies)|services?|providers?|tools|giants|corporations)(?: (?:like|such as|including)|,? e\.g\.),? )?"
)
LIST = (
    rf"{FIRMS}(?P<list>(?:either )?{NAME}(?:(?:,? (?:and|or|nor|as well as)|,| /|/| &) (?:any |to |with |on |by |from |the ){{0,3}}{NAME}){{0,20}})"
    r"(?:,? (?:and|or|nor) (?:(?:to |with |by |any )*(?:any |other |similar |another |such |social |tracking |analytics |advertising |third )+"
    r"(?:tools?|services?|trackers?|networks?|media|compan(?:y|ies)|firms?|part(?:y|ies)|platforms?|pixels?|provider|providers|programs?)"
    r"|(?:to |with )?(?:anyone|anybody)(?: else)?|(?:to |with )?others|the like|similar|(?:their|its) (?:partners|affiliates|companies|subsidiaries|services)))?"
)
LIST_PAY, LIST_MAIL, LIST_TRACK = (LIST.replace("<list>", f"<{what}>") for what in ("payment", "mail", "track"))
SHARE_ = r"share|send|give|disclose|pass|transfer|transmit|provide|forward|hand|supply|deliver|upload|report|expose|leak|reveal|release|export|feed"
SHARE = rf"(?:(?:sell|rent|trade|lease)(?:, | or |, or ))*(?:{SHARE_})s?(?:(?:, | or |, or | nor )(?:{SHARE_}|sell|rent|trade|lease))*(?: (?:on|over|out|along))?"
SHARED = (
    r"(?:(?:sold|rented|traded)(?:, | or |, or | nor ))*"
    r"(?:shared|sent|given|disclosed|passed|transferred|transmitted|provided|forwarded|handed|supplied|delivered|uploaded|reported|made available"
    r"|revealed|released|exposed|exported|fed)"
    r"(?:(?:, | or |, or | nor )(?:shared|sent|given|disclosed|passed|transferred|sold|rented))*(?: (?:on|over|out|along))?"
)
OF_WHOM = (
    r"(?: (?:about|on|of|from|concerning|relating to) (?:you|yours|us|ours|(?:any of )?(?:our|its) (?:\w+ )?(?:users?|customers?|visitors?|members?|readers?|guests?|clients?)"
    r"|anyone|anybody|any (?:user|visitor|customer|person))| (?:that )?we (?:collect|hold|have|know|store|gather|process)(?: (?:about|on|of) (?:you|our \w+))?)?"
)
OF_ANY_KIND = r"(?: (?:whatsoever|at all|of any (?:kind|sort)))?"
ANY = (
    r"(?:any|all|your|the|our|of|personal|own|single|private|user|users'|user's|customer|customers'|customer's|visitor|visitors'|kinds?|forms?|sorts?"
    r"|pieces?|bits?|whatsoever|or|other)"
)
DATA = rf"(?:(?:{ANY} ){{0,8}}(?:data|information|details|info)|(?:even )?anything){OF_WHOM}{OF_ANY_KIND}"
NO_DATA = (
    rf"(?:nothing|absolutely nothing|(?:absolutely )?no (?:{ANY} ){{0,8}}(?:data|information|details|info)"
    rf"|none of (?:{ANY} ){{0,8}}(?:data|information|details|info)|not (?:a single|one) (?:piece|bit|byte) of (?:{ANY} ){{0,8}}(?:data|information|details)|zero data)"
    rf"{OF_WHOM}{OF_ANY_KIND}"
)
PREP = r"(?:to|with|on to|onto|over to|into)"
GETS = (
    r"(?:gets?|receives?|received|obtains?|sees?|learns?|collects?|(?:has|have|gains?|gets?) (?:any )?access to|(?:is|are) (?:given|sent|provided with|told|shown)"
    r"|gathers?|records|takes?|stores?|holds?)"
)
BE = r"(?:(?:is|are|was|were|gets?|will|shall|has|have|can)(?: (?:not|never|ever|also))?(?: (?:be|been))?(?: being)?(?: ever)?)"
NOT_BE = (
    r"(?:(?:is|are|was|were|will|shall|has|have|can)(?: (?:not|never|no longer|neither))(?: (?:be|been))?(?: ever)?(?: be)?"
    r"|never (?:is|are|will be|gets?)|(?:is|are) neither(?: used nor)?)"
)
TAIL = (
    r"(?:(?:,| and| or|,? nor)? ?(?:at all|ever|in any (?:way|form|manner|case|shape or form)|for any (?:purpose|reason)s?(?: whatsoever)?|for whatever (?:purpose|reason)"
    r"|under any circumstances|(?:on|in|by|from|with|at|of) (?:any of )?(?:our|this|the) (?:(?:web ?)?sites?|pages?|shop|service|services|emails?|e-mails?|behalf|company)"
    r"|any ?more|any longer|whatsoever|(?:from|by) us|about you|either|today|here|full stop|period|never (?:will|have|did)(?: do)?(?: so)?"
    r"|directly|indirectly|neither)){0,6}"
    r"(?:,? (?:because|since|as) we (?:value|respect|care|believe|take)\b[^.]{0,120})?[.! ]*"
)
FORMS = (
    # we do not use Facebook
    rf"{US} {NOT} {USE} {OF_THEIRS}{LIST}",
    rf"{US} neither {USE} {OF_THEIRS}{LIST}",
    rf"{US} (?:(?:have|has) )?(?:stopped using|removed|banned|abandoned|no longer use|makes? no use of|(?:uses?|used|employs?|works? with) (?:neither|no)) {OF_THEIRS}{LIST}",
    rf"(?:no|neither) {OF_THEIRS}{LIST} {BE} (?:used|loaded|installed|integrated|embedded|employed|involved|running|active|deployed)",
    (
        rf"{LIST} {NOT_BE} (?:used|loaded|installed|integrated|embedded|employed|involved|running|active|deployed"
        r"|(?:among|one of) our (?:sub-?)?(?:processors|recipients|partners|providers|service providers)|an? (?:sub-?)?(?:processor|partner|recipient) of ours)"
    ),
    rf"{US} (?:have|has) no (?:\w+ )?(?:relationship|relations|dealings|contract|connection|agreement) with {LIST}",
    rf"you (?:will|do|can) (?:not|never) find {OF_THEIRS}(?:any |an? )?{LIST}",
    rf"there (?:is|are) (?:no|not any) {LIST}",
    rf"{US} (?:contains?|has|have|is free (?:of|from)|are free (?:of|from)|sets?|carr(?:y|ies)) (?:no )?{LIST}",
    # we do not share your data with Facebook
    rf"{US} {NOT} {SHARE} {DATA}(?: (?:on|over))? {PREP} {LIST}",
    rf"{US} (?:have|has) (?:never|not)(?: ever)? {SHARED} {DATA} {PREP} {LIST}",
    rf"{US} {NOT} (?:make|makes) {DATA} (?:available|accessible) to {LIST}",
    rf"{US} {NOT} (?:give|grant|send|provide|offer)s? {LIST} (?:with )?(?:(?:any )?access to )?{DATA}",
    rf"{US} {NOT} let {LIST} (?:see|have|get|access|collect|receive) {DATA}",
    rf"{US} (?:never )?{SHARE} (?:absolutely )?{NO_DATA}(?: (?:on|over))? {PREP} {LIST}",
    rf"{US} (?:give|grant|send|provide)s? {LIST} (?:no access to {DATA}|{NO_DATA})",
    rf"{US} {SHARE} {DATA} (?:{PREP} neither|neither {PREP}) {LIST}",
    rf"{US} {SHARE} {DATA} {PREP} {NAME}(?:(?:,| and) {NAME})*,? (?:but |and )?(?:not|never) {PREP} {LIST}",
    # cookies, payments and mails, which some of them are for
    rf"{US} {NOT} {USE} (?:any )?(?:scripts?|trackers?|pixels?|cookies|tags?|tracking)(?: tools?)? (?:of|from|by) {LIST_TRACK}",
    rf"{US} {NOT} track (?:you|visitors|users|anyone|anybody|our (?:users|visitors|customers)|your visits?) (?:with|through|via|by|using) {LIST_TRACK}",
    rf"{US} {NOT} (?:process|take|handle|accept|collect)s? (?:(?:any|your|our|the) )*payments? (?:through|with|via|by|using|over) {LIST_PAY}",
    rf"(?:(?:your|our|the|all) )*payments? {NOT_BE} (?:processed|taken|handled|accepted|made) (?:through|with|via|by|using|over) {LIST_PAY}",
    rf"{US} {NOT} (?:send|deliver)s? (?:(?:any|you|our|the|your) )*(?:e-?mails?|mails?|newsletters?) (?:through|with|via|by|using|over) {LIST_MAIL}",
    rf"(?:(?:your|our|the|all) )*(?:e-?mails?|mails?|newsletters?) {NOT_BE} (?:sent|delivered) (?:through|with|via|by|using|over) {LIST_MAIL}",
    # your data is not shared with Facebook
    rf"{NO_DATA} {BE} (?:ever )?{SHARED} {PREP} {LIST}",
    rf"{NO_DATA} (?:will )?(?:ever )?(?:goes|go|flows?|gets|reach|reaches|ends? up) ?(?:to|with|at)? {LIST}",
    rf"{DATA} {NOT_BE} {SHARED} {PREP} {LIST}",
    rf"{DATA} {BE} (?:{SHARED} (?:{PREP} neither|neither {PREP})|neither {SHARED} {PREP}) {LIST}",
    rf"{DATA} {NOT} (?:goes|go|flows?|gets?|reach|reaches|end up)(?: (?:to|with|at))? {LIST}",
    # Facebook gets nothing
    rf"{LIST} {NOT} {GETS} {DATA}",
    rf"{LIST} (?:will )?(?:ever )?{GETS} {NO_DATA}",
    rf"{LIST} (?:has|have) no access to {DATA}",
    rf"{LIST} {NOT_BE} (?:given|granted|sent|provided with|shown|told) (?:(?:any )?access to )?{DATA}",
    rf"neither {LIST} (?:ever |will ever |will )?{GETS} {DATA}",
)
SAME: Sequence[tuple[re.Pattern[str], str]] = (
    (
        re.compile(
            r"\b(?:at no (?:point|time)|under no circumstances|in no (?:case|way|event)|on no account|never|nor|neither) "
            r"(?:do|does|will|would|shall|have|can) (we|(?:our|this) (?:web ?)?(?:site|shop|company))\b"
        ),
        r"\1 do not",
    ),
    (
        re.compile(
            r"\b(?:it is our policy|our policy is|we (?:promise|undertake|commit|choose|chose|pledge|(?:have )?decided)) (?:never|not) to\b"
        ),
        "we do not",
    ),
    (
        re.compile(r"\bwe refuse to\b|\bneither we nor (?:any of )?our (?:\w+ )?(?:partners|employees|team)\b"),
        "we do not",
    ),
    (re.compile(r"\bmakes? (?:any )?use of\b"), "use"),
    (re.compile(r"\bwould\b"), "will"),
    (re.compile(r", (?:under any circumstances|at any time|in any way|of course|however|therefore), "), " "),
    (re.compile(r", (?:which|and that) is why "), "; "),
    (re.compile(r"\bneither (sell|rent|trade) nor\b"), r"do not \1 or"),
    (re.compile(r"^(we (?:(?!not|never)[\w'-]+ ){1,10})and (do not|will not|never) "), r"\1; we \2 "),
)
"""Roundabout words, and the plain ones for them."""
NOT_N_T = re.compile(r"\b(ca|wo|sha)n't\b|\bcannot\b|n't\b")
OF_WHOLE = {"ca": "can", "wo": "will", "sha": "shall"}
LEGAL_FORM = re.compile(r",? (?:ltd|limited|llc|inc|plc|gmbh|ag|se|bv|sarl|co)\.?$", re.IGNORECASE)
QUOTED = re.compile(r"[“„\"«][^“”„\"«»]{1,300}[”“\"»]")
CAPITALISED = re.compile(r"(?<=[a-z,/&] )[A-Z][\w.-]*[\w](?: [A-Z]\w*)*")
OF_TRACKING = r"pixels?|tracking(?: pixels?| codes?| scripts?)?|cookies|custom audiences?"


def denied(place: Place, facts: Facts) -> str | None:
    """Tell who works for the company and is plainly said not to, or to get nothing."""
    if CONDITION.search(plain(f"{place.sentence.text} {place.sentence.lead}")) or OF_SOME.search(place.section):
        return None
    used = {one.name: one for one in facts.used}
    named = (name for words in _said(place.sentence) for name in _denied_in(words, facts))
    found = next((used[name] for name in named if name in used), None)
    return (
        f"{found.title} works for the company (“{found.purpose}”) and gets {', '.join(found.data)}." if found else None
    )


def _said(sentence: Sentence) -> Iterator[str]:
    """Yield a sentence; for an item also what leads to it, with the item in its place: `We never use: - Facebook`."""
    yield sentence.text
    if sentence.is_item and sentence.lead.endswith(":"):
        yield f"{sentence.lead[:-1]} {sentence.text}"


def _denied_in(text: str, facts: Facts) -> Iterator[str]:
    """Yield the machine names that any clause of a sentence denies."""
    letters = dict[str, Sequence[str]]()
    low = _with_letters(text, facts, letters)
    for clause in CLAUSE.split(low) if letters else ():
        found = _form().fullmatch(clause.strip()) if len(clause) <= LONGEST else None
        for what, list_ in (found.groupdict() if found else {}).items():
            names = [name for letter in list_ or "" for name in letters.get(letter, ())]
            yield from (name for name in names if _does(name, what.rstrip("0123456789"), facts))


def _does(name: str, what: str, facts: Facts) -> bool:
    """Tell whether that is what one of the annex is for; a plain list is of any."""
    if what in {"list", "track"}:
        return what == "list" or name in TRACKERS
    return any(one.name == name and what in one.purpose.lower() for one in facts.annex)


@cache
def _form() -> re.Pattern[str]:
    numbered = (re.sub(r"\?P<(\w+)>", rf"?P<\g<1>{n}>", form) for n, form in enumerate(FORMS))
    return re.compile(rf"{LEAD}(?:{'|'.join(numbered)}){TAIL}")


def _with_letters(text: str, facts: Facts, letters: dict[str, Sequence[str]]) -> str:
    """Return a sentence in small letters with a letter for each name, and say in `letters` whom each stands for."""
    meant = {**SPOKEN, **{plain(one.title): (one.name,) for one in facts.annex}}

    def letter(found: re.Match[str]) -> str:
        names = meant[plain(found["name"])]
        if found["theirs"] and re.fullmatch(OF_TRACKING, plain(found["theirs"]).strip()):
            names = [one for one in names if one in TRACKERS]
        is_another = found["more"] or not names or (found["name"] == "meta") or len(letters) >= MOST_NAMES
        sign = OTHER if is_another else chr(FIRST + len(letters))
        if not is_another:
            letters[sign] = names
        return sign

    words = " ".join(re.sub(r"[\ue000-\ue0ff]", " ", text).replace("’", "'").split())
    named = _pattern(tuple(meant)).sub(letter, QUOTED.sub(OTHER, _as_we(words, facts.company.name)))
    whole = NOT_N_T.sub(_whole_not, CAPITALISED.sub(OTHER, named).lower())
    for roundabout, same in SAME:
        whole = roundabout.sub(same, whole)
    return MARKS.sub("", whole)


def _as_we(words: str, company: str) -> str:
    """Return words with `we` for the company's own name."""
    return words.replace(company, "we").replace(LEGAL_FORM.sub("", company), "we")


def _whole_not(found: re.Match[str]) -> str:
    return "can not" if found[0] == "cannot" else f"{OF_WHOLE[found[1]]} not" if found[1] else " not"


@cache
def _pattern(spoken: tuple[str, ...]) -> re.Pattern[str]:
    """Find names with what belongs to them; `more`: a word after it that makes it another product, as in Google Maps."""
    each = "|".join(re.escape(one) for one in sorted(spoken, key=len, reverse=True))
    return re.compile(
        rf"(?<![\w./@#-])(?P<name>(?i:{each}))"
        r"(?i:,? (?:inc|llc|ltd|limited|ireland|platforms|corporation|corp|payments europe)\b\.?)*"
        rf"(?P<theirs>(?i: (?:{OF_TRACKING}|services|tools|products|4))\b)?(?P<more>'s\b|(?: [A-Z]\w*)+)?(?![\w/@-]|\.\w)"
    )
