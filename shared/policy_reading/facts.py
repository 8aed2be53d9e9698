"""What is so, whatever a policy says: the company's configuration, as the rules ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shared.annex import Subprocessor
from shared.company import Company, Purpose
from shared.policy_reading.sentences import Sentence, plain
from shared.times import PROMISED
from shared.website_data import WebsiteData

TRACKERS = frozenset({"google_analytics", "google_tag_manager", "facebook", "instagram"})
"""They tell browsers apart: client ids, pixels and network addresses are personal data (GDPR Art. 4(1), recital 30)."""
ELSEWHERE = ("united states", "outside")


class Facts(NamedTuple):
    """The configuration. `connected`: machine names of the subprocessors this system reaches."""

    company: Company
    annex: Sequence[Subprocessor]
    connected: Sequence[str]
    website: WebsiteData

    @property
    def used(self) -> list[Subprocessor]:
        """Return who works for the company now."""
        return [one for one in self.annex if one.name not in self.company.not_used]

    @property
    def trackers(self) -> list[str]:
        """Return the titles of those that tell browsers apart and that a purpose gives data to."""
        given = {name for purpose in self.company.purposes for name in purpose.recipients}
        return [one.title for one in self.used if one.name in TRACKERS & given]

    @property
    def abroad(self) -> list[str]:
        """Return the titles of those that may process data outside the United Kingdom and the European Union."""
        return [one.title for one in self.used if any(word in one.location.lower() for word in ELSEWHERE)]

    @property
    def promised_days(self) -> int:
        """Return in how many days deletion is promised here, from verification."""
        return PROMISED.days

    @property
    def kept_by_law(self) -> list[tuple[str, int]]:
        """Return what is kept after a deletion and for how many years, by ground."""
        grounds = [(one.ground, one.years) for one in self.company.retention_grounds.values()]
        return grounds + [(one.retain.ground, one.retain.years) for one in self.website.firestore if one.retain]

    def purposes_on(self, basis: str) -> list[Purpose]:
        """Return the purposes on a legal basis."""
        return [one for one in self.company.purposes if one.legal_basis == basis]


class Place(NamedTuple):
    """A sentence where it stands."""

    sentences: Sequence[Sentence]
    n: int

    @property
    def sentence(self) -> Sentence:
        """Return the sentence."""
        return self.sentences[self.n]

    @property
    def low(self) -> str:
        """Return it in small letters."""
        return self.sentence.low

    @property
    def before(self) -> str:
        """Return the sentence before it in the same section, in small letters; empty when it is the first."""
        earlier = self.sentences[self.n - 1] if self.n else None
        return earlier.low if earlier and earlier.section == self.sentence.section else ""

    @property
    def section(self) -> str:
        """Return the heading it stands under, in small letters."""
        return plain(self.sentence.section)

    def others(self) -> list[str]:
        """Return the other sentences near it in its section, in small letters: at most ten each way."""
        near = range(max(0, self.n - 10), min(len(self.sentences), self.n + 11))
        return [
            self.sentences[at].low
            for at in near
            if at != self.n and self.sentences[at].section == self.sentence.section
        ]
