"""What the demo website holds about one of its users, put there and read back: over any twin of `WebsiteStore`."""

from __future__ import annotations

from typing import Any

from shared.failures import BadInput
from shared.identity import Identifiers, user_id
from shared.store import MOST_CHANGES
from shared.website import WebsiteStore, holdings, readable
from shared.website_data import WebsiteData
from shared.website_paths import document_path, file_path


def put_person_data(
    website: WebsiteStore, declared: WebsiteData, person: str, documents: dict[str, Any], files: dict[str, Any]
) -> None:
    """Store demo data of one user as given; files go to the first bucket. Raises BadInput before writing any."""
    user_id(person)
    for path, data in documents.items():
        _check_document(path, data)
    if len(documents) > MOST_CHANGES:
        raise BadInput(f"at most {MOST_CHANGES} documents at once", "documents")
    contents = {file_path(path): _content(text) for path, text in files.items()}
    bucket = declared.bucket()
    if contents and bucket is None:
        raise BadInput("WEBSITE_DATA names no bucket", "files")
    for path, content in contents.items():
        website.write_file(str(bucket), path, content)
    for path, data in documents.items():
        website.write(path, data)


def person_data(website: WebsiteStore, declared: WebsiteData, person: str) -> dict[str, dict[str, Any]]:
    """Return what the declaration finds for this user id; files outside the first bucket by `gs://bucket/path`."""
    found = holdings(website, declared, [Identifiers(user_id=user_id(person))], [])
    first = declared.bucket()
    files = {
        path if bucket == first else f"gs://{bucket}/{path}": readable(website.read_file(bucket, path) or b"")
        for bucket, path in found.files
    }
    return {"documents": found.documents, "files": files}


def _check_document(path: str, data: Any) -> None:
    document_path(path)
    if not isinstance(data, dict):
        raise BadInput("a document is an object", "documents")


def _content(text: Any) -> bytes:
    if not isinstance(text, str):
        raise BadInput("a file is text", "files")
    return text.encode()
