"""JSON schemas for structured outputs, which take a part of JSON Schema only.

Objects must be closed (`additionalProperties: false`); limits on numbers, strings and lengths are not enforced, and a schema
that carries them is refused. A schema that only lacks the closing, or has such limits, is rewritten: what it says
is then a little stricter, or said in words. One with open objects cannot be: it describes other values.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
"""

from typing import Final

import msgspec

_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_LIMITS: Final = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "contains",
        "minContains",
        "maxContains",
        "minProperties",
        "maxProperties",
    }
)
_MAPS: Final = ("properties", "$defs", "definitions")
_LISTS: Final = ("anyOf", "allOf", "oneOf", "prefixItems")


def fits(schema: msgspec.Raw) -> bool:
    """Whether structured outputs can express it, as it is or rewritten."""
    try:
        return _expressible(msgspec.json.decode(schema))
    except (msgspec.DecodeError, RecursionError):
        return False


def fitted(schema: msgspec.Raw) -> tuple[msgspec.Raw, list[str]]:
    """The schema as structured outputs take it, and what was changed: nothing, and the bytes are the client's own."""
    changes: list[str] = []
    rewritten = _rewrite(msgspec.json.decode(schema), changes)
    return (msgspec.Raw(msgspec.json.encode(rewritten)) if changes else schema), list(dict.fromkeys(changes))


def _expressible(schema: object) -> bool:
    if not isinstance(schema, dict):
        return schema is not True  # "anything" is not a shape
    if schema.get("additionalProperties") not in (None, False) or "patternProperties" in schema:
        return False
    if "object" in _types(schema) and "properties" not in schema and "additionalProperties" not in schema:
        return False  # an object of any keys
    if not ({"type", "enum", "const", "$ref"} | set(_LISTS)) & schema.keys():
        return False
    return all(_expressible(child) for child in _children(schema))


def _children(schema: dict[str, object]) -> list[object]:
    found: list[object] = []
    for key in _MAPS:
        children = schema.get(key)
        if isinstance(children, dict):
            found += children.values()
    for key in _LISTS:
        children = schema.get(key)
        if isinstance(children, list):
            found += children
    if "items" in schema:
        found.append(schema["items"])
    return found


def _types(schema: dict[str, object]) -> list[object]:
    kind = schema.get("type")
    return kind if isinstance(kind, list) else [kind]


def _rewrite(schema: object, changes: list[str]) -> object:
    if not isinstance(schema, dict):
        return schema
    out: dict[str, object] = {}
    said: list[str] = []
    for key, value in schema.items():
        if _enforced(key, value):
            out["anyOf" if key == "oneOf" else key] = _descend(key, value, changes)
            if key == "oneOf":
                changes.append("oneOf")
        else:
            said.append(f"{key}: {msgspec.json.encode(value).decode()}")
            changes.append(key)
    if "object" in _types(schema) and "additionalProperties" not in schema:
        out["additionalProperties"] = False
        changes.append("additionalProperties")
    if said:
        note = "{" + ", ".join(said) + "}"
        out["description"] = f"{out['description']}\n\n{note}" if "description" in out else note
    return out


def _enforced(key: str, value: object) -> bool:
    if key == "format":
        return value in _FORMATS
    if key == "minItems":
        return value in (0, 1)
    return key not in _LIMITS


def _descend(key: str, value: object, changes: list[str]) -> object:
    if key in _MAPS and isinstance(value, dict):
        return {name: _rewrite(child, changes) for name, child in value.items()}
    if key in _LISTS and isinstance(value, list):
        return [_rewrite(child, changes) for child in value]
    return _rewrite(value, changes) if key == "items" else value
