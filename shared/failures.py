"""Failures as types: the caller's fault, worth another try, or never to be retried.

No text in here ever carries a person's data: texts reach logs and answers. Ids and field names only.
"""

from __future__ import annotations


class Refused(Exception):
    """The caller's fault. Answered as an RFC 9457 problem that names the field and the rule."""

    status = 400
    title = "That request cannot be accepted"

    def __init__(self, rule: str, field: str | None = None) -> None:
        super().__init__(rule)
        self.rule = rule
        self.field = field


class BadInput(Refused):
    """Malformed, forged or unsigned."""


class Unauthenticated(Refused):
    """The bearer key is missing or wrong."""

    status = 401
    title = "A key is needed"


class Forbidden(Refused):
    """It is known who calls, and they may not."""

    status = 403
    title = "Not allowed"


class Missing(Refused):
    """Nothing here, or nothing this key opens."""

    status = 404
    title = "Not found"


class Stale(Refused):
    """It was right once, or conflicts with what has happened since."""

    status = 409
    title = "That is no longer possible"


class TooLarge(Refused):
    """More bytes than this call takes."""

    status = 413
    title = "That is too large"


class TooMany(Refused):
    """The limit for this address or caller is reached; try later."""

    status = 429
    title = "Too many requests"


class TryAgain(Exception):
    """A later attempt may succeed: timeouts, rate limits, 5xx, a busy database."""

    def __init__(self, code: str, after_seconds: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.after_seconds = after_seconds


class NotYet(TryAgain):
    """Nothing failed: a limit of our own says that its turn comes later. Nobody need look, however long it waits."""


class InDoubt(TryAgain):
    """The call was cut off: whether it was done is not known. Doing it again may do it twice."""


class NeverRetry(Exception):
    """The same call will fail the same way: refused, unauthorised, misconfigured. A person must look."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Unacceptable(NeverRetry):
    """Something in what was handed over is not acceptable, such as one address among many; nothing of it was done."""


class Misconfigured(Exception):
    """A setting is missing or contradicts another. Raised at start, never in the middle of a promise."""
