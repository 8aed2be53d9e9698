"""What a mail carries so that the mail service's events lead back to it: ids of ours, and nobody's data.

The mail service keeps these for good and cannot erase them, so they name a mail and never a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST_IN_A_BATCH = 1000
"""Recipients of one call of mail/send, and bits of a bitmap."""
_NUMBERS = tuple(map(str, range(MOST_IN_A_BATCH)))
REQUEST, BATCH = "r", "b"
REFERENCE = re.compile(r"([rb])\.([A-Za-z0-9][A-Za-z0-9_-]{0,127})\.m?([0-9]{1,4})")


def of_mail(request_id: str, mail_id: str) -> str:
    """Name a mail of a request."""
    return f"{REQUEST}.{request_id}.{mail_id}"


def of_recipients(batch_id: str, numbers: Iterable[int]) -> list[str]:
    """Name mails of a campaign: the numbers of their recipients in the batch, from 0."""
    of = f"{BATCH}.{batch_id}."
    return [of + _NUMBERS[number] for number in numbers]


def read(text: str) -> tuple[str, str, int] | None:
    """Return `REQUEST` or `BATCH`, its id, and the number of the mail in it; None for what is no reference of ours."""
    found = REFERENCE.fullmatch(text)
    if found is None:
        return None
    of, record, number = found.groups()
    return of, record, int(number)
