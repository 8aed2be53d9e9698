"""§1: before taking personal data we say which, why, on what legal basis, for how long, who gets it, and the rights.

The notice is a signed snapshot of what was shown: it names the version, its hash, the purposes and the language. What
stood in it follows from the published version, which never changes.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec

from shared.company import Purpose
from shared.failures import BadInput, Stale
from shared.promises.policy import Published
from shared.times import rfc3339
from shared.vault import Vault, b64url, canonical, unb64url

RIGHTS = (
    "access",
    "rectification",
    "erasure",
    "restriction",
    "portability",
    "objection",
    "withdraw_consent",
    "complaint",
)
USE = "notice"


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """What a notice says, in as few bytes as it can: it travels in every consent."""

    version: str
    hash: str
    shown: str
    purposes: list[str]
    locale: str


def describe(published: Published, names: Sequence[str] | None, locale: str) -> dict[str, Any]:
    """Return what is shown for these purposes (all when None). Refuses an unknown purpose by name."""
    known = {purpose.name: purpose for purpose in published.purposes()}
    for name in names or []:
        if name not in known:
            raise BadInput(f"{name} is not a purpose of this policy", "purposes")
    chosen = [known[name] for name in dict.fromkeys(names or known)]
    catalogue = published.policy.catalogue
    return {
        "policy_version": published.version,
        "policy_hash": published.policy.hash,
        "effective_at": rfc3339(published.policy.effective_at),
        "locale": locale,
        "controller": catalogue["controller"],
        "fields": sorted({field for purpose in chosen for field in purpose.fields}),
        "purposes": [_shown(purpose) for purpose in chosen],
        "recipients": _recipients(chosen, catalogue["annex"]),
        "rights": list(RIGHTS),
        "authority": catalogue["authority"],
        "minimum_age": catalogue["minimum_age"],
    }


def _shown(purpose: Purpose) -> dict[str, Any]:
    return {
        "name": purpose.name,
        "title": purpose.title,
        "why": purpose.why,
        "legal_basis": purpose.legal_basis,
        "asked": purpose.legal_basis == "consent",
        "fields": purpose.fields,
        "retention": purpose.kept_in_words,
        "recipients": purpose.recipients,
    }


def _recipients(purposes: Sequence[Purpose], annex: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    named = {name for purpose in purposes for name in purpose.recipients}
    return [entry for entry in annex if entry["name"] in named]


def notice(vault: Vault, published: Published, names: Sequence[str] | None, locale: str) -> dict[str, Any]:
    """Return the description and `notice`, the signed snapshot to send back with the decisions."""
    described = describe(published, names, locale)
    snapshot = Snapshot(
        published.version,
        published.policy.hash,
        sha256(canonical(described)).hexdigest(),
        [purpose["name"] for purpose in described["purposes"]],
        locale,
    )
    body = b64url(msgspec.json.encode(snapshot))
    return described | {"notice": f"{body}.{vault.keyed(USE, body)}"}


def opened(vault: Vault, token: str, published: Published) -> Snapshot:
    """Check a notice that came back. Forged → BadInput; of a version no longer current → Stale."""
    body, _, signature = token.partition(".")
    if not hmac.compare_digest(vault.keyed(USE, body).encode(), signature.encode("utf-8", "surrogatepass")):
        raise BadInput("this notice was not given out here", "notice")
    snapshot = msgspec.json.decode(unb64url(body), type=Snapshot)
    if (snapshot.version, snapshot.hash) != (published.version, published.policy.hash):
        raise Stale("the policy has changed since this notice was shown: show the new one and ask again", "notice")
    return snapshot
