"""`sendgrid-inbound`: mail to the contact address, as SendGrid posts it (its signed Inbound Parse)."""

from __future__ import annotations

import msgspec

from infra.http import log
from infra.http.answers import Answer
from infra.http.edge import Call, Edge
from infra.http.signatures import verify_sendgrid
from shared.promises import inbound

edge = Edge("sendgrid-inbound")
MOST_BYTES = 31 * 1024 * 1024
"""A mail of 20 MB, its attachments and the form around them; the platform takes 32 MiB."""


class Posted(msgspec.Struct):
    """SendGrid's form, as far as it is read. Each field in the charset that `charsets` names; or the whole mail in `email`."""

    headers: str = ""
    sender: str = msgspec.field(default="", name="from")
    subject: str = ""
    text: str = ""
    html: str = ""
    envelope: str = ""
    charsets: str = ""
    dkim: str = ""
    spf: str = msgspec.field(default="", name="SPF")
    email: str = ""


@edge.route("POST", "/", "A mail, signed", body=Posted, most_bytes=MOST_BYTES, raw=True)
def take(call: Call[bytes]) -> Answer:
    verify_sendgrid(call.services.sendgrid_inbound_keys, call.body, call.request.headers)
    # 20 ms of parsers that a forged call does not get to start
    from infra.http.mime import mail_of

    # from here on whatever is odd is kept for a person: SendGrid forgets a mail that is refused with a 4xx
    became = inbound.take(call.services, mail_of(call.body, call.request.headers.get("Content-Type", "")))
    log.event("inbound_mail", edge.name, became=became)
    return {"became": became}
