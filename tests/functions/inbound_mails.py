"""Mails as SendGrid's Inbound Parse posts them: forms of bytes, signed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from infra.local.sendgrid_keys import signed

BOUNDARY = "xYzZY"
KEY = "sendgrid-inbound-key"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def fields(**changed: Any) -> dict[str, Any]:
    """Return the fields of a mail; None takes one away."""
    headers = f"Message-ID: <{secrets.token_hex(8)}@people.example>\nFrom: Ann <ann@people.example>\nDate: Mon, 1 Mar 2027 10:00:00 +0000"
    given = {
        "headers": headers,
        "dkim": "none",
        "to": "privacy@sample-rooms.example",
        "from": "Ann <ann@people.example>",
        "envelope": '{"to":["privacy@sample-rooms.example"],"from":"ann@people.example"}',
        "subject": "A question",
        "text": "Where is my sofa?",
        "SPF": "none",
        "sender_ip": "203.0.113.7",
        "attachments": "0",
    } | changed
    return {name: value for name, value in given.items() if value is not None}


def form(
    said: Mapping[str, Any], files: Mapping[str, tuple[str, str, bytes]] | None = None, boundary: str = BOUNDARY
) -> bytes:
    """Return a form. `files`: field to filename, type and content."""
    parts = [_part(f'name="{name}"', "", value, boundary) for name, value in said.items()]
    parts += [
        _part(f'name="{name}"; filename="{filename}"', f"\r\nContent-Type: {media}", content, boundary)
        for name, (filename, media, content) in (files or {}).items()
    ]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


def _part(named: str, more: str, value: Any, boundary: str) -> bytes:
    content = value if isinstance(value, bytes) else str(value).encode()
    return f"--{boundary}\r\nContent-Disposition: form-data; {named}{more}\r\n\r\n".encode() + content + b"\r\n"


def headers(data_dir: Path, body: bytes, kind: str = FORM) -> dict[str, str]:
    """Return the headers of a signed webhook, names with underscores."""
    said = signed(data_dir / KEY, int(time.time()), body) | {"Content-Type": kind}
    return {name.replace("-", "_"): value for name, value in said.items()}


def charsets(**said: str) -> str:
    """Return the field that names each field's charset."""
    return msgspec.json.encode(said).decode()
