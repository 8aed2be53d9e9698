"""§9: the subprocessors the policy names, as data. The public list and the register are made from this."""

from __future__ import annotations

import msgspec


class Subprocessor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One recipient: machine name, title, what for, what data, and where."""

    name: str
    title: str
    role: str
    purpose: str
    data: list[str]
    location: str


ANNEX: tuple[Subprocessor, ...] = (
    Subprocessor(
        name="google_analytics",
        title="Google Analytics",
        role="processor",
        purpose="Counts how the site is used, after consent",
        data=["client id", "pages seen", "coarse location", "device type"],
        location="European Union and United States",
    ),
    Subprocessor(
        name="google_tag_manager",
        title="Google Tag Manager",
        role="processor",
        purpose="Loads other tags, after consent",
        data=["network address in short-lived request logs"],
        location="European Union and United States",
    ),
    Subprocessor(
        name="google_cloud_platform",
        title="Google Cloud Platform",
        role="processor",
        purpose="Stores and runs the service, and our own records",
        data=["account", "orders", "uploads", "consents", "requests"],
        location="the region the company chose",
    ),
    Subprocessor(
        name="stripe",
        title="Stripe",
        role="processor, and controller for its own legal duties",
        purpose="Takes payments",
        data=["name", "address", "payment method", "payments"],
        location="European Union and United States",
    ),
    Subprocessor(
        name="sendgrid",
        title="SendGrid",
        role="processor",
        purpose="Sends e-mail",
        data=["e-mail address", "name", "mails sent and what became of them"],
        location="United States, or the European Union by the EU host",
    ),
    Subprocessor(
        name="facebook",
        title="Facebook",
        role="processor for audiences, joint controller for the pixel",
        purpose="Shows advertisements, after consent",
        data=["hashed e-mail address", "pixel events"],
        location="European Union and United States",
    ),
    Subprocessor(
        name="instagram",
        title="Instagram",
        role="processor for audiences, joint controller for the pixel",
        purpose="Shows advertisements, after consent",
        data=["hashed e-mail address", "pixel events"],
        location="European Union and United States",
    ),
)
NAMES: tuple[str, ...] = tuple(entry.name for entry in ANNEX)
OURS = "google_cloud_platform"
MAILER = "sendgrid"
