"""Derive `google_schema.json`: the google provider's schema, for the resources that `terraform/` uses and no others.

    python -m tests.terraform.derive_schema cdktn_provider_google-21.1.0-py3-none-any.whl

The wheel holds bindings generated from the provider's own schema (google 8.7.0, MPL-2.0). Each generated class says of
every attribute, in a comment, whether it is required, optional or computed; its getter says the type, and its nested
classes say the blocks, list or set. Run it again whenever `terraform/` begins to use another resource.
"""

from __future__ import annotations

import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCHEMA = Path(__file__).with_name("google_schema.json")
RESOURCE = re.compile(r'^resource "google_(\w+)"', re.MULTILINE)
CLASS = re.compile(r"^class (\w+) extends [\w.]+\.(\w+) \{$", re.MULTILINE)
MEMBER = re.compile(
    r"^    // (\w+) - computed: (true|false), optional: (true|false), required: (true|false)$", re.MULTILINE
)
NESTED = re.compile(r'= new (\w+?)(List|OutputReference)\(this, "\w+"(?:, (true|false))?\)')
KEPT_MAP = re.compile(r"= new cdktn\.(StringMap)\(this, ")
GETTER = re.compile(r"return (.*?)this\.get(\w+?)Attribute\(")
DECLARED = re.compile(r'^ +(\w+): \{\n.*\n +isBlock: false,\n +type: "\w+",\n +storageClassType: "(\w+)"', re.MULTILINE)
VERSION = re.compile(r"providerVersion: '([\d.]+)'")
TYPES: dict[str, Any] = {
    "String": "string",
    "Number": "number",
    "Boolean": "bool",
    "List": ["list", "string"],
    "NumberList": ["list", "number"],
    "StringList": ["list", "string"],
    "StringMap": ["map", "string"],
}


def used() -> list[str]:
    """Return the resource types that `terraform/` uses, without the provider's prefix."""
    sources = [path.read_text() for path in (ROOT / "terraform").glob("*.tf")]
    return sorted({name for source in sources for name in RESOURCE.findall(source)})


def generated(wheel: Path, wanted: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the folder and the generated source of each wanted resource; one pass through the archive."""
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with outer.open(inner) as packed, tarfile.open(fileobj=packed, mode="r|gz") as archive:
            for member in archive:
                folder, _, file = member.name.removeprefix("package/lib/").partition("/")
                source = archive.extractfile(member) if file == "index.js" and folder in wanted else None
                if source is not None:
                    yield folder, source.read().decode()


def pieces(pattern: re.Pattern[str], text: str) -> list[tuple[re.Match[str], str]]:
    """Return each match, with the text from its end to the next one's start."""
    found = list(pattern.finditer(text))
    ends = [following.start() for following in found[1:]] + [len(text)] * bool(found)
    return [(match, text[match.end() : end]) for match, end in zip(found, ends, strict=True)]


def classes(source: str) -> dict[str, tuple[str, str]]:
    """Return each generated class by name: what it extends, and its text."""
    return {match[1]: (match[2], text) for match, text in pieces(CLASS, source)}


def block(source: str, name: str) -> dict[str, Any]:
    """Return a class as a block: its attributes, and the blocks in it."""
    found: dict[str, Any] = {"attributes": {}, "blocks": {}}
    for member, body in pieces(MEMBER, classes(source)[name][1]):
        nested = NESTED.search(body)
        if nested is None:
            found["attributes"][member[1]] = {"type": _type(member[1], body), **_flags(member)}
        elif member[3] == "false" and member[4] == "false":
            found["attributes"][member[1]] = {"type": _object(source, nested), "computed": True}
        else:
            found["blocks"][member[1]] = _nested(source, member, nested)
    return {key: value for key, value in found.items() if value}


def _flags(member: re.Match[str]) -> dict[str, bool]:
    names = ("computed", "optional", "required")
    return {name: True for name, said in zip(names, member.groups()[1:], strict=True) if said == "true"}


def _type(name: str, body: str) -> Any:
    kept = KEPT_MAP.search(body)
    if kept is not None:
        return TYPES[kept[1]]
    getter = GETTER.search(body)
    if getter is None:
        raise ValueError(f"nothing says the type of {name}")
    found = TYPES[getter[2]]
    return ["set", found[1]] if "tolist" in getter[1] else found


def _nested(source: str, member: re.Match[str], nested: re.Match[str]) -> dict[str, Any]:
    inner = block(source, f"{nested[1]}OutputReference")
    if member[1] == "timeouts":
        return {"nesting": "single", **inner}
    limits = {"max": 1} if nested[2] == "OutputReference" else {}
    least = {"min": 1} if member[4] == "true" else {}
    return {"nesting": "set" if nested[3] == "true" else "list", **limits, **least, **inner}


def _object(source: str, nested: re.Match[str]) -> Any:
    inner = block(source, f"{nested[1]}OutputReference")
    fields = {name: attribute["type"] for name, attribute in inner.get("attributes", {}).items()}
    return ["set" if nested[3] == "true" else "list", ["object", fields]]


def derive(wheel: Path) -> dict[str, Any]:
    """Return the schema of the provider and of the resources in use. Raises KeyError for one the wheel has not."""
    folders = {name.replace("_", "-"): name for name in used()}
    sources = dict(generated(wheel, {*folders, "provider"}))
    return {
        "about": "Made by derive_schema.py from the google provider's schema; see README.md. Licence: MPL-2.0.",
        "version": VERSION.findall(sources["provider"])[0],
        "provider": {"attributes": _settings(sources["provider"])},
        "resources": {
            f"google_{name}": block(sources[folder], _resource(sources[folder])) for folder, name in folders.items()
        },
    }


def _settings(source: str) -> dict[str, Any]:
    """Return the provider's own attributes. Its class has no getters; the types stand where it writes them out."""
    declared = [(name, kind[0].upper() + kind[1:]) for name, kind in DECLARED.findall(source)]
    return {name: {"type": TYPES[kind], "optional": True} for name, kind in declared}


def _resource(source: str) -> str:
    return next(name for name, (base, _) in classes(source).items() if base == "TerraformResource")


def written(derived: dict[str, Any]) -> str:
    """Return the file's text: a line for each resource, so that a difference names it."""
    resources = [
        f"  {json.dumps(name)}: {json.dumps(one, sort_keys=True)}" for name, one in derived["resources"].items()
    ]
    others = [f" {json.dumps(name)}: {json.dumps(one)},\n" for name, one in derived.items() if name != "resources"]
    return "{\n" + "".join(others) + ' "resources": {\n' + ",\n".join(resources) + "\n }\n}\n"


if __name__ == "__main__":
    SCHEMA.write_text(written(derive(Path(sys.argv[1]))))
