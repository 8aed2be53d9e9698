"""The store on Firestore: three calls, preconditions, and no transaction that reads and writes.

A record is one document: its JSON in `body`, beside it only the fields that a query names, so that nothing else is
indexed. `mark` changes with every write; after an answer that never came it tells whether the commit was ours and landed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

import grpc
import msgspec

from infra.gcp.calls import Api, code_of, messages
from shared.failures import NeverRetry, TryAgain
from shared.records import has_index, queried
from shared.store import Bound, Change, Conflict, Create, Delete, Put, Query, Record, Stored, Update, View, check_size

R = TypeVar("R", bound=View)
SECONDS = 10
LONGEST_ID_BYTES = 1500
CONFLICTS = frozenset({"ALREADY_EXISTS", "FAILED_PRECONDITION", "ABORTED"})
IN_DOUBT = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL", "UNKNOWN"})
OUR_FAULT = frozenset({"INVALID_ARGUMENT", "OUT_OF_RANGE", "UNIMPLEMENTED"})

_service = messages("google.cloud.firestore_v1", "firestore")
_query = messages("google.cloud.firestore_v1", "query")
_write = messages("google.cloud.firestore_v1", "write")
_document = messages("google.cloud.firestore_v1", "document")
_CommitRequest = _service.CommitRequest.pb()
_Get = _service.BatchGetDocumentsRequest.pb()
_Run = _service.RunQueryRequest.pb()
_Write = _write.Write.pb()
_Value = _document.Value.pb()
_Structured = _query.StructuredQuery.pb()
_Filter = _Structured.Filter
_to_json = msgspec.json.Encoder().encode
_marks = random.SystemRandom()


class FirestoreStore:
    """The `Store` port on one database of Firestore. `horizon`: how long its PITR and backups keep what was deleted."""

    def __init__(
        self,
        project: str,
        database: str = "(default)",
        emulator: str | None = None,
        horizon: timedelta = timedelta(7),
        seconds: float = SECONDS,
    ) -> None:
        self._seconds = seconds
        self._database = f"projects/{project}/databases/{database}"
        self._root = f"{self._database}/documents"
        self._horizon = horizon
        api = Api("google.firestore.v1.Firestore", "firestore.googleapis.com", emulator)
        self._metadata = [("google-cloud-resource-prefix", self._database)]
        if emulator:
            # the emulator's security rules let only its owner in
            self._metadata.append(("authorization", "Bearer owner"))
        self._get = api.streamed(
            "BatchGetDocuments", _service.BatchGetDocumentsRequest, _service.BatchGetDocumentsResponse
        )
        self._run = api.streamed("RunQuery", _service.RunQueryRequest, _service.RunQueryResponse)
        self._commit = api.unary("Commit", _service.CommitRequest, _service.CommitResponse)

    def get(self, kind: type[R], id: str) -> Stored[R] | None:
        if not _possible(id):
            return None
        found = self._read(_Get(database=self._database, documents=[self._name(kind, id)]))
        return _stored(kind, found) if found else None

    def _read(self, asked: Any) -> Any:
        # the batch call for one document: the single one says "not found" of a missing database too
        try:
            (answer,) = self._get(asked, timeout=self._seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            raise _failure(error) from None
        return answer.found if answer.WhichOneof("result") == "found" else None

    def query(
        self,
        query: Query[R],
        *equals: str | bool | int,
        at_least: Bound | None = None,
        at_most: Bound | None = None,
        after: Stored[R] | None = None,
        limit: int = 100,
    ) -> list[Stored[R]]:
        if not has_index(query):
            raise NeverRetry("undeclared_query")
        structured = _base(query)
        structured.limit.value = limit
        filters = [_filter(field, "EQUAL", _value(value)) for field, value in zip(query.equals, equals, strict=True)]
        for bound, sign in ((at_least, "GREATER_THAN_OR_EQUAL"), (at_most, "LESS_THAN_OR_EQUAL")):
            if bound is not None:
                filters.append(_filter(_path(query), sign, self._bound(query, bound)))
        structured.where.composite_filter.op = _Structured.CompositeFilter.AND
        structured.where.composite_filter.filters.extend(filters)
        if after is not None:
            cursor = [] if query.by == "id" else [_value(getattr(after.record, query.by))]
            structured.start_at.values.extend([*cursor, self._reference(query.kind, after.id)])
        if not filters:
            structured.ClearField("where")
        asked = _Run(parent=self._root, structured_query=structured)
        try:
            answers = list(self._run(asked, timeout=self._seconds, metadata=self._metadata))
        except grpc.RpcError as error:
            raise _failure(error) from None
        return [_stored(query.kind, answer.document) for answer in answers if answer.HasField("document")]

    def _bound(self, query: Query[Any], bound: Bound) -> Any:
        return self._reference(query.kind, str(bound)) if query.by == "id" else _value(bound)

    def _reference(self, kind: type[View], id: str) -> Any:
        return _Value(reference_value=self._name(kind, id))

    def commit(self, changes: Sequence[Change]) -> list[str]:
        if not changes:
            return []
        mark = _marks.getrandbits(62)
        writes = [self._written(change, mark) for change in changes]
        check_size([write.ByteSize() for write in writes], len(writes))
        asked = _CommitRequest(database=self._database, writes=writes)
        try:
            times = [
                one.update_time
                for one in self._commit(asked, timeout=self._seconds, metadata=self._metadata).write_results
            ]
        except grpc.RpcError as error:
            times = self._after(error, changes, writes, mark)
        return ["" if isinstance(change, Delete) else _token(at) for change, at in zip(changes, times, strict=True)]

    def _after(self, error: grpc.RpcError, changes: Sequence[Change], writes: Sequence[Any], mark: int) -> list[Any]:
        """Say what became of a commit that was not answered with yes."""
        code = code_of(error)
        if code in CONFLICTS or (code == "NOT_FOUND" and any(isinstance(one, Update | Delete) for one in changes)):
            raise Conflict from None
        if code in IN_DOUBT and (landed := self._landed(writes, mark)):
            return [landed] * len(changes)
        raise _failure(error) from None

    def _landed(self, writes: Sequence[Any], mark: int) -> Any:
        """Return when our commit was written, if it was: a lost answer must not look like somebody else's write."""
        name = next((write.update.name for write in writes if write.HasField("update")), None)
        found = self._read(_Get(database=self._database, documents=[name])) if name else None
        return found.update_time if found and found.fields["mark"].integer_value == mark else None

    def _written(self, change: Change, mark: int) -> Any:
        match change:
            case Delete(kind, id, version):
                write = _Write(delete=self._possible_name(kind, id))
                if version is not None:
                    _set_time(write.current_document.update_time, version)
                return write
            case Update(was, record):
                write = self._update(was.id, record, mark)
                _set_time(write.current_document.update_time, was.version)
                return write
            case Create(id, record):
                write = self._update(id, record, mark)
                write.current_document.exists = False
                return write
            case Put(id, record):
                return self._update(id, record, mark)

    def _update(self, id: str, record: Record, mark: int) -> Any:
        write = _Write()
        write.update.name = self._possible_name(type(record), id)
        fields = write.update.fields
        fields["body"].bytes_value = _to_json(record)
        fields["mark"].integer_value = mark
        for field in queried(type(record)):
            value = getattr(record, field)
            if value is not None:
                fields[field].CopyFrom(_value(value))
        return write

    def _name(self, kind: type[View], id: str) -> str:
        return f"{self._root}/{kind.collection}/{id}"

    def _possible_name(self, kind: type[Record], id: str) -> str:
        # an id with a slash would be a document elsewhere, even in another database, which no batch can span
        if not _possible(id):
            raise NeverRetry("impossible_id")
        return self._name(kind, id)

    def physically_gone(self, now: datetime) -> datetime:
        return now + self._horizon

    def compact(self) -> None:
        """Do nothing: Firestore rewrites its own files; what PITR and backups still hold ends with the horizon."""


