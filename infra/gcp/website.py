"""The website's own data on Google Cloud: its documents in Firestore, its files in Cloud Storage."""

from __future__ import annotations

from infra.gcp.website_documents import WebsiteDocuments
from infra.gcp.website_files import WebsiteFiles
from infra.settings import Settings
from shared.failures import Misconfigured
from shared.records import RECORDS
from shared.website_data import FirestoreRule, WebsiteData, lookup


class GoogleWebsite(WebsiteDocuments, WebsiteFiles):
    """The `WebsiteStore` port on the website's project and database. The emulators: `host:port`, and an address."""

    def __init__(
        self,
        project: str,
        database: str = "(default)",
        emulator_of_documents: str | None = None,
        emulator_of_files: str | None = None,
    ) -> None:
        WebsiteDocuments.__init__(self, project, database, emulator_of_documents)
        WebsiteFiles.__init__(self, project, emulator_of_files)


def google_website(settings: Settings, declared: WebsiteData) -> GoogleWebsite:
    """Build it from the settings. Raises Misconfigured, also where a test could reach a real website or our own records."""
    ours = (settings.needed("GOOGLE_CLOUD_PROJECT"), settings.text("FIRESTORE_DATABASE") or "(default)")
    project = settings.text("WEBSITE_PROJECT") or ours[0]
    database = settings.text("WEBSITE_DATABASE") or "(default)"
    if (project, database) == ours:
        refuse_our_own(declared)
    documents = settings.emulator("FIRESTORE_EMULATOR_HOST")
    files = settings.emulator("STORAGE_EMULATOR_HOST")
    if settings.sheltered and (documents is None or (files is None and declared.storage)):
        raise Misconfigured("FIRESTORE_EMULATOR_HOST, STORAGE_EMULATOR_HOST: beside an emulator both are needed")
    return GoogleWebsite(project, database, documents, files)


def refuse_our_own(declared: WebsiteData) -> None:
    """Refuse rules that reach into our own collections, where the website's documents stand in the same database."""
    own = {kind.collection for kind in RECORDS}
    for rule in declared.firestore:
        reached = _collection(rule)
        if reached in own or "{" in reached:
            raise Misconfigured(
                f"WEBSITE_DATA: {rule.query or rule.documents}: reaches into a collection of Pledge's own"
            )


def _collection(rule: FirestoreRule) -> str:
    """Return the collection at the root that a rule reaches: a query's stands there too, beside all others of its name."""
    return lookup(rule.query).collection if rule.query else (rule.documents or "").strip("/").partition("/")[0]
