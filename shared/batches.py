"""How a campaign's mails got on: a bit for each recipient and state, so that what is heard twice counts once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_

import msgspec

from shared.records import Batch


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


def counted(batch: Batch) -> dict[str, int]:
    """Count recipients by state: each once among `delivered`, `bounced` and `dropped`; who reported spam beside it.

    `gone`: who left before they were written to, as far as anybody knows.
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
    }


def bits(bitmap: bytes) -> int:
    """Return a bitmap as a number: bit n is recipient n."""
    return int.from_bytes(bitmap, "little")


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "little")
