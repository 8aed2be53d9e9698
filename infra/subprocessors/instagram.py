"""Instagram: the same advertising audiences as Facebook's, told of again so that this step stands on its own evidence."""

from __future__ import annotations

from typing import ClassVar

from infra.subprocessors.meta_connector import MetaConnector
from infra.subprocessors.meta_transport import MetaTransport

__all__ = ["InstagramConnector", "MetaTransport"]


class InstagramConnector(MetaConnector):
    """The `Connector` port on Instagram. What our website got from Instagram is erased with our own data."""

    name = "instagram"
    out_of_reach: ClassVar[str] = (
        "events that the pixel or the Conversions API sent earlier, which Meta offers no call to delete; and comments and "
        "messages written on Instagram, which cannot be looked up there by an address: their author can delete them"
    )
