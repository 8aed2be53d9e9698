"""The website's own documents: read and written where the website keeps them, in its Firestore database."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import grpc

from infra.gcp.calls import Api, failure, messages
from infra.gcp.website_values import data_of, fields_of
from shared.store import MOST_CHANGES
from shared.website import Data
from shared.website_paths import document_path

T = TypeVar("T")
SECONDS = 10
SECONDS_FOR_ALL_OF_A_PERSON = 120
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_service = messages("google.cloud.firestore_v1", "firestore")
_Structured = messages("google.cloud.firestore_v1", "query").StructuredQuery.pb()
_Write = messages("google.cloud.firestore_v1", "write").Write.pb()
_Get = _service.BatchGetDocumentsRequest.pb()
_Run = _service.RunQueryRequest.pb()
_Commit = _service.CommitRequest.pb()


class WebsiteDocuments:
    """The documents' half of `WebsiteStore`. `emulator`: `host:port` on this machine."""

    def __init__(self, project: str, database: str = "(default)", emulator: str | None = None) -> None:
        self._database = f"projects/{project}/databases/{database}"
        self._root = f"{self._database}/documents"
        api = Api("google.firestore.v1.Firestore", "firestore.googleapis.com", emulator)
        self._metadata = [("google-cloud-resource-prefix", self._database)]
        if emulator:
            # the emulator's security rules let only its owner in
            self._metadata.append(("authorization", "Bearer owner"))
        self._get = api.streamed("BatchGetDocuments", _Get, _service.BatchGetDocumentsResponse)
        self._run = api.streamed("RunQuery", _Run, _service.RunQueryResponse)
        self._commit = api.unary("Commit", _Commit, _service.CommitResponse)

    def below(self, path: str) -> list[tuple[str, Data]]:
        name = self._name(path)
        # without a collection's id all collections are meant, at any depth, also under documents that are missing
        beneath = _Structured(from_=[{"all_descendants": True}])
        return self._found([*self._document(name), *self._matching(name, beneath)])

    def matching(self, collection: str, field: str, value: str) -> list[tuple[str, Data]]:
        asked = _Structured(from_=[{"collection_id": collection, "all_descendants": True}])
        asked.where.field_filter.field.field_path = ".".join(_quoted(name) for name in field.split("."))
        asked.where.field_filter.op = _Structured.FieldFilter.EQUAL
        asked.where.field_filter.value.string_value = value
        return self._found(self._matching(self._root, asked))

    def write(self, path: str, data: Data) -> None:
        self._committed([_Write(update={"name": self._name(path), "fields": fields_of(data)})])

    def delete(self, paths: Sequence[str]) -> None:
        writes = [_Write(delete=self._name(path)) for path in paths]
        # each batch goes whole or not at all, so that batch after batch is in order
        for start in range(0, len(writes), MOST_CHANGES):
            self._committed(writes[start : start + MOST_CHANGES])

    def _document(self, name: str) -> list[Any]:
        # the batch call for one document: the single one says "not found" of a missing database too
        asked = _Get(database=self._database, documents=[name])
        answers = _answered(lambda: list(self._get(asked, timeout=SECONDS, metadata=self._metadata)))
        return [answer.found for answer in answers if answer.HasField("found")]

    def _matching(self, parent: str, query: Any) -> list[Any]:
        asked = _Run(parent=parent, structured_query=query)
        timeout = SECONDS_FOR_ALL_OF_A_PERSON
        answers = _answered(lambda: list(self._run(asked, timeout=timeout, metadata=self._metadata)))
        return [answer.document for answer in answers if answer.HasField("document")]

    def _committed(self, writes: Sequence[Any]) -> None:
        asked = _Commit(database=self._database, writes=writes)
        _answered(lambda: self._commit(asked, timeout=SECONDS, metadata=self._metadata))

    def _found(self, documents: Sequence[Any]) -> list[tuple[str, Data]]:
        found = [(one.name.removeprefix(f"{self._root}/"), data_of(one.fields)) for one in documents]
        return sorted(found, key=lambda each: each[0])

    def _name(self, path: str) -> str:
        return f"{self._root}/{document_path(path)}"


def _quoted(name: str) -> str:
    """Return a field's name as a field path holds it (Firestore's `StructuredQuery.FieldReference`)."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _answered(call: Callable[[], T]) -> T:
    try:
        return call()
    except grpc.RpcError as error:
        failed = failure(error, "website_documents")
    # raised out here: the error itself repeats what was asked, and with it ids
    raise failed
