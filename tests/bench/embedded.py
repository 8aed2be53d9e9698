"""The embedded runtime as the bench meets it: a folder of data for each stack."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from infra.container import Container
from infra.settings import Settings
from tests.bench.stack import SECRETS, with_policy


class Folder:
    """One stack: a folder. The functions make in it what they need."""

    def __init__(self, path: Path) -> None:
        self._settings = {"RUNTIME": "local", "DATA_DIR": str(path), **SECRETS}
        self._path = path

    @cached_property
    def services(self) -> Container:
        return Container(Settings(self._settings))

    def environment(self, name: str, given: Mapping[str, str]) -> dict[str, str]:
        return {**self._settings, **given}

    def platform(self, name: str) -> Mapping[str, str]:
        return {"X-Pledge-Internal": SECRETS["INTERNAL_SECRET"]}

    def operator(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {SECRETS['OPERATOR_TOKEN']}"}

    def close(self) -> None:
        opened = self.__dict__.pop("services", None)
        if opened is not None:
            opened.store.close()

    def discard(self) -> None:
        self.close()
        shutil.rmtree(self._path)


class Embedded:
    """Stacks in a scratch folder, each a copy of one that a policy was published in."""

    on_google = False
    name = "embedded"

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._published = scratch / "published"
        first = Folder(self._published)
        with_policy(first.services)
        first.close()

    def stack(self) -> Folder:
        """Return a new one."""
        path = self._scratch / f"data-{secrets.token_hex(4)}"
        shutil.copytree(self._published, path)
        return Folder(path)
