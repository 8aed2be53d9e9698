"""How a campaign's mails got on: a bit for each recipient and state, so that what is heard twice counts once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import reduce
from hashlib import sha256
from operator import or_
from typing import Any

import msgspec

from shared import strands
from shared.records import ALL_BATCHES, ALL_EVIDENCE, Batch
from shared.store import Store, Stored, every
from shared.vault import b64url

REF_BYTES = 20
ONE = ord("1")
MOST_LISTED = 1000
"""Batches whose evidence is listed one by one: the list of very many is more than a record may weigh."""
READ_AT_ONCE = 100
"""Of 20 to 40 kB each: memory stays flat."""


# --- all of a version ------------------------------------------------------------------------------------------------


def of_version(store: Store, version: str) -> Iterator[Stored[Batch]]:
    """Yield the batches of a version in the order of their strands."""
    begins = strands.prefix(version)
    yield from every(store, ALL_BATCHES, at_least=f"{begins}-", at_most=f"{begins}.", page=READ_AT_ONCE)


def ends_of(store: Store, version: str) -> dict[str, Any]:
    """Return what the last entry of a campaign says of the ends of its batches' streams, of one entry each.

    `batches`: each one's; of more than `MOST_LISTED` instead `batches_sha256`: over all of them in the order of ids.
    """
    listed: dict[str, str] = {}
    folded = sha256()
    begins = strands.prefix(version)
    for one in every(store, ALL_EVIDENCE, at_least=f"{begins}-", at_most=f"{begins}."):
        folded.update(f"{one.id} {one.record.mac}\n".encode())
        if len(listed) <= MOST_LISTED:
            listed[one.record.stream] = one.record.mac
    return {"batches": listed} if len(listed) <= MOST_LISTED else {"batches_sha256": b64url(folded.digest())}


# --- one batch -------------------------------------------------------------------------------------------------------


def packed(refs: Iterable[str]) -> bytes:
    """Return subjects as a batch keeps them."""
    return bytes.fromhex("".join(refs))


def unpacked(refs: bytes) -> list[str]:
    """Return the subjects that a batch keeps, in their order."""
    return [refs[at : at + REF_BYTES].hex() for at in range(0, len(refs), REF_BYTES)]


def marked(batch: Batch, more: Mapping[str, int]) -> Batch:
    """Set the bits of many recipients at once: state to bits."""
    everybody = (1 << batch.n_recipients) - 1
    ored = {name: bits(getattr(batch, name)) | added & everybody for name, added in more.items()}
    return msgspec.structs.replace(batch, **{name: _bytes(one) for name, one in ored.items()})


def heard(batch: Batch) -> int:
    """Return the bits of everybody of whom something is known: the mail service had their mail, or will not take it."""
    known = (batch.accepted, batch.delivered, batch.bounced, batch.dropped, batch.spam, batch.refused)
    return reduce(or_, map(bits, known))


def unheard(batch: Batch) -> int:
    """Return the bits of everybody of whom nothing is known."""
    return (1 << batch.n_recipients) - 1 & ~heard(batch)


def taken(batch: Batch) -> int:
    """Return the bits of everybody whose mail the mail service had for certain."""
    everybody = (1 << batch.n_recipients) - 1
    gone = bits(batch.gone) & unheard(batch)
    # what was answered was taken but for what was refused; before that only what is known counts
    return (everybody & ~gone if batch.state == "sent" else heard(batch)) & ~bits(batch.refused)


def counted(batch: Batch) -> dict[str, int]:
    """Count recipients by state: each once among `delivered`, `bounced` and `dropped`; who reported spam beside it.

    `gone`: who left before they were written to, as far as anybody knows. `taken`: whose mail the mail service had for
    certain.
    """
    bounced, delivered = bits(batch.bounced), bits(batch.delivered)
    dropped = bits(batch.dropped) & ~(bounced | delivered)
    return {
        # some mailboxes turn a mail away after they took it
        "delivered": (delivered & ~bounced).bit_count(),
        "bounced": bounced.bit_count(),
        "dropped": dropped.bit_count(),
        "spam": bits(batch.spam).bit_count(),
        "refused": bits(batch.refused).bit_count(),
        "gone": (bits(batch.gone) & unheard(batch)).bit_count(),
        "taken": taken(batch).bit_count(),
    }


def bits_of(numbers: Collection[int]) -> int:
    """Return recipients as bits, by their numbers."""
    # as the digits of a number: a thousand shifts of a long one cost twice as much
    digits = bytearray(b"0") * (max(numbers, default=0) + 1)
    for number in numbers:
        digits[~number] = ONE
    return int(digits, 2)


def bits(bitmap: bytes) -> int:
    """Return a bitmap as a number: bit n is recipient n."""
    return int.from_bytes(bitmap, "little")


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "little")
