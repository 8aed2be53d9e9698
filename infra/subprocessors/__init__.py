"""Connectors: one file a vendor, one line here. What is in the annex and not here is "not connected"."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.container import Container
    from infra.subprocessors.meta_transport import MetaTransport
    from shared.ports import Connector
    from shared.website_accounts import WebsiteAccounts


def _google_cloud_platform(container: Container) -> Connector:
    from infra.subprocessors.google_cloud_platform import GoogleCloudPlatformConnector

    store, vault, website, declared = container.store, container.vault, container.website, container.website_data
    return GoogleCloudPlatformConnector(store, vault, website, declared, _website_accounts(container))


def _website_accounts(container: Container) -> WebsiteAccounts | None:
    if not container.website_data.identity:
        return None
    if container.settings.sheltered and not container.settings.text("IDENTITY_API_BASE"):
        from infra.local.accounts import LocalAccounts

        return LocalAccounts(container.website)
    from infra.gcp.identity import identity_platform

    return identity_platform(container.settings)


def _sendgrid(container: Container) -> Connector:
    from infra.subprocessors.sendgrid import SendgridConnector

    return SendgridConnector(container.sendgrid, container.store, container.vault)


def _stripe(container: Container) -> Connector:
    from infra.subprocessors.stripe import StripeConnector

    ground = container.company.retention_grounds.get("stripe")
    return StripeConnector(container.stripe, container.store, container.vault, ground)


def _google_analytics(container: Container) -> Connector:
    from infra.subprocessors.google_analytics import GoogleAnalyticsConnector
    from infra.subprocessors.google_transport import ADMIN_BASE, ApplicationDefaultToken, GoogleTransport

    settings = container.settings
    base = settings.vendor_base("GA_API_BASE") or ADMIN_BASE
    # the sandbox knows no Google account and lets anybody in
    token = (lambda: "sandbox") if settings.sheltered else ApplicationDefaultToken()
    transport = GoogleTransport(base, token)
    property_id = settings.account("GA_PROPERTY")
    return GoogleAnalyticsConnector(transport, container.store, container.vault, container.clock, property_id)


def _google_tag_manager(_container: Container) -> Connector:
    from infra.subprocessors.google_tag_manager import GoogleTagManagerConnector

    return GoogleTagManagerConnector()


def _meta(container: Container) -> tuple[MetaTransport, str]:
    from infra.subprocessors.meta_transport import BASE, MetaTransport

    settings = container.settings
    token = settings.secret("META_ACCESS_TOKEN", "meta-api-key")
    return MetaTransport(token, settings.vendor_base("META_API_BASE") or BASE), settings.account("META_AD_ACCOUNT")


def _facebook(container: Container) -> Connector:
    from infra.subprocessors.facebook import FacebookConnector

    return FacebookConnector(*_meta(container))


def _instagram(container: Container) -> Connector:
    from infra.subprocessors.instagram import InstagramConnector

    return InstagramConnector(*_meta(container))


class Connected(Mapping[str, "Connector"]):
    """The connectors by name, each built when first asked for: one vendor's wrong setting must not stop the others."""

    def __init__(self, container: Container, names: Sequence[str]) -> None:
        self._container = container
        self._names = names
        self._built: dict[str, Connector] = {}

    def __getitem__(self, name: str) -> Connector:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._built:
            self._built[name] = CONNECTORS[name](self._container)
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


CONNECTORS: Mapping[str, Callable[[Container], Connector]] = {
    "google_analytics": _google_analytics,
    "google_tag_manager": _google_tag_manager,
    "google_cloud_platform": _google_cloud_platform,
    "stripe": _stripe,
    "sendgrid": _sendgrid,
    "facebook": _facebook,
    "instagram": _instagram,
}
