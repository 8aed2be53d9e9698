"""The chain of signed checkpoints in the archive, and what the store knows of its end.

The archive is the authority. A checkpoint is a JWS of its numbers, times and hashes; each names the one before by its hash.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec

from shared import attention
from shared.jws import claims_of
from shared.ledger import Broken
from shared.ports import Services
from shared.records import Checkpoint
from shared.store import Change, Create, Stored, Update, persist
from shared.vault import Vault

KIND = "checkpoint"
PREFIX = "checkpoints/"
LAST = "last"
FAILED = ("checkpoint_failed", "evidence")
"""Kind and reference of what stands on the list for as long as the archive refuses."""


def name_of(number: int) -> str:
    """Name a checkpoint's object. The number alone: two runs that meet at midnight must not both succeed."""
    return f"{PREFIX}{number:06d}.jws"


def where(number: int) -> str:
    """Name a checkpoint as a place where evidence breaks."""
    return f"checkpoint:{number:06d}"


def signed(vault: Vault, checkpoint: Checkpoint) -> bytes:
    """Return the JWS that is archived. EdDSA over canonical JSON: the same checkpoint is always the same bytes."""
    claims = {"kind": KIND, **msgspec.to_builtins(checkpoint)}
    del claims["hash"]
    return vault.sign(claims).encode()


def read(services: Services, number: int) -> Checkpoint | None:
    """Return a checkpoint from the archive, None when there is none. Raises Broken when it is not ours."""
    raw = services.archive.read(name_of(number))
    if raw is None:
        return None
    claims = claims_of(raw.decode("ascii", "replace"), services.vault.jwks()) or {}
    try:
        found = msgspec.convert(claims | {"hash": sha256(raw).hexdigest()}, Checkpoint)
    except msgspec.ValidationError:
        raise Broken(where(number)) from None
    if claims.get("kind") != KIND:
        raise Broken(where(number))
    return found


def must_follow(found: Checkpoint, before: Checkpoint | None) -> None:
    """Check that a checkpoint names the one before and begins where that ended, or began. Raises Broken."""
    if before is None:
        fits = (found.number, found.previous, found.after) == (1, "", None)
    else:
        fits = found.previous == before.hash and found.after in {before.until, before.after}
        fits = fits and found.number == before.number + 1 and found.until > before.until
    if not fits:
        raise Broken(where(found.number))


def last_of(services: Services) -> Checkpoint | None:
    """Return the last checkpoint, having checked that archive and store agree. Raises Broken.

    What a run left in the archive that ended before the store knew is taken up.
    """
    return persist(lambda _: _taken_up(services, services.store.get(Checkpoint, LAST)))


def _taken_up(services: Services, known: Stored[Checkpoint] | None) -> Checkpoint | None:
    newest = first = known.record if known else None
    if first is not None and read(services, first.number) != first:
        raise Broken(where(first.number))
    while (found := read(services, newest.number + 1 if newest else 1)) is not None:
        must_follow(found, newest)
        newest = found
    if newest is not None and newest is not first:
        services.commit(_known(services, known, newest))
    return newest


def _known(services: Services, known: Stored[Checkpoint] | None, newest: Checkpoint) -> list[Change]:
    own: Change = Update(known, newest) if known else Create(LAST, newest)
    changes = [own, attention.settled(*FAILED)]
    if newest.number - (known.record.number if known else 0) > 1:
        # a run that crashed leaves one: more means that the store was set back
        changes += attention.incident("store_set_back", where(newest.number), services.clock.now())
    return changes
