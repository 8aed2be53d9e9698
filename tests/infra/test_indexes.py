"""What Firestore must be told: the emulator answers any query, the real database only those that have an index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.gcp.firestore_store import queried
from infra.gcp.indexes import declaration
from shared.records import QUERIES, RECORDS
from shared.store import Query

FILE = Path(__file__).parents[2] / "terraform" / "firestore.yaml"


def test_the_file_terraform_reads_is_what_the_code_asks_for() -> None:
    assert yaml.safe_load(FILE.read_text()) == declaration()


def indexed(query: Query[Any]) -> bool:
    """Tell whether the file, read as Firestore reads it, serves the query."""
    held = yaml.safe_load(FILE.read_text())
    name = query.kind.collection
    fields = [*query.equals, *([] if query.by == "id" else [query.by])]
    if len(fields) > 1:
        return {"collection": name, "fields": fields} in held["indexes"]
    return all({"collection": name, "field": field} not in held["exemptions"] for field in fields)


@pytest.mark.parametrize(
    "query", QUERIES, ids=lambda query: f"{query.kind.collection}-{'-'.join(query.equals)}-{query.by}"
)
def test_every_declared_query_has_its_index(query: Query[Any]) -> None:
    assert indexed(query)


def test_nothing_is_indexed_that_no_query_asks_for() -> None:
    held = yaml.safe_load(FILE.read_text())
    exempt = {(one["collection"], one["field"]) for one in held["exemptions"]}
    alone = {
        (query.kind.collection, (*query.equals, query.by)[0])
        for query in QUERIES
        if len({*query.equals, query.by} - {"id"}) == 1
    }
    for kind in RECORDS:
        for field in ("body", "mark", *queried(kind)):
            assert ((kind.collection, field) in exempt) != ((kind.collection, field) in alone), (kind.collection, field)


def test_an_index_that_is_missing_shows() -> None:
    watched = next(query for query in QUERIES if query.equals == ("open",))
    assert {"collection": "requests", "fields": ["open", "watch_by"]} in declaration()["indexes"]
    assert {"collection": "requests", "field": "watch_by"} in declaration()["exemptions"]
    assert not indexed(Query(watched.kind, equals=("open", "status"), by="watch_by"))
