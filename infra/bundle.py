"""The source bundle that Google Cloud builds the functions from: the same bytes wherever and whenever it is packed.

Sorted names, one time, one mode, and no compression: compressors differ between machines, and their output with them. Only
what runs there is in it, with the company's two files at its root, which is where the functions look for them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from infra.container import Container
from infra.settings import Settings
from shared.failures import Misconfigured

ROOT = Path(__file__).parents[1]
PACKED = ("main.py", "requirements.txt", "functions", "infra", "shared")
LEFT_OUT = (
    "infra/local/",
    "infra/bundle.py",
    "infra/cli.py",
    "infra/cli_import.py",
    "infra/cli_keys.py",
    "infra/cli_publish.py",
    "infra/gcp/indexes.py",
    "infra/gcp/keyring.py",
    "infra/gcp/secret_checks.py",
    "infra/gcp/secrets.py",
    "infra/imports/",
    "shared/imports/",
    "shared/promises/importing.py",
)
"""What only a person's machine needs: the embedded runtime and the command line. A test holds the list to the imports."""
COMPANY = "company.yaml"
WEBSITE_DATA = "website-data.yaml"
TIME = (1980, 1, 1, 0, 0, 0)
MODE = 0o100644 << 16
UNIX = 3


def bundle(company: Path, website_data: Path, root: Path = ROOT) -> bytes:
    """Return the bundle as a ZIP. Raises Misconfigured for files that the functions would refuse to start with."""
    _check(company, website_data)
    files = {name: root / name for name in _names(root)} | {COMPANY: company, WEBSITE_DATA: website_data}
    packed = io.BytesIO()
    with ZipFile(packed, "w", ZIP_STORED) as archive:
        for name in sorted(files):
            entry = ZipInfo(name, TIME)
            entry.external_attr, entry.create_system = MODE, UNIX
            archive.writestr(entry, files[name].read_bytes())
    return packed.getvalue()


def _check(company: Path, website_data: Path) -> None:
    container = Container(Settings({"COMPANY": str(company), "WEBSITE_DATA": str(website_data)}))
    _ = (container.company, container.website_data)
    if container.idle:
        raise Misconfigured(f"{company.name}: neither connected nor in not_used: {', '.join(container.idle)}")


def _names(root: Path) -> Iterator[str]:
    for top in PACKED:
        for path in (root / top, *(root / top).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_file() and not name.startswith(LEFT_OUT) and not _stray(path.relative_to(root)):
                yield name


def _stray(path: Path) -> bool:
    return path.suffix == ".pyc" or any(part == "__pycache__" or part.startswith(".") for part in path.parts)
