"""What went wrong on the way, in words that say what to do; its code stands behind, for whoever looks after Pledge."""

from __future__ import annotations

import errno
import re

from shared.failures import NeverRetry, TryAgain

CODE = re.compile(r"(sendgrid|stripe)_(.+)")
VENDORS = {"sendgrid": ("SendGrid", "SENDGRID"), "stripe": ("Stripe", "STRIPE")}
FILES = {
    errno.ENOENT: "there is no such file or folder",
    errno.EISDIR: "a folder, and a file is needed",
    errno.ENOTDIR: "no such folder: a file stands on the way to it",
    errno.EACCES: "not open to whoever runs this; change its rights, or take another place",
    errno.EPERM: "not open to whoever runs this; change its rights, or take another place",
    errno.EROFS: "nothing can be written there; take another place",
    errno.ENOSPC: "the disk is full; make room and run the same command again",
}
PASSING = {
    "429": "asks for fewer calls",
    "408": "did not answer in time",
    "timeout": "did not answer in time",
    "not_reached": "cannot be reached from here: look at the network and at {prefix}_API_BASE",
    "unreachable": "cannot be reached from here, or broke off: look at the network and at {prefix}_API_BASE",
    "unreadable": "answered something that cannot be read",
}
LASTING = {
    "401": "does not take the key in {prefix}_API_KEY: give one that is valid",
    "403": "does not let the key in {prefix}_API_KEY read this: give it the right to, at {name}",
    "wrong_mode": "has this in its other mode: test or live, the key in {prefix}_API_KEY is for one of them",
}
AGAIN = "Nothing is lost; run the same command again in some minutes"


def told(trouble: OSError | TryAgain | NeverRetry) -> str:
    """Return what is wrong and what to do about it."""
    if isinstance(trouble, OSError):
        return _of_a_file(trouble)
    found = CODE.fullmatch(trouble.code)
    if found is None:
        more = (
            AGAIN if isinstance(trouble, TryAgain) else "Running it again will not help; ask whoever looks after Pledge"
        )
        return f"it could not be done. {more} ({trouble.code})"
    name, prefix = VENDORS[found[1]]
    if isinstance(trouble, TryAgain):
        said, more = PASSING.get(found[2], "has trouble of its own"), AGAIN
    else:
        # a code may end in the vendor's own word
        known = next((one for one in LASTING if found[2].split("_")[0] == one or found[2] == one), "")
        said, more = LASTING.get(known, "refuses to answer"), "Running it again before will not help"
    return f"{name} {said.format(name=name, prefix=prefix)}. {more} ({trouble.code})"


def _of_a_file(trouble: OSError) -> str:
    said = FILES.get(trouble.errno or 0) or f"it cannot be read or written ({trouble.strerror})"
    return f"{trouble.filename}: {said}" if trouble.filename else said
