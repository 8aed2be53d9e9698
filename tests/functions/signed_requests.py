"""What Meta posts, signed as Meta's documents describe it and apart from our own code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any


def encoded(value: bytes) -> str:
    """Encode as Meta does: URL-safe, without padding."""
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def signed_payload(payload: str, secret: str) -> str:
    """Sign a payload that is encoded already, whatever it holds."""
    return f"{encoded(hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest())}.{payload}"


def signed_request(user_id: Any, secret: str, **more: Any) -> str:
    """Sign what Meta says of a user; `more` replaces or adds fields."""
    said = {"algorithm": "HMAC-SHA256", "issued_at": int(time.time()), "user_id": user_id} | more
    return signed_payload(encoded(json.dumps(said).encode()), secret)
