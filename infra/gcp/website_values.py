"""The website's documents between Firestore's values and ours: nothing is lost on the way there and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict

from infra.gcp.calls import messages
from shared.failures import BadInput
from shared.website import Data, Native

_Value = messages("google.cloud.firestore_v1", "document").Value.pb()
_FIELDS = {bool: "boolean_value", int: "integer_value", float: "double_value", str: "string_value"}


def data_of(fields: Mapping[str, Any]) -> Data:
    """Return a document's fields as `Data`."""
    return {name: _ours(value) for name, value in fields.items()}


def _ours(value: Any) -> Any:
    field = value.WhichOneof("value_type")
    match field:
        case "null_value":
            return None
        case "map_value":
            return data_of(value.map_value.fields)
        case "array_value":
            return [_ours(each) for each in value.array_value.values]
        case "string_value" | "boolean_value" | "integer_value":
            return getattr(value, field)
        case "double_value" if math.isfinite(value.double_value):
            return value.double_value
        case _:
            ((name, shown),) = MessageToDict(value).items()
            return Native(name, shown)


def fields_of(data: Data) -> dict[str, Any]:
    """Return `Data` as a document's fields. Raises BadInput for what Firestore has no type for, as a number of 65 bits."""
    try:
        return {name: _theirs(value) for name, value in data.items()}
    except (TypeError, ValueError):
        pass
    # raised out here: the first error's text may hold the value
    raise BadInput("a document holds text, 64-bit numbers, true, false, null, lists and objects", "documents")


def _theirs(value: Any) -> Any:
    if field := _FIELDS.get(type(value)):
        return _Value(**{field: value})
    match value:
        case None:
            return _Value(null_value=0)
        case Native(type=name, value=shown):
            return ParseDict({name: shown}, _Value())
        case dict():
            return _Value(map_value={"fields": {name: _theirs(each) for name, each in value.items()}})
        case list():
            return _Value(array_value={"values": [_theirs(each) for each in value]})
        case _:
            raise TypeError
