"""Where the website's documents and files stand. A path that could lead elsewhere is refused, and never repeated: it holds ids."""

from __future__ import annotations

import re

from shared.failures import BadInput

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def safe_path(path: str, field: str) -> str:
    """Check a path. Raises BadInput, which names the field."""
    if _UNWRITABLE.search(path):
        raise BadInput("a path holds no control characters", field)
    if any(segment in {"", ".", ".."} for segment in path.split("/")):
        raise BadInput("a path has no empty segment, no '.' and no '..'", field)
    return path


def document_path(path: str) -> str:
    """Check a document's path: collection, id, and again below it. Raises BadInput."""
    if len(safe_path(path, "documents").split("/")) % 2:
        raise BadInput("a document's path has an even number of segments", "documents")
    return path


def file_path(path: str) -> str:
    """Check a file's path, or a prefix without the slash at its end. Raises BadInput."""
    return safe_path(path, "files")


def bucket_name(bucket: str) -> str:
    """Check a bucket's name. Raises BadInput."""
    if not _BUCKET.fullmatch(bucket):
        raise BadInput("a bucket is 3 to 222 characters of a-z 0-9 . _ -", "bucket")
    return bucket
