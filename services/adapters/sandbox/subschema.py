"""Parts of JSON schemas: what type they ask for, their limits, and one schema that asks what two ask."""

from typing import Final, cast

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
Object = dict[str, Json]


class NoInstance(ValueError):
    """The schema has no instance that we can make; the message says why."""


_TELLING: Final = {
    "object": {"properties", "required", "additionalProperties", "minProperties"},
    "array": {"items", "prefixItems", "minItems", "contains"},
    "string": {"minLength", "maxLength", "pattern", "format"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}


def types(schema: Object) -> list[Json]:
    """The types it allows, in its own order; guessed from its keywords where it names none."""
    match schema.get("type"):
        case str() as kind:
            return [kind]
        case list() as kinds if kinds:
            return kinds
    return [next((kind for kind, words in _TELLING.items() if not words.isdisjoint(schema)), "string")]


def is_of(value: Json, kinds: list[Json]) -> bool:
    """Whether a value has one of the types."""
    match value:
        case bool():
            return "boolean" in kinds
        case int():
            return "integer" in kinds or "number" in kinds
        case float():
            return "number" in kinds or (value.is_integer() and "integer" in kinds)
        case str():
            return "string" in kinds
        case None:
            return "null" in kinds
        case list():
            return "array" in kinds
    return "object" in kinds


def is_text(schema: Json) -> bool:
    """Whether any string would do."""
    return isinstance(schema, dict) and schema.get("type") == "string" and schema.keys().isdisjoint({"enum", "const"})


def limit(schema: Object, key: str) -> float | None:
    """A numeric keyword; None where it is missing or no number."""
    value = schema.get(key)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def without(schema: Object, key: str) -> Object:
    """The schema less one keyword."""
    return {name: value for name, value in schema.items() if name != key}


def both(base: Object, other: Json) -> Object:
    """One schema that asks what both ask. Where both have alternatives (`anyOf`), those of `base` decide."""
    if other is True:
        return base
    if not isinstance(other, dict):
        raise NoInstance("nothing is valid")
    merged = dict(base)
    for key, value in other.items():
        merged[key] = _merged(key, base[key], value) if key in base else value
    return merged


def _merged(key: str, one: Json, other: Json) -> Json:
    match key, one, other:
        case "properties", dict(), dict():
            shared: Object = {name: {"allOf": [one[name], other[name]]} for name in one if name in other}
            return {**one, **other, **shared}
        case (("$defs" | "definitions" | "dependentRequired"), dict(), dict()):
            return {**one, **other}
        case (("required" | "allOf"), list(), list()):
            return one + [value for value in other if value not in one]
        case (
            ("minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties"),
            float() | int(),
            float() | int(),
        ):
            return max(one, other)
        case (("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems"), float() | int(), float() | int()):
            return min(one, other)
        case "enum", list(), list():
            return [value for value in one if value in other]
        case "type", _, _:
            kinds = other if isinstance(other, list) else [other]
            return [kind for kind in (one if isinstance(one, list) else [one]) if kind in kinds] or ["nothing"]
        case "items", _, _:
            return cast("Json", {"allOf": [one, other]})
        case "additionalProperties", _, _:
            return other if one is True else one
        case "uniqueItems", _, _:
            return one is True or other is True
        case (("anyOf" | "oneOf"), _, _):
            return one
    return other
