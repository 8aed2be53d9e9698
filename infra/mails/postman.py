"""Service mail through SendGrid: a mail of the list, composed and handed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from infra.mails.compose import compose
from shared.company import Company

if TYPE_CHECKING:
    from infra.subprocessors.sendgrid_transport import SendgridTransport


class SendgridPostman:
    """The `Postman` port. The operators' and the people's mails leave from the service sender, never the marketing one."""

    def __init__(self, transport: SendgridTransport, company: Company, base_url: str) -> None:
        self._transport = transport
        self._company = company
        self._base_url = base_url

    def post(self, template: str, to: str, locale: str, words: Mapping[str, Any], reference: str) -> str:
        """Compose and send; return SendGrid's message id. Raises TryAgain, NeverRetry."""
        given = {
            "company": self._company,
            "contact": self._company.contact,
            "policy_url": f"{self._base_url}/policy",
            **words,
        }
        mail = compose(template, locale, given)
        sender = self._company.senders.service
        return self._transport.send(to, sender, mail.subject, mail.text, mail.html, {}, reference)
