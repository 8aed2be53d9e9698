"""One call of the mail service that tells a batch of people of a new version: whose mail it took, and whose it never will."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from shared import batches, references
from shared.catalogue import Entries, differing
from shared.failures import NeverRetry, Unacceptable
from shared.ports import Recipients, Services
from shared.promises import in_effect, policy
from shared.promises.unsubscribing import preferences_links
from shared.records import Batch, Campaign
from shared.store import Stored

MAIL = "policy_changed"
MOST_REFUSED_AT_FIRST = 5
"""So many refused before anybody's was taken: it is the mail that is refused, and nobody's address."""
MOST_POSTS = 100
"""In one attempt: who is refused is found one by one, and work that lasts too long is cut off without a trace."""


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """Somebody a batch is for: the number in it, and where the mail goes."""

    n: int
    ref: str
    email: str
    locale: str


class Call:
    """One batch on its way. Bits of recipients: `taken` by the mail service for certain, and `refused` by it."""

    def __init__(self, services: Services, campaign: Campaign, batch: Stored[Batch]) -> None:
        self._services = services
        self._batch = batch
        self._words = words(services, campaign.version)  # type: ignore[arg-type]  # one container a process
        self._posts = 0
        self.taken = 0
        self.refused = 0

    @property
    def known(self) -> dict[str, int]:
        """Return what is known of a call that broke off, by state: who was refused only where somebody was taken."""
        return {"accepted": self.taken, "refused": self.refused if self._somebody_was_taken() else 0}

    def hand_over(self, chosen: Sequence[Chosen]) -> bool:
        """Post to all of them; return whether it came to its end, or must go on in another attempt.

        Raises InDoubt, TryAgain, NeverRetry; `known` holds what is known then.
        """
        for language, some in self._by_language(chosen).items():
            self._post(language, some)
        if len(chosen) > 1:
            self._doubt_the_mail(most=len(chosen) - 1)
        return self._posts <= MOST_POSTS

    def _by_language(self, chosen: Sequence[Chosen]) -> Mapping[str, Sequence[Chosen]]:
        by_locale, by_language = defaultdict[str, list[Chosen]](list), defaultdict[str, list[Chosen]](list)
        for one in chosen:
            by_locale[one.locale].append(one)
        for locale, some in by_locale.items():
            by_language[self._services.postman.language(MAIL, locale)] += some
        return by_language

    def _post(self, language: str, some: Sequence[Chosen]) -> None:
        self._posts += 1
        if self._posts > MOST_POSTS:
            return
        services = self._services
        addresses, numbers = [one.email for one in some], [one.n for one in some]
        names = references.of_recipients(self._batch.id, numbers)
        recipients = Recipients(addresses, names, preferences_links(services, addresses))
        try:
            services.postman.post_all(MAIL, language, self._words, recipients)
            self.taken |= batches.bits_of(numbers)
        except Unacceptable:
            # it says no to all of a call for one of them: that one is found by halving
            if len(some) == 1:
                self.refused |= 1 << some[0].n
                self._doubt_the_mail(most=MOST_REFUSED_AT_FIRST)
                return
            middle = len(some) // 2
            self._post(language, some[:middle])
            self._post(language, some[middle:])

    def _doubt_the_mail(self, most: int) -> None:
        """Have a person look where nobody's mail was ever taken: it would be the loss of everybody's."""
        if self.refused.bit_count() > most and not self._somebody_was_taken():
            raise NeverRetry("mail_refused_for_everybody")

    def _somebody_was_taken(self) -> bool:
        return bool(self.taken | batches.heard(self._batch.record))


@lru_cache(maxsize=1)
def words(services: Services, version: str) -> dict[str, Any]:
    """Return what the mail says of a version: the same for everybody. What changes, it says against what they live under.

    The last answer is kept, for the next thousand: a version never changes, nor what was published before it.
    """
    announced = policy.read(services, version)
    published, before = announced.policy, in_effect.lived_under(services, announced)
    recipients = differing(before.policy.catalogue, published.catalogue).recipients if before else Entries()
    base = f"{services.base_url}/policy"
    return {
        "title": published.title,
        "summary": published.summary,
        "recipients_added": list(recipients.added.values()),
        "recipients_gone": list(recipients.removed.values()),
        "material": published.material,
        "effective_at": published.effective_at,
        "published_at": published.published_at,
        "version_url": f"{base}/{version}",
        "difference_url": f"{base}/{before.version}...{version}" if before else None,
        "in_place_of": [
            {"version_url": f"{base}/{name}", "effective_at": day}
            for name, day in in_effect.overtaken(services, announced)
        ],
    }
