"""Connectors: one file a vendor, one line here. What is in the annex and not here is "not connected"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.container import Container
    from shared.ports import Connector


def _google_cloud_platform(container: Container) -> Connector:
    from infra.subprocessors.google_cloud_platform import GoogleCloudPlatformConnector

    return GoogleCloudPlatformConnector(container.store, container.vault, container.website, container.website_data)


def _sendgrid(container: Container) -> Connector:
    from infra.subprocessors.sendgrid import SendgridConnector

    return SendgridConnector(container.sendgrid)


CONNECTORS: Mapping[str, Callable[[Container], Connector]] = {
    "google_cloud_platform": _google_cloud_platform,
    "sendgrid": _sendgrid,
}
