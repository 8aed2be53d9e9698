"""What belongs together stays together: promises, modules, edges, main.py, the map, tests, mails, annex, README."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import yaml

from infra.mails import MAILS
from infra.subprocessors import CONNECTORS
from shared.addressees import Mailbox
from shared.annex import NAMES
from shared.identity import Identifiers
from shared.promises import PROMISES
from shared.records import QUERIES, RECORDS
from shared.store import Query

ROOT = Path(__file__).parents[1]
MAP = yaml.safe_load((ROOT / "terraform" / "functions.yaml").read_text())
FUNCTIONS = {name.replace("-", "_") for name in MAP}
SOURCES = [path for folder in ("shared", "infra", "functions") for path in (ROOT / folder).rglob("*.py")]


def stems(folder: str, prefix: str = "") -> set[str]:
    names = {path.stem for path in (ROOT / folder).glob(f"{prefix}*.py")} - {"__init__"}
    return {name.removeprefix(prefix) for name in names}


def test_every_function_of_the_map_stands_in_main_and_nothing_else_does() -> None:
    tree = ast.parse((ROOT / "main.py").read_text())
    assert {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} == FUNCTIONS


def test_a_function_behind_a_topic_says_so_itself_and_no_other_does() -> None:
    tree = ast.parse((ROOT / "main.py").read_text())
    decorated = {
        node.name: [ast.unparse(one) for one in node.decorator_list]
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    topics = {name.replace("-", "_") for name, entry in MAP.items() if "topic" in entry["trigger"]}
    assert decorated == {name: ["functions_framework.cloud_event"] * (name in topics) for name in FUNCTIONS}


def test_every_function_has_its_edge_and_its_tests() -> None:
    assert stems("functions") - {"description"} == FUNCTIONS
    assert stems("tests/functions", "test_") >= FUNCTIONS


def test_every_promise_has_its_module_and_its_tests_and_every_module_a_promise() -> None:
    named = {module for promise in PROMISES for module in promise.modules}
    assert named == stems("shared/promises")
    assert stems("tests/promises", "test_") >= named


def test_every_function_serves_a_promise() -> None:
    assert {function for promise in PROMISES for function in promise.functions} == FUNCTIONS


def test_the_readme_shows_every_promise_with_its_words_and_where_it_is_kept() -> None:
    readme = (ROOT / "README.md").read_text()
    for promise in PROMISES:
        row = next((line for line in readme.splitlines() if promise.words in line), "")
        assert promise.section in row, promise
        for module in promise.modules:
            assert f"shared/promises/{module}.py" in row, (promise, module)


def test_every_module_of_a_promise_begins_with_what_it_promises() -> None:
    for path in (ROOT / "shared" / "promises").glob("*.py"):
        assert len(ast.get_docstring(ast.parse(path.read_text())) or "") > 40, path.name


def test_every_mail_is_a_folder_and_every_folder_a_mail() -> None:
    folders = {path.name for path in (ROOT / "infra" / "mails").iterdir() if (path / "subject.txt").exists()}
    assert folders == set(MAILS)


def test_every_connector_stands_in_the_annex_and_is_one_file_with_its_test() -> None:
    assert set(CONNECTORS) <= set(NAMES)
    assert stems("infra/subprocessors") >= set(CONNECTORS)
    assert stems("tests/infra", "test_") >= set(CONNECTORS)


@pytest.mark.parametrize("name", sorted(MAP))
def test_an_entry_of_the_map_says_all_there_is_to_say(name: str) -> None:
    entry = MAP[name]
    assert set(entry) == {"trigger", "settings", "secrets", "roles", "limits"}
    assert set(entry["trigger"]) <= {"http", "task", "schedule", "topic"}
    assert set(entry["limits"]) == {"memory", "timeout_seconds", "concurrency", "max_instances"}


def test_every_query_the_code_makes_is_declared_once_beside_the_records() -> None:
    made = [path for path in SOURCES if path.name != "records.py" and re.search(r"\bQuery\(", path.read_text())]
    assert [path.name for path in made if path.name != "store.py"] == []
    assert len({(query.kind, query.equals, query.by) for query in QUERIES}) >= len(QUERIES) - 2
    assert all(isinstance(query, Query) for query in QUERIES)
    assert {query.kind.collection for query in QUERIES} <= {kind.collection for kind in RECORDS}


def test_a_view_names_fields_of_its_record_as_the_record_has_them() -> None:
    fields = {kind.collection: {one.name: one.type for one in msgspec.structs.fields(kind)} for kind in RECORDS}
    views = {query.kind for query in QUERIES} - set(RECORDS)
    assert views
    for view in views:
        named = {one.name: one.type for one in msgspec.structs.fields(view)}
        assert named.items() <= fields[view.collection].items()


def test_what_a_mail_reads_of_somebody_stands_there_as_it_is_sealed() -> None:
    sealed = {one.name: (one.type, one.default) for one in msgspec.structs.fields(Identifiers)}
    read = {one.name: (one.type, one.default) for one in msgspec.structs.fields(Mailbox)}
    assert read
    assert read.items() <= sealed.items()


def test_no_function_but_work_loads_a_vendors_library() -> None:
    probe = "import sys, importlib; importlib.import_module('functions.' + sys.argv[1]); print([m for m in ('sendgrid', 'stripe', 'google.cloud.firestore', 'google.cloud.tasks_v2') if m in sys.modules])"
    for name in sorted(FUNCTIONS):
        loaded = subprocess.run(
            [sys.executable, "-c", probe, name], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        assert loaded.strip() == "[]", name


def test_no_unfinished_word_stands_in_the_code() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert [path.name for path in SOURCES if words.search(path.read_text())] == []


def test_the_core_never_asks_the_machine_for_the_time() -> None:
    asked = re.compile(r"datetime\.now\(|time\.time\(|utcnow|date\.today")
    assert [path.name for path in (ROOT / "shared").rglob("*.py") if asked.search(path.read_text())] == []


def test_the_changelog_and_the_decisions_are_there() -> None:
    assert (ROOT / "CHANGELOG.md").read_text().startswith("# ")
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [path.name[:4] for path in decisions] == [f"{n:04d}" for n in range(1, len(decisions) + 1)]
