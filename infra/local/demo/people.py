"""The people who signed up in the demo. The demo keeps their random ids alone; all else is asked for, live.

So when somebody's data is erased, the demo has no copy left over either.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

from infra.local.demo.product import Product, Refusal, path_of
from shared.words import day

ID = re.compile(r"guest-[0-9a-f]{8}")
MOST_KEPT = 200
SUGGESTED = (
    ("Mia Moreau", "mia.moreau@example.org"),
    ("Noah Okafor", "noah.okafor@example.org"),
    ("Lena Lindqvist", "lena.lindqvist@example.org"),
    ("Arjun Rao", "arjun.rao@example.org"),
    ("Zoe Zhang", "zoe.zhang@example.org"),
)
"""Made-up people to sign up with; `example.org` belongs to nobody (RFC 2606)."""
_writing = threading.Lock()


class People:
    """The list of ids, in one small file, newest last."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "demo.json"

    def ids(self) -> list[str]:
        """Return the ids, newest first; a file that is no longer ours to read counts as empty."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))["people"]
            return [one for one in reversed(kept) if isinstance(one, str) and ID.fullmatch(one)]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def add(self, user_id: str) -> None:
        """Remember an id."""
        with _writing:
            kept = [*reversed(self.ids()), user_id][-MOST_KEPT:]
            aside = self._path.with_name(f".demo.json.{secrets.token_hex(8)}")
            # written aside and renamed: nobody ever reads half a list
            aside.write_text(json.dumps({"people": kept}), encoding="utf-8")
            aside.replace(self._path)


def sign_up(product: Product, people: People, now: datetime, name: str, email: str) -> str:
    """Do what the website's server does when somebody signs up; return the new user id. Raises Refusal."""
    if not name.strip():
        raise Refusal(400, "That request cannot be accepted", "a name is needed", "name")
    user_id = f"guest-{secrets.token_hex(4)}"
    account = {"user_id": user_id, "email": email, "email_verified": True, "name": name.strip()}
    product.website("POST", "/subjects", account | {"locale": "en", "country": "GB"})
    people.add(user_id)
    product.anyone("PUT", path_of("website", user_id), sample(user_id, name.strip(), email.strip(), now))
    return user_id


def order_path(user_id: str) -> str:
    """Return where the one order of a demo person stands."""
    return f"orders/A-{user_id.removeprefix('guest-')}"


def sample(user_id: str, name: str, email: str, now: datetime) -> dict[str, Any]:
    """Return what the website writes at sign-up: an account, a room, an order with an invoice, and a file."""
    account = {"name": name, "email": email, "since": day(now)}
    room = {"title": "Living room", "style": "light woods", "budget": "1,500 GBP"}
    order = {
        "user_id": user_id,
        "deliver_to": name,
        "item": "Reading lamp",
        "amount": "89.00 GBP",
        "date": day(now),
        "invoice_no": f"INV-{user_id.removeprefix('guest-').upper()}",
    }
    documents = {f"users/{user_id}": account, f"users/{user_id}/rooms/living": room, order_path(user_id): order}
    wish = f"{name} would like a reading corner by the window."
    return {"documents": documents, "files": {f"users/{user_id}/wishes.txt": wish}}
