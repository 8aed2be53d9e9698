"""Service mail through SendGrid: a mail of the list, composed and handed over."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from infra.mails.compose import Mail, compose, language_of
from shared.company import Company
from shared.ports import Forwarded, Recipients

if TYPE_CHECKING:
    from infra.subprocessors.sendgrid_transport import SendgridTransport

PREFERENCES_TAG = "-preferences-"
"""Stands in a mail to many where each one's own link goes."""


class SendgridPostman:
    """The `Postman` port. The operators' and the people's mails leave from the service sender, never the marketing one."""

    def __init__(
        self, transport: SendgridTransport, company: Company, base_url: str, preferences_link: Callable[[str], str]
    ) -> None:
        self._transport = transport
        self._company = company
        self._base_url = base_url
        self._preferences_link = preferences_link
        self._composed: tuple[object, Mail] | None = None

    def post(self, template: str, to: str, locale: str, words: Mapping[str, Any], reference: str) -> str:
        """Compose and send; return SendGrid's message id. Raises TryAgain, NeverRetry."""
        mail = compose(template, locale, self._given(words, self._preferences_link(to)))
        sender = self._company.senders.service
        return self._transport.send(to, sender, mail.subject, mail.text, mail.html, {}, reference)

    def language(self, template: str, locale: str) -> str:
        """Return the language of a whole translation, `""` for English."""
        return language_of(template, locale)

    def post_all(self, template: str, language: str, words: Mapping[str, Any], recipients: Recipients) -> str:
        """Compose once and send to all; SendGrid puts each one's own link in."""
        mail = self._to_many(template, language, words)
        sender = self._company.senders.service
        return self._transport.send_all(recipients, PREFERENCES_TAG, sender, mail.subject, mail.text, mail.html)

    def _to_many(self, template: str, language: str, words: Mapping[str, Any]) -> Mail:
        # the last one is kept: a campaign posts the same mail to the next thousand
        key, kept = (template, language, words), self._composed
        if kept is None or kept[0] != key:
            kept = self._composed = key, compose(template, language, self._given(words, PREFERENCES_TAG))
        return kept[1]

    def _given(self, words: Mapping[str, Any], preferences_url: str) -> dict[str, Any]:
        return {
            "company": self._company,
            "contact": self._company.contact,
            "policy_url": f"{self._base_url}/policy",
            "preferences_url": preferences_url,
            **words,
        }

    def forward(self, mail: Forwarded, to: Sequence[str], reference: str) -> str:
        """Send it on from our own address, which SendGrid may sign for; the answer goes to its writer."""
        attached = [
            {"content": b64encode(one.content).decode(), "filename": one.name or "attachment", "type": one.media}
            for one in mail.attachments
        ]
        # whatever comes back with this header is ignored: two mailboxes that forward to each other never end
        headers = {"X-Loop": self._company.contact}
        more: dict[str, Any] = {"reply_to": {"email": mail.answers_to}} if mail.answers_to else {}
        more |= {"attachments": attached} if attached else {}
        sender = self._company.senders.service
        return self._transport.send(to, sender, mail.subject, mail.text, mail.html, headers, reference, more)
