"""Trouble on the way of an import is told in words that say what to do, with its code behind."""

from __future__ import annotations

import errno

import pytest

from infra.imports.trouble import told
from shared.failures import NeverRetry, TryAgain

CASES = {
    "a file that is not there": (FileNotFoundError(errno.ENOENT, "No such file", "a.csv"), "a.csv: there is no such file"),
    "a folder": (IsADirectoryError(errno.EISDIR, "Is a directory", "a"), "a: a folder, and a file is needed"),
    "no right to it": (PermissionError(errno.EACCES, "Permission denied", "a.csv"), "a.csv: not open to whoever runs this"),
    "a full disk": (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
    "another of the system's": (OSError(errno.EIO, "Input/output error", "a.csv"), "a.csv: it cannot be read or written"),
    "a vendor in trouble": (TryAgain("sendgrid_500"), "SendGrid has trouble of its own. Nothing is lost; run"),
    "a vendor in no hurry": (TryAgain("stripe_timeout"), "Stripe did not answer in time"),
    "too many calls": (TryAgain("stripe_429"), "Stripe asks for fewer calls"),
    "no way there": (TryAgain("sendgrid_not_reached"), "look at the network and at SENDGRID_API_BASE"),
    "a wrong key": (NeverRetry("sendgrid_401"), "does not take the key in SENDGRID_API_KEY"),
    "a vendor's own word": (NeverRetry("stripe_403_more_permissions"), "does not let the key in STRIPE_API_KEY read this"),
    "the other mode": (NeverRetry("stripe_wrong_mode"), "test or live"),
    "another refusal": (NeverRetry("stripe_400"), "Stripe refuses to answer"),
    "our own passing trouble": (TryAgain("store_busy"), "run the same command again"),
    "our own lasting trouble": (NeverRetry("no_key"), "ask whoever looks after Pledge"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_trouble_is_told_in_words_and_its_code_stands_behind(case: str) -> None:
    trouble, words = CASES[case]
    said = told(trouble)
    assert words in said
    assert "Errno" not in said
    if not isinstance(trouble, OSError):
        assert said.endswith(f" ({trouble.code})")
