"""What every part of the demo needs: the request, the product as its callers meet it, the people, and the clock."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

import flask

from infra.container import Container
from infra.local.demo.people import People
from infra.local.demo.product import Product
from infra.local.queue import LocalPlatform

JUMPS = {"PT1H": "1 hour", "P1D": "1 day", "P3D": "3 days", "P14D": "14 days", "P1M": "1 month"}
"""How far the buttons move the clock."""


class Scene:
    """One visit."""

    def __init__(self, request: flask.Request, container: Container, platform: LocalPlatform) -> None:
        self.request = request
        self.container = container
        self.platform = platform

    @property
    def now(self) -> datetime:
        """Return the product's present."""
        return self.container.clock.now()

    @cached_property
    def product(self) -> Product:
        """Return the product, over HTTP."""
        return Product(self.container)

    @cached_property
    def people(self) -> People:
        """Return the list of those who signed up here."""
        return People(self.container.settings.data_dir)

    def field(self, name: str) -> str:
        """Return one field of the posted form."""
        return self.request.form.get(name, "")

    def settle(self) -> None:
        """Let what is due now be done, so that the next page shows it."""
        self.platform.jump(self.now)
