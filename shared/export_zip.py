"""§5.1: the file a person gets: their data as JSON, as tables, as a page to read, and their files as they are.

The same facts always make the same bytes: names in order, one time for every member. Nothing in it runs: cells that a
spreadsheet would take for formulas are made text, and the page has no script.
"""

from __future__ import annotations

import base64
import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from html import escape
from typing import Any, BinaryIO, NamedTuple

import msgspec

from shared import words
from shared.vault import canonical

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\/\u202a-\u202e\u2066-\u2069]')
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
LONGEST_PART = 100
STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{border:1px solid #ccc;padding:.3rem .5rem;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}th{width:35%;font-weight:600}"
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
Held = Mapping[str, Mapping[str, Any]]
"""By subprocessor, what it holds: named parts, JSON-able."""


class Facts(NamedTuple):
    """What goes into the file. `files`: by where each stands, its content as an export gives it.

    `manifest`: what is said about the file as a whole; its members are added.
    """

    at: datetime
    held: Held
    files: Mapping[str, Any]
    manifest: Mapping[str, Any]


def write(facts: Facts, to: Any) -> None:
    """Write the ZIP forwards to a file: nothing is read back or sought."""
    facts = Facts(facts.at, *(plain(msgspec.to_builtins(part)) for part in facts[1:]))
    listed: list[dict[str, Any]] = []
    with zipfile.ZipFile(_Forwards(to), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, more in _members(facts):
            archive.writestr(_info(name, facts.at), content)
            listed.append({"name": name, "bytes": len(content), "sha256": sha256(content).hexdigest()} | more)
        archive.writestr(_info("manifest.json", facts.at), _json({**facts.manifest, "members": listed}))


class _Forwards(io.RawIOBase):
    """What zipfile needs to write to something that cannot be sought."""

    def __init__(self, to: BinaryIO) -> None:
        self._to = to

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._to.write(bytes(data))


def _info(name: str, at: datetime) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, at.timetuple()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info


def _members(facts: Facts) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    names = Names()
    placed = {place: names.take(f"files/{place.removeprefix('gs://')}") for place in facts.files}
    held = {who: dict(parts) for who, parts in facts.held.items()}
    data = {**{name: facts.manifest[name] for name in ("request_id", "right", "generated_at")}, "data": held}
    if placed:
        data["files"] = placed
    yield "data.json", _json(data), {}
    yield "index.html", page(facts.manifest, held, placed).encode(), {}
    for who, parts in held.items():
        for part, value in parts.items():
            if rows := _rows(value):
                yield names.take(f"csv/{who}-{part}.csv"), table(rows), {}
    for place, name in placed.items():
        yield name, content(facts.files[place]), {"from": place}


def plain(value: Any) -> Any:
    """Return JSON whose every text can be written as UTF-8: one broken sign must not keep a person from the rest."""
    if isinstance(value, dict):
        return {plain(name): plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _json(value: Any) -> bytes:
    return msgspec.json.format(canonical(value), indent=2)


def content(shown: Any) -> bytes:
    """Return a file's bytes from what an export shows of it (`shared.website.readable`)."""
    return base64.b64decode(shown["base64"]) if isinstance(shown, Mapping) else str(shown).encode()


# --- names ------------------------------------------------------------------------------------------------------------


class Names:
    """Names of members: none leads out of the folder they are unpacked into, and no two are the same on any machine."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, wanted: str) -> str:
        """Return a safe name near to the wanted one that nobody has yet."""
        name = "/".join(_part(part) for part in wanted.split("/") if part)
        stem, dot, end = name.rpartition(".") if "." in name.rpartition("/")[2] else (name, "", "")
        number = 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem}~{number}{dot}{end}"
        self._taken.add(name.casefold())
        return name


def _part(raw: str) -> str:
    # a name in two forms is one name on some machines
    safe = UNSAFE.sub("_", unicodedata.normalize("NFC", raw))[:LONGEST_PART].rstrip(". ")
    return f"_{safe}" if not safe or RESERVED.fullmatch(safe) else safe


# --- tables -----------------------------------------------------------------------------------------------------------


def _rows(value: Any) -> list[dict[str, Any]]:
    """Return a part as rows: a list of things, or things by name."""
    if isinstance(value, list):
        things = [one if isinstance(one, Mapping) else {"value": one} for one in value]
    elif isinstance(value, Mapping) and value and all(isinstance(one, Mapping) for one in value.values()):
        things = [{"name": name, **one} for name, one in value.items()]
    else:
        things = [value if isinstance(value, Mapping) else {"value": value}]
    return [dict(_flat(one)) for one in things]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _flat(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        yield path, canonical(value).decode()
    else:
        yield path, "" if value is None or value == {} else value


def table(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as CSV (RFC 4180), UTF-8; columns in the order they are met."""
    every = list(rows)
    columns = list(dict.fromkeys(name for row in every for name in row))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([cell(name) for name in columns])
    writer.writerows([[cell(row.get(name, "")) for name in columns] for row in every])
    return text.getvalue().encode()


def cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula; numbers are what they are."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


# --- the page ---------------------------------------------------------------------------------------------------------


def page(manifest: Mapping[str, Any], held: Held, files: Mapping[str, str]) -> str:
    """Return a page that shows all of it and runs nothing."""
    title = f"{manifest['controller']}: {words.right(manifest['right'])}"
    parts = [*_about(manifest), *(_section(who, of) for who, of in held.items()), *_files(files)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n{''.join(parts)}</body></html>\n"
    )


def _about(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield f"<p>Put together on {escape(words.date(manifest['generated_at']))}. {escape(manifest['scope'])}</p>\n"
    if manifest["gaps"]:
        yield "<h2>What is missing, and why</h2>\n<ul>\n"
        for gap in manifest["gaps"]:
            yield f"<li>{escape(words.recipient(gap['subprocessor']))}: {escape(gap['why'])}</li>\n"
        yield "</ul>\n"


def _section(who: str, parts: Mapping[str, Any]) -> str:
    shown = [f"<h3>{escape(part.replace('_', ' '))}</h3>\n{_list(value)}" for part, value in parts.items()]
    return f"<h2>{escape(words.recipient(who))}</h2>\n{''.join(shown)}" if shown else ""


def _list(value: Any) -> str:
    rows = "".join(
        f"<tr><th>{escape(path)}</th><td>{escape(str(said))}</td></tr>\n" for path, said in words.facts(value)
    )
    return f"<table>\n{rows}</table>\n"


def _files(files: Mapping[str, str]) -> Iterator[str]:
    if files:
        yield "<h2>Files</h2>\n<ul>\n"
        for place, name in files.items():
            yield f"<li>{escape(place)}: <code>{escape(name)}</code></li>\n"
        yield "</ul>\n"
