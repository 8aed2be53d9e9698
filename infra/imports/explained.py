"""What `pledge import … --help` says of a file's columns."""

from __future__ import annotations

from shared.imports import consents, customers, evidence, stops

COLUMNS = {
    "customers": (customers.NEEDED, customers.COLUMNS),
    "consents": (consents.NEEDED, consents.COLUMNS),
    "unsubscribes": (stops.NEEDED, stops.COLUMNS),
}
"""Of each kind of file: the columns it must have, and all it may have."""
TIME = "a time with its zone, such as 2024-05-01T12:00:00Z"
SEVERAL = "apart by spaces or semicolons"
MEANINGS = {
    "customers": {
        "user_id": "the website's own id of the account",
        "email": "its address",
        "email_verified": "true, yes or 1 where the website saw it confirmed; otherwise it leads nowhere",
        "locale": "a language such as de or de-AT",
        "country": "two letters (ISO 3166), such as AT",
        "stripe_customer_ids": f"cus_…; several {SEVERAL}",
        "ga_client_ids": f"several {SEVERAL}",
        "meta_user_ids": f"several {SEVERAL}",
    },
    "consents": {
        "user_id": "whose it is: this, or email, never both",
        "email": "whose it is where there is no account",
        "purpose": "a purpose that asks for consent",
        "granted": "true, yes, y, 1, ja, oui, sí or false, no, n, 0, nein, non; whatever can be read of a no counts",
        "at": f"when it was said: {TIME}",
        "policy_version": "of a yes: the version that was shown, published here",
        "method": f"of a yes: {', '.join(evidence.METHODS)}",
        "source": "of a yes: where it was given, in your words",
        "text_sha256": "of a yes: the hash of the text that was shown, as `pledge publish` printed it; needed for a yes\n"
        "from before that version was known here, and must be the version's own",
        "confirmed_at": "when the mailbox confirmed this yes, for an email without an account",
    },
    "unsubscribes": {
        "email": "who said no",
        "purpose": "to what, several apart by spaces; to all marketing when empty or not known here",
        "at": f"when: {TIME}; may be empty",
    },
}
FORM = """
CSV in UTF-8 with a header line; commas, semicolons or tabs set columns apart, in any order. Names of columns may be in
capitals. A column that is not listed is refused: take it out."""


def explained(what: str) -> str:
    """Return what a kind of file looks like."""
    needed, columns = COLUMNS[what]
    lines = [f"Columns (* is needed):{'':<4}"]
    for name in columns:
        meaning = MEANINGS[what].get(name, "").replace("\n", f"\n{'':<25}")
        lines.append(f"  {name + ('*' if name in needed else ''):<23}{meaning}")
    return "\n".join(line.rstrip() for line in lines) + "\n" + FORM
