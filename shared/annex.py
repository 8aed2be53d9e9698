"""§9: the subprocessors the policy names, as data. The public list and the register are made from this."""

from __future__ import annotations

import msgspec


class Subprocessor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One recipient: machine name, title, what for, what data, where, and what it keeps after we told it to delete.

    What depends on the company's own contract (its dates, the ground of a transfer, whom to ask) stands in COMPANY.
    """

    name: str
    title: str
    role: str
    purpose: str
    data: list[str]
    location: str
    keeps: str
    keeps_until: str


ANNEX: tuple[Subprocessor, ...] = (
    Subprocessor(
        name="google_analytics",
        title="Google Analytics",
        role="processor",
        purpose="Counts how the site is used, after consent",
        data=["client id", "pages seen", "coarse location", "device type"],
        location="European Union and United States",
        keeps="usage under the ids we told it to delete, and counts that name nobody",
        keeps_until="its next deletion run: it deletes every two months, and takes it out of single-user reports within 72 hours",
    ),
    Subprocessor(
        name="google_tag_manager",
        title="Google Tag Manager",
        role="processor",
        purpose="Loads other tags, after consent",
        data=["network address in short-lived request logs"],
        location="European Union and United States",
        keeps="nothing per person; request logs of its servers for a short time",
        keeps_until="the logs run out by themselves",
    ),
    Subprocessor(
        name="google_cloud_platform",
        title="Google Cloud Platform",
        role="processor",
        purpose="Stores and runs the service, and our own records",
        data=["account", "orders", "uploads", "consents", "requests"],
        location="the region where the company runs it",
        keeps="copies in backups and point-in-time recovery, and what law makes the company keep",
        keeps_until="7 days at most for copies; what law keeps has its own date in each statement",
    ),
    Subprocessor(
        name="stripe",
        title="Stripe",
        role="processor, and controller for its own legal duties",
        purpose="Takes payments",
        data=["name", "address", "payment method", "payments"],
        location="European Union and United States",
        keeps="payments and invoices, with their own copy of name and address",
        keeps_until="tax law's date, and never before 90 days: until then Stripe does not let payments be redacted",
    ),
    Subprocessor(
        name="sendgrid",
        title="SendGrid",
        role="processor",
        purpose="Sends e-mail",
        data=["e-mail address", "name", "mails sent and what became of them"],
        location="United States, or the European Union by the EU host",
        keeps="that mails were sent, and the opt-out of those who object",
        keeps_until="30 days for what became of mails; an opt-out until the person takes it back",
    ),
    Subprocessor(
        name="facebook",
        title="Facebook",
        role="processor for audiences, joint controller for the pixel",
        purpose="Shows advertisements, after consent",
        data=["hashed e-mail address", "pixel events"],
        location="European Union and United States",
        keeps="matches of removed addresses until its audiences are renewed, and pixel events under its own terms",
        keeps_until="usually 24 hours for audiences; no date is known for pixel events, and no call deletes them",
    ),
    Subprocessor(
        name="instagram",
        title="Instagram",
        role="processor for audiences, joint controller for the pixel",
        purpose="Shows advertisements, after consent",
        data=["hashed e-mail address", "pixel events"],
        location="European Union and United States",
        keeps="matches of removed addresses until its audiences are renewed, and pixel events under its own terms",
        keeps_until="usually 24 hours for audiences; no date is known for pixel events, and no call deletes them",
    ),
)
NAMES: tuple[str, ...] = tuple(entry.name for entry in ANNEX)
OURS = "google_cloud_platform"
MAILER = "sendgrid"
