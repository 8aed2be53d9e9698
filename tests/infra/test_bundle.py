"""The source bundle: the same bytes everywhere, nothing that does not run in the cloud, and it starts."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

from infra.bundle import LEFT_OUT, PACKED, bundle
from infra.cli import main
from shared.annex import NAMES
from shared.failures import Misconfigured

ROOT = Path(__file__).parents[2]
MAP = yaml.safe_load((ROOT / "terraform" / "functions.yaml").read_text())
SAMPLES = ROOT / "infra" / "local" / "samples"
WEBSITE_DATA = SAMPLES / "website-data.yaml"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, saying of every subprocessor without a connector that it is not used."""
    said = yaml.safe_load((SAMPLES / "company.yaml").read_text())
    said["not_used"] = dict.fromkeys(set(NAMES) - {"sendgrid", "google_cloud_platform"}, "we have no account there")
    path = tmp_path_factory.mktemp("company") / "company.yaml"
    path.write_text(yaml.safe_dump(said))
    return path


@pytest.fixture(scope="module")
def unpacked(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    packed = folder.with_suffix(".zip")
    packed.write_bytes(bundle(company, WEBSITE_DATA))
    with ZipFile(packed) as archive:
        archive.extractall(folder)
    return folder


def another_checkout(folder: Path, mask: int) -> Path:
    """The same sources elsewhere: written under another umask, at another time, with what editors and runs leave."""
    before = os.umask(mask)
    try:
        for source in (ROOT / top for top in PACKED):
            if source.is_dir():
                shutil.copytree(source, folder / source.name, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(source, folder / source.name)
        (folder / "shared" / "__pycache__").mkdir(exist_ok=True)
        (folder / "shared" / "__pycache__" / "words.cpython-399.pyc").write_bytes(b"compiled")
        (folder / "functions" / ".DS_Store").write_bytes(b"left by a desktop")
    finally:
        os.umask(before)
    for path in folder.rglob("*"):
        os.utime(path, (mask, mask))
    return folder


def test_two_checkouts_in_other_places_under_other_masks_and_at_other_times_pack_the_same_bytes(
    company: Path, tmp_path: Path
) -> None:
    packed = []
    for name, mask in (("here", 0o022), ("elsewhere", 0o077)):
        (tmp_path / name).mkdir()
        packed.append(bundle(company, WEBSITE_DATA, another_checkout(tmp_path / name, mask)))
    assert packed[0] == packed[1] == bundle(company, WEBSITE_DATA)


def test_a_changed_file_is_another_bundle(company: Path, tmp_path: Path) -> None:
    other = another_checkout(tmp_path, 0o022)
    (other / "shared" / "words.py").write_text("# changed\n")
    assert bundle(company, WEBSITE_DATA, other) != bundle(company, WEBSITE_DATA)


def test_the_companys_files_are_packed_as_they_are(company: Path, unpacked: Path) -> None:
    assert (unpacked / "company.yaml").read_bytes() == company.read_bytes()
    assert (unpacked / "website-data.yaml").read_bytes() == WEBSITE_DATA.read_bytes()


def imported(source: str) -> Iterator[str]:
    """The modules that a source may import, whenever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def file_of(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    return next((found for found in (path.with_suffix(".py"), path / "__init__.py") if found.is_file()), None)


def reachable() -> set[str]:
    """The files of ours that the deployed functions can reach, but through what is left out."""
    seen: set[str] = set()
    waiting = ["main"]
    while waiting:
        path = file_of(waiting.pop())
        name = path.relative_to(ROOT).as_posix() if path else ""
        if path is None or name in seen or name.startswith(LEFT_OUT):
            continue
        seen.add(name)
        waiting += imported(path.read_text())
        waiting += [".".join(parent.parts) for parent in path.relative_to(ROOT).parents if parent.parts]
    return seen


def test_what_is_packed_is_what_the_functions_can_reach_and_nothing_else(unpacked: Path) -> None:
    assert {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*.py")} == reachable()


def test_nothing_of_this_machine_is_packed(unpacked: Path) -> None:
    kinds = {path.suffix for path in unpacked.rglob("*") if path.is_file()}
    assert kinds == {".py", ".html", ".css", ".txt", ".yaml"}
    assert {path.name for path in unpacked.iterdir()} == {*PACKED, "company.yaml", "website-data.yaml"}
    assert not (unpacked / "infra" / "local").exists()


BOOT = """
import sys
from functions_framework import create_app
names = sys.argv[1:]
for name in names:
    target, _, kind = name.partition(":")
    app = create_app(target, "main.py", kind)
    edge = __import__(f"functions.{target}", fromlist=["edge"]).edge
    if kind == "http":
        answer = app.test_client().get("/nothing/at/this/address")
        assert (answer.status_code, answer.mimetype) == (404, "application/problem+json"), (name, answer.data)
from infra.container import Container
from infra.settings import Settings
container = Container(Settings())
assert container.company.name and container.website_data.storage
ours = [m.__file__ for n, m in sys.modules.items() if n.partition(".")[0] in ("functions", "infra", "shared")]
print(all(one.startswith(sys.path[0]) for one in ours if one), "infra.local" in sys.modules)
"""


def test_every_function_starts_from_the_bundle_alone(unpacked: Path) -> None:
    kinds = {name: "cloudevent" if "topic" in entry["trigger"] else "http" for name, entry in MAP.items()}
    targets = [f"{name.replace('-', '_')}:{kind}" for name, kind in kinds.items()]
    environment = {"RUNTIME": "gcp", "COMPANY": "company.yaml", "WEBSITE_DATA": "website-data.yaml"}
    started = subprocess.run(
        [sys.executable, "-c", BOOT, *targets],
        cwd=unpacked,
        env=environment | {"PYTHONPATH": str(unpacked), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (started.stdout, started.returncode) == ("True False\n", 0), started.stderr


def test_the_command_writes_the_bundle_and_says_its_digest(
    company: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pledge.zip"
    assert main(["bundle", "--company", str(company), "--website-data", str(WEBSITE_DATA), str(out)]) == 0
    assert sha256(out.read_bytes()).hexdigest() in capsys.readouterr().out


@pytest.mark.parametrize(
    ("company_says", "website_says", "rule"),
    [
        (None, "", "COMPANY: there is no such file"),
        ("name: [", "", "COMPANY: not YAML"),
        ("name: Nobody", "", "COMPANY: Object missing required field"),
        ("sample", None, "WEBSITE_DATA: there is no such file"),
        ("sample", "storage: [gs://uploads/everybody/]", "names no identifier"),
    ],
)
def test_files_that_the_functions_would_refuse_are_not_packed(
    company_says: str | None, website_says: str | None, rule: str, tmp_path: Path
) -> None:
    company, website_data = tmp_path / "company.yaml", tmp_path / "website-data.yaml"
    if company_says is not None:
        sample = (SAMPLES / "company.yaml").read_text()
        company.write_text(sample if company_says == "sample" else company_says)
    if website_says is not None:
        website_data.write_text(website_says)
    with pytest.raises(Misconfigured, match=rule):
        bundle(company, website_data)
