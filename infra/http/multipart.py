"""A form of fields and files (RFC 7578) as bytes, read in little memory: files beyond the limit are forgotten at once.

Flask's own parser is not used: it keeps every file, refuses long fields, and decodes before anybody asks how.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import NEED_DATA, Data, Epilogue, Field, File, MultipartDecoder

from shared.mail_reading.received import Attachment

CHUNK = 64 * 1024
MOST_PARTS = 1000
MOST_ATTACHED = 400_000
"""Bytes of files, together: what goes into one record beside a mail's text."""
MOST_OF_FIELD = 1_000_000
"""Bytes: whoever reads text stops well before, in any charset. What is longer is forgotten at once."""
WHOLE_MAIL = "email"
"""The one field that is read to its end: in it a mail's text may stand behind its files."""
BROKEN = (ValueError, LookupError, TypeError, AttributeError, HTTPException)
"""What the parser raises on a form that breaks the rules."""


class Form(NamedTuple):
    """A form as it was read. `left_out`: names of files there was no room for. `whole`: it had its end."""

    fields: dict[str, bytes]
    files: list[Attachment]
    left_out: list[str]
    whole: bool


def form_of(raw: bytes, content_type: str) -> Form:
    """Read a form, as far as it can be read. Never raises."""
    form = _Filled()
    kind, options = parse_options_header(content_type)
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not boundary:
        return Form({}, [], [], whole=False)
    try:
        for event in _events(raw, boundary.encode("latin-1", "replace")):
            form.take(event)
    except BROKEN:
        return form.read(whole=False)
    return form.read(whole=True)


def _events(raw: bytes, boundary: bytes) -> Iterator[Any]:
    decoder = MultipartDecoder(boundary, max_parts=MOST_PARTS)
    body = memoryview(raw)
    for start in range(0, len(raw) + CHUNK, CHUNK):
        decoder.receive_data(bytes(body[start : start + CHUNK]) or None)
        while (event := decoder.next_event()) is not NEED_DATA:
            yield event
            if isinstance(event, Epilogue):
                return


class _Filled:
    """A form while it is read: attachments beyond the limit are forgotten at once."""

    def __init__(self) -> None:
        self._fields: dict[str, bytearray] = {}
        self._files: list[tuple[str, str, bytearray]] = []
        self._left_out: list[str] = []
        self._into: bytearray | None = None
        self._attached = 0

    def take(self, event: Any) -> None:
        if isinstance(event, Field):
            # the first of a name counts
            self._into = None if event.name in self._fields else self._fields.setdefault(event.name, bytearray())
        elif isinstance(event, File):
            media = event.headers.get("Content-Type", "application/octet-stream")
            self._files.append((event.filename, media, bytearray()))
            self._into = self._files[-1][2]
        elif isinstance(event, Data) and self._into is not None:
            self._add(event.data)

    def _add(self, data: bytes) -> None:
        into = self._into
        if into is None:
            return
        if len(into) > MOST_OF_FIELD and into is not self._fields.get(WHOLE_MAIL):
            self._into = None
            return
        if self._files and into is self._files[-1][2]:
            self._attached += len(data)
            if self._attached > MOST_ATTACHED:
                self._attached -= len(into) + len(data)
                self._left_out.append(self._files.pop()[0])
                self._into = None
                return
        into += data

    def read(self, *, whole: bool) -> Form:
        files = [Attachment(name=name, media=media, content=bytes(content)) for name, media, content in self._files]
        return Form({name: bytes(value) for name, value in self._fields.items()}, files, self._left_out, whole)
