"""The indexes, exemptions and lifetimes that Firestore must have, derived from the queries the code declares.

The emulator answers every query without an index; the real database refuses it. So Terraform reads `terraform/firestore.yaml`,
which `python -m infra.gcp.indexes` writes from here, and a test holds the two together.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from shared.records import QUERIES, RECORDS, Idempotency, Quota, Submission, Throttle, queried
from shared.store import Query, Record

NEVER_QUERIED = ("body", "mark")
EXPIRING_ALONE = (Idempotency, Throttle, Quota, Submission)
"""Nothing else ends with these, so the database may remove them itself should the retention job not run."""


def declaration() -> dict[str, Any]:
    """Return `{indexes: [{collection, fields}], exemptions: [{collection, field}], ttl: [{collection, field}]}`."""
    return {
        "indexes": [{"collection": name, "fields": list(fields)} for name, fields in sorted(set(_composites(QUERIES)))],
        "exemptions": [{"collection": kind.collection, "field": field} for kind in RECORDS for field in _exempt(kind)],
        "ttl": [{"collection": kind.collection, "field": "expires_at"} for kind in EXPIRING_ALONE],
    }


def _composites(queries: Iterable[Query[Any]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    return ((query.kind.collection, fields) for query in queries if len(fields := _fields(query)) > 1)


def _fields(query: Query[Any]) -> tuple[str, ...]:
    # the document's name ends every index by itself
    return (*query.equals, *([] if query.by == "id" else [query.by]))


def _exempt(kind: type[Record]) -> list[str]:
    """Return the fields no query asks for alone: an index of growing times would only slow each write."""
    alone = {
        _fields(query)[0] for query in QUERIES if query.kind.collection == kind.collection and len(_fields(query)) == 1
    }
    return [*NEVER_QUERIED, *(field for field in queried(kind) if field not in alone)]


if __name__ == "__main__":
    sys.stdout.write("# Made by `python -m infra.gcp.indexes` from shared/records.py; a test compares them.\n")
    yaml.safe_dump(declaration(), sys.stdout, sort_keys=False)
