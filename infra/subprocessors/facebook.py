"""Facebook: the advertising audiences of our ad account."""

from __future__ import annotations

from typing import ClassVar

from infra.subprocessors.meta_connector import MetaConnector
from infra.subprocessors.meta_transport import MetaTransport

__all__ = ["FacebookConnector", "MetaTransport"]


class FacebookConnector(MetaConnector):
    """The `Connector` port on Facebook. What our website got from a Facebook login is erased with our own data."""

    name = "facebook"
    out_of_reach: ClassVar[str] = (
        "events that the pixel or the Conversions API sent earlier: Meta offers no call that deletes them, and keeps them "
        "as its own terms say"
    )
