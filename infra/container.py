"""The one place that builds adapters. Each is built when first asked for, so a function starts with only its own."""

from __future__ import annotations

import gc
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, cast

import flask

from infra.settings import Settings
from shared.annex import ANNEX, Subprocessor
from shared.company import Company, company_from
from shared.failures import Misconfigured
from shared.records import Work
from shared.store import Change, Create, Put, Store, Update
from shared.vault import Vault

if TYPE_CHECKING:
    from infra.http.oidc import CallerTokens
    from infra.in_force import PolicyInForce
    from infra.subprocessors.sendgrid_transport import SendgridTransport
    from infra.subprocessors.stripe_transport import StripeTransport
    from shared.ports import Archive, Connector, Postman, Subscriptions, Topic, WorkQueue
    from shared.times import Clock
    from shared.website import WebsiteStore
    from shared.website_data import WebsiteData

SWEEP_EVERY = timedelta(minutes=5)


class Container:
    """Late-bound services over one set of settings."""

    def __init__(self, settings: Settings, queue: WorkQueue | None = None) -> None:
        self.settings = settings
        if queue is not None:
            self.__dict__["queue"] = queue

    @cached_property
    def store(self) -> Store:
        if self.settings.on_google:
            return self._firestore()
        from infra.local.sqlite_store import SqliteStore

        return SqliteStore(self.settings.data_dir / "pledge.db", self.settings.text("SQLITE_SYNCHRONOUS") or "NORMAL")

    def _firestore(self) -> Store:
        from infra.gcp.firestore_store import FirestoreStore

        return FirestoreStore(
            self.settings.needed("GOOGLE_CLOUD_PROJECT"),
            self.settings.text("FIRESTORE_DATABASE") or "(default)",
            self.settings.google("FIRESTORE_EMULATOR_HOST"),
        )

    @cached_property
    def clock(self) -> Clock:
        if self.settings.runtime == "gcp":
            from infra.gcp.system_clock import SystemClock

            return SystemClock()
        from infra.local.file_clock import FileClock

        return FileClock(self.settings.data_dir / "clock")

    @cached_property
    def vault(self) -> Vault:
        if self.settings.runtime == "gcp":
            from infra.gcp import keyset as wrapped

            text, key = self.settings.needed("KEYSET"), self.settings.needed("KEYSET_KEY")
            return Vault(wrapped.keyset(text, key, wrapped.kms(self.settings.google("KMS_EMULATOR_HOST"))))
        from infra.local.keyset_file import keyset

        return Vault(keyset(self.settings.data_dir / "keyset.json"))

    @cached_property
    def company(self) -> Company:
        return company_from(self.settings.yaml("COMPANY"))

    @cached_property
    def website_data(self) -> WebsiteData:
        from shared.website_data import website_data_from

        return website_data_from(self.settings.yaml("WEBSITE_DATA"))

    @cached_property
    def website(self) -> WebsiteStore:
        if self.settings.on_google:
            from infra.gcp.website import google_website

            return google_website(self.settings, self.website_data)
        from infra.local.website import LocalWebsite

        return LocalWebsite(self.store, self.settings.data_dir / "website")

    @property
    def annex(self) -> Sequence[Subprocessor]:
        return ANNEX

    @cached_property
    def connected(self) -> Sequence[str]:
        from infra.subprocessors import CONNECTORS

        unused = self.company.not_used
        return tuple(entry.name for entry in ANNEX if entry.name in CONNECTORS and entry.name not in unused)

    @property
    def idle(self) -> Sequence[str]:
        """Return the subprocessors that are neither connected nor said to be unused."""
        return [entry.name for entry in ANNEX if entry.name not in {*self.connected, *self.company.not_used}]

    @cached_property
    def connectors(self) -> Mapping[str, Connector]:
        """Return the connectors. In the cloud none works while a subprocessor is neither connected nor said to be unused."""
        from infra.subprocessors import Connected

        if self.idle and self.settings.runtime == "gcp":
            raise Misconfigured(f"neither connected nor in not_used: {', '.join(self.idle)}")
        return Connected(self, self.connected)

    @cached_property
    def sendgrid(self) -> SendgridTransport:
        from infra.subprocessors.sendgrid_transport import SendgridTransport

        return SendgridTransport(
            self.settings.secret("SENDGRID_API_KEY", "sendgrid-api-key"),
            self.settings.vendor_base("SENDGRID_API_BASE") or "https://api.sendgrid.com",
        )

    @cached_property
    def stripe(self) -> StripeTransport:
        from infra.subprocessors.stripe_transport import CALLS_A_SECOND, UNHURRIED, StripeTransport

        key = self.settings.secret("STRIPE_API_KEY", "stripe-api-key")
        # the sandbox counts no calls: a moved clock need not wait for them in real time
        pace = UNHURRIED if self.settings.sheltered else CALLS_A_SECOND
        return StripeTransport(key, self.settings.vendor_base("STRIPE_API_BASE"), calls_a_second=pace)

    @cached_property
    def subscriptions(self) -> Subscriptions:
        from infra.subprocessors.stripe_subscriptions import StripeSubscriptions

        return StripeSubscriptions(self.stripe, live=not self.settings.sheltered)

    @cached_property
    def stripe_webhook_secrets(self) -> Sequence[str]:
        name = "STRIPE_WEBHOOK_SECRETS"
        return tuple(self.settings.listed(name)) or (self.settings.secret(name, "stripe-webhook-secret"),)

    @cached_property
    def postman(self) -> Postman:
        from infra.mails.postman import SendgridPostman
        from shared.promises.unsubscribing import preferences_link

        return SendgridPostman(self.sendgrid, self.company, self.base_url, lambda to: preferences_link(self, to))

    @cached_property
    def queue(self) -> WorkQueue:
        if self.settings.on_google:
            from infra.gcp.work_queue import CloudTasksQueue

            name, host = self.settings.needed("WORK_QUEUE"), self.settings.google("TASKS_EMULATOR_HOST")
            return CloudTasksQueue(name, self.clock, host)
        from infra.local.swept_queue import SweptQueue

        return SweptQueue()

    @cached_property
    def topic(self) -> Topic:
        if self.settings.on_google:
            from infra.gcp.topic import PubsubTopic

            return PubsubTopic(self.settings.needed("POLICY_TOPIC"), self.settings.google("PUBSUB_EMULATOR_HOST"))
        from infra.local.topic import LocalTopic

        return LocalTopic(self.clock)

    @cached_property
    def archive(self) -> Archive:
        bucket = self.settings.text("EVIDENCE_BUCKET")
        if self.settings.on_google and (bucket or self.settings.runtime == "gcp"):
            from infra.gcp.evidence_bucket import EvidenceBucket

            project, host = self.settings.needed("GOOGLE_CLOUD_PROJECT"), self.settings.google("STORAGE_EMULATOR_HOST")
            return EvidenceBucket(project, self.settings.needed("EVIDENCE_BUCKET"), host)
        from infra.local.evidence_folder import EvidenceFolder

        return EvidenceFolder(self.settings.data_dir / "evidence")

    @cached_property
    def policies(self) -> PolicyInForce:
        from infra.in_force import PolicyInForce

        return PolicyInForce(self.store)

    @cached_property
    def meta_app_secrets(self) -> Sequence[str]:
        """Return the secrets of our apps at Meta: Facebook's and Instagram's, and two of each while one is changed."""
        return tuple(self.settings.listed("META_APP_SECRETS")) or (
            self.settings.secret("META_APP_SECRETS", "meta-app-secret"),
        )

    @property
    def base_url(self) -> str:
        return self.settings.base_url

    @cached_property
    def operators(self) -> Sequence[str]:
        return tuple(self.settings.listed("OPERATORS")) or ("operator",)

    @cached_property
    def operator_tokens(self) -> Sequence[tuple[str, str]]:
        """Each operator with a token of their own, in the order of OPERATORS: one token is one pair of eyes.

        On this machine alone; in the cloud an operator is an account (`operator_identities`).
        """
        given = self.settings.listed("OPERATOR_TOKEN")
        first = given or [self.settings.secret("OPERATOR_TOKEN", "operator-token")]
        names = self.operators[len(first) :]
        more = [self.settings.secret("", f"operator-token-{n}") for n, _ in enumerate(names, len(first) + 1)]
        return tuple(zip(self.operators, [*first, *more], strict=False))

    @cached_property
    def website_keys(self) -> Sequence[str]:
        return tuple(self.settings.listed("WEBSITE_KEYS")) or (self.settings.secret("WEBSITE_KEYS", "website-key"),)

    @cached_property
    def website_origins(self) -> Sequence[str]:
        return tuple(self.settings.listed("WEBSITE_ORIGINS"))

    @cached_property
    def sendgrid_event_keys(self) -> Sequence[str]:
        """Return the public keys of SendGrid's event webhook; two while it is changed. The sandbox's own on this machine."""
        return self._sendgrid_keys("SENDGRID_WEBHOOK_PUBLIC_KEY", "sendgrid-webhook-key")

    @cached_property
    def sendgrid_inbound_keys(self) -> Sequence[str]:
        """Return the public keys of SendGrid's Inbound Parse; two while it is changed."""
        return self._sendgrid_keys("SENDGRID_INBOUND_PUBLIC_KEY", "sendgrid-inbound-key")

    def _sendgrid_keys(self, name: str, file: str) -> Sequence[str]:
        given = tuple(self.settings.listed(name))
        if given or self.settings.runtime == "gcp":
            _ = self.settings.needed(name)
            return given
        from infra.local.sendgrid_keys import public_key

        return (public_key(self.settings.data_dir / file),)

    @cached_property
    def caller_tokens(self) -> CallerTokens:
        """Return the check of who calls an internal function on Google Cloud."""
        from infra.http.oidc import caller_tokens

        return caller_tokens(self.settings)

    @cached_property
    def operator_identities(self) -> CallerTokens:
        """Return the check of who calls as an operator in the cloud: the accounts of OPERATORS, each by its own ID token."""
        from infra.http.oidc import caller_tokens

        return caller_tokens(self.settings, "OPERATORS")

    @cached_property
    def internal_secret(self) -> str:
        return self.settings.secret("INTERNAL_SECRET", "internal-secret")

    def commit(self, changes: Sequence[Change]) -> list[str]:
        """Commit, then announce the work that is due before the next sweep; that failing never fails the request."""
        written = [change for change in changes if isinstance(change, Create | Put | Update)]
        work = [(_id(change), change.record.due_at) for change in written if isinstance(change.record, Work)]
        # asked for before the commit: a setting that is wrong must not show after it
        queue = self.queue if work else None
        versions = self.store.commit(changes)
        if queue is not None:
            soon = self.clock.now() + SWEEP_EVERY
            queue.announce([(work_id, due_at) for work_id, due_at in work if due_at <= soon])
        return versions


def _id(change: Create | Put | Update) -> str:
    return change.was.id if isinstance(change, Update) else change.id


_building = threading.Lock()


def settle() -> None:
    """Let later looks for garbage skip what is loaded by now: it stays, and walking it costs a large batch a sixth."""
    gc.freeze()


def container_of(app: flask.Flask) -> Container:
    """Return the app's own container, built from the environment when nobody gave it one."""
    found = app.extensions.get("pledge")
    if found is None:
        with _building:
            found = app.extensions.setdefault("pledge", Container(Settings()))
            settle()
    return cast(Container, found)
