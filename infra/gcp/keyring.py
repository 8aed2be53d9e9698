"""The secret KEYSET and the KMS key that wraps it, for the command line: versions are read, compared and added here."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from infra.gcp.calls import Api
from infra.gcp.keyset import Unwrapped, covers, kms, unwrap, wrap
from infra.gcp.secrets import Secrets
from infra.settings import Settings
from shared.failures import Misconfigured
from shared.vault import Keyset

KEYSET = "KEYSET"


class Keyring(NamedTuple):
    """Every version of the keyset. Every call raises Misconfigured (what to mend) or TryAgain."""

    secrets: Secrets
    key_name: str
    kms: Api

    @classmethod
    def of(cls, settings: Settings) -> Keyring:
        """Return the one that the environment names."""
        return cls(secrets_of(settings), settings.needed("KEYSET_KEY"), kms(settings.google("KMS_EMULATOR_HOST")))

    def unwrapped(self, number: int) -> Unwrapped:
        """Return a version's keys."""
        return unwrap(self.secrets.read(KEYSET, number), self.key_name, self.kms)

    def newest(self) -> Keyset:
        """Return the newest keyset. Refused when it cannot read what another enabled version may have written."""
        numbers = [version.number for version in self.secrets.versions(KEYSET) if version.enabled]
        if not numbers:
            raise Misconfigured("secret KEYSET: no version that can be read; pledge new-keyset makes the first")
        newest, *older = [self.unwrapped(number).keyset for number in numbers]
        for number, keyset in zip(numbers[1:], older, strict=True):
            if not covers(newest, keyset):
                # two people rotated at once, or somebody made a second keyset
                raise Misconfigured(f"secret KEYSET: version {numbers[0]} lacks keys of version {number}; disable one")
        return newest

    def add(self, keyset: Keyset) -> int:
        """Add a version, read back before anybody pins it; return its number."""
        number = self.secrets.add(KEYSET, wrap(keyset, self.key_name, self.kms))
        # as bytes: which key writes is a matter of order
        if msgspec.json.encode(self.unwrapped(number).keyset) != msgspec.json.encode(keyset):
            raise Misconfigured(f"secret KEYSET: version {number} does not read back; do not pin it")
        return number


def secrets_of(settings: Settings) -> Secrets:
    """Return the secrets of the project that the environment names."""
    if settings.runtime != "gcp":
        raise Misconfigured("RUNTIME: this is for Google Cloud (gcp); elsewhere keys and secrets are generated files")
    return Secrets(settings.needed("GOOGLE_CLOUD_PROJECT"), settings.google("SECRETS_EMULATOR_HOST"))