def _path(query: Query[Any]) -> str:
    return "__name__" if query.by == "id" else query.by


def _base(query: Query[Any]) -> Any:
    """Return the query's collection, projection and order. Documents without the field ordered by are not in it."""
    structured = _Structured()
    structured.select.fields.add(field_path="body")
    structured.from_.add(collection_id=query.kind.collection)
    for field in dict.fromkeys([_path(query), "__name__"]):
        structured.order_by.add(field=_Structured.FieldReference(field_path=field), direction="ASCENDING")
    return structured


def _filter(field: str, sign: str, value: Any) -> Any:
    found = _Filter()
    found.field_filter.field.field_path = field
    found.field_filter.op = _Structured.FieldFilter.Operator.Value(sign)
    found.field_filter.value.CopyFrom(value)
    return found


def _value(value: Any) -> Any:
    match value:
        case bool():
            return _Value(boolean_value=value)
        case int():
            return _Value(integer_value=value)
        case datetime():
            return _Value(timestamp_value=value)
        case _:
            return _Value(string_value=value)


def _possible(id: str) -> bool:
    raw = id.encode("utf-8", "surrogatepass")
    reserved = id in {"", ".", ".."} or (id.startswith("__") and id.endswith("__"))
    return not reserved and "/" not in id and len(raw) <= LONGEST_ID_BYTES and _is_text(id)


def _is_text(id: str) -> bool:
    try:
        id.encode()
    except UnicodeEncodeError:
        return False
    return True


def _token(at: Any) -> str:
    return f"{at.seconds}.{at.nanos}"


def _set_time(at: Any, token: str) -> None:
    seconds, _, nanos = token.partition(".")
    at.seconds, at.nanos = int(seconds), int(nanos)


@lru_cache
def _decoder(kind: type[R]) -> msgspec.json.Decoder[R]:
    return msgspec.json.Decoder(kind)


def _stored(kind: type[R], document: Any) -> Stored[R]:
    id = document.name.rpartition("/")[2]
    return Stored(id, _token(document.update_time), _decoder(kind).decode(document.fields["body"].bytes_value))


def _failure(error: grpc.RpcError) -> TryAgain | NeverRetry:
    """Return what a status means here. What a person mends from outside (a role, an index) works on the next attempt."""
    code = code_of(error)
    return (NeverRetry if code in OUR_FAULT else TryAgain)(f"database_{code.lower()}")
