"""JSON schemas travel as the client wrote them; this says which of their keywords Gemini reads over.

"While the full JSON Schema may be sent, not all features are supported": the list below is that of `responseJsonSchema`
and `parametersJsonSchema`.  https://ai.google.dev/api/generate-content#GenerationConfig
"""

from contextlib import suppress
from typing import Final

import msgspec

_SUPPORTED: Final = (
    {"$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "anyOf", "oneOf"}
    | {"items", "prefixItems", "minItems", "maxItems", "minimum", "maximum"}
    | {"properties", "additionalProperties", "required", "propertyOrdering"}
)
# They say something about a value but forbid none, so nothing is lost with them.
_ANNOTATIONS: Final = {
    "$schema",
    "$comment",
    "$vocabulary",
    "default",
    "example",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
} | {"definitions", "contentEncoding", "contentMediaType"}
_MAPS: Final = ("properties", "$defs", "definitions")
_LISTS: Final = ("anyOf", "oneOf", "prefixItems")
_SINGLE: Final = ("items", "additionalProperties")


def ignored_keywords(schema: msgspec.Raw) -> list[str]:
    """Keywords of the schema that constrain values but are not enforced by Gemini, each once, in order of appearance."""
    found: dict[str, None] = {}
    with suppress(RecursionError):  # nobody reads a schema that deep
        _walk(msgspec.json.decode(schema), found)
    return list(found)


def _walk(schema: object, found: dict[str, None]) -> None:
    if not isinstance(schema, dict):
        return
    for key, value in schema.items():
        if key in _MAPS and isinstance(value, dict):
            for child in value.values():
                _walk(child, found)
        elif key in _LISTS and isinstance(value, list):
            for child in value:
                _walk(child, found)
        elif key in _SINGLE:
            _walk(value, found)
        elif key not in _SUPPORTED and key not in _ANNOTATIONS:
            found[key] = None
