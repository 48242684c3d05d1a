"""The smallest valid instance of a JSON schema, with values from a prompt where they fit.

https://json-schema.org/draft/2020-12, and what older drafts write otherwise. Deterministic: the same schema and prompt give
the same instance. Optional properties stay out, arrays are as short as allowed, the first alternative that works is taken.
`not`, `if` and `patternProperties` are not looked at.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import unquote

from services.adapters.sandbox.hints import Hints
from services.adapters.sandbox.numbers import Numbers, tidy
from services.adapters.sandbox.pattern import Unsupported, matching
from services.adapters.sandbox.subschema import Json, NoInstance, Object, both, is_of, is_text, limit, types, without

_STEPS_MAX: Final = 10_000  # nodes made or tried; protects the event loop from hostile schemas
_DEPTH_MAX: Final = 60
_LENGTH_MAX: Final = 100_000

_FORMATS: Final = {
    "date": "2026-01-02",
    "date-time": "2026-01-02T03:04:05Z",
    "duration": "P1D",
    "email": "a@example.com",
    "hostname": "example.com",
    "idn-email": "a@example.com",
    "idn-hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "iri": "https://example.com/",
    "iri-reference": "/",
    "json-pointer": "/a",
    "regex": ".",
    "relative-json-pointer": "0",
    "time": "03:04:05Z",
    "uri": "https://example.com/",
    "uri-reference": "/",
    "uri-template": "https://example.com/{id}",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_FORMAT_TESTS: Final[dict[str, Callable[[str], bool]]] = {
    "email": lambda text: re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", text) is not None,
    "uri": lambda text: re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://[!-~]+", text) is not None,
    "date": lambda text: re.fullmatch(r"\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])", text) is not None,
}


def smallest(schema: Json, hints: Hints | None = None) -> Json:
    """The instance. Raises `NoInstance` for a schema that contradicts itself, has no end or needs too much."""
    return _Maker(schema, hints or Hints()).make(schema, "", 0)


class _Maker:
    def __init__(self, root: Json, hints: Hints) -> None:
        self._root = root
        self._hints = hints
        self._steps = 0
        self._following: list[str] = []  # the references being made, so that a recursive one ends

    def make(self, schema: Json, name: str, depth: int) -> Json:
        self._steps += 1
        if self._steps > _STEPS_MAX or depth > _DEPTH_MAX:
            raise NoInstance("its smallest instance is too large")
        if schema is True:
            schema = {}
        if not isinstance(schema, dict):
            raise NoInstance(f"nothing is valid for {name or 'it'}")
        if isinstance(reference := schema.get("$ref"), str):
            return self._referenced(schema, reference, name, depth)
        if isinstance(parts := schema.get("allOf"), list):
            merged = without(schema, "allOf")
            for part in parts:
                merged = both(merged, self._resolve(part))
            return self.make(merged, name, depth + 1)
        for key in ("anyOf", "oneOf"):
            if isinstance(options := schema.get(key), list) and options:
                return self._alternative(without(schema, key), options, name, depth)
        if "const" in schema:
            return schema["const"]
        if isinstance(values := schema.get("enum"), list):
            return self._enumerated(schema, values, name)
        return self._first(lambda kind: self._typed(str(kind).lower(), schema, name, depth), types(schema))

    def _alternative(self, base: Object, options: list[Json], name: str, depth: int) -> Json:
        return self._first(lambda option: self.make(both(base, option), name, depth + 1), options)

    def _first(self, attempt: Callable[[Json], Json], options: list[Json]) -> Json:
        """The first alternative that has an instance."""
        for index, option in enumerate(options):
            try:
                return attempt(option)
            except NoInstance:
                if index + 1 == len(options) or self._steps > _STEPS_MAX:
                    raise
        raise NoInstance("a schema without alternatives")

    def _referenced(self, schema: Object, reference: str, name: str, depth: int) -> Json:
        if reference in self._following:
            raise NoInstance(f"{reference} needs itself without end")
        self._following.append(reference)
        try:
            return self.make(both(without(schema, "$ref"), self._lookup(reference)), name, depth + 1)
        finally:
            self._following.pop()

    def _resolve(self, schema: Json) -> Json:
        for _ in range(_DEPTH_MAX):
            if not isinstance(schema, dict) or not isinstance(reference := schema.get("$ref"), str):
                return schema
            schema = both(without(schema, "$ref"), self._lookup(reference))
        raise NoInstance("a reference that only refers")

    def _lookup(self, reference: str) -> Json:
        """A JSON pointer into the schema: `#/$defs/name`."""
        if not reference.startswith("#"):
            raise NoInstance(f"{reference} is not in the schema")
        node = self._root
        for step in reference[1:].split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            elif isinstance(node, dict) and key in node:
                node = node[key]
            else:
                raise NoInstance(f"{reference} is not in the schema")
        return node

    def _enumerated(self, schema: Object, values: list[Json], name: str) -> Json:
        allowed = [value for value in values if "type" not in schema or is_of(value, types(schema))]
        if not allowed:
            raise NoInstance(f"no value is left for {name or 'it'}")
        named = self._hints.string(name, lambda text: text in allowed) if str in map(type, allowed) else None
        return named if named is not None else allowed[0]

    def _typed(self, kind: str, schema: Object, name: str, depth: int) -> Json:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "string":
                return self._string(schema, name)
            case "integer" | "number":
                return self._number(schema, name, whole=kind == "integer")
            case "boolean":
                return False
            case "null":
                return None
        raise NoInstance(f"{kind!r} is no type")

    # ---- objects and arrays ------------------------------------------------------------------------------------------

    def _object(self, schema: Object, depth: int) -> Json:
        declared = schema.get("properties")
        properties = declared if isinstance(declared, dict) else {}
        others = schema.get("additionalProperties", True)
        made: Object = {}
        for name in self._needed(schema, properties, depth):
            if name not in properties and others is False:
                raise NoInstance(f"{name} is required and not allowed")
            made[name] = self.make(properties.get(name, others), name, depth + 1)
        for number in range(int(limit(schema, "minProperties") or 0)):
            if len(made) >= (limit(schema, "minProperties") or 0):
                break
            name = next((name for name in properties if name not in made), f"property{number + 1}")
            made[name] = self.make(properties.get(name, others), name, depth + 1)
        return made

    def _needed(self, schema: Object, properties: Object, depth: int) -> list[str]:
        """Required properties, in the order in which the schema declares them."""
        required = schema.get("required")
        needed = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
        if required is None and depth == 0 and self._hints.quoted:  # a quoted text is meant for something
            needed |= {name for name, child in properties.items() if is_text(child)} and {
                next(name for name, child in properties.items() if is_text(child))
            }
        dependent = schema.get("dependentRequired")
        if isinstance(dependent, dict):
            for _ in range(len(dependent)):
                for name, more in dependent.items():
                    if name in needed and isinstance(more, list):
                        needed |= {other for other in more if isinstance(other, str)}
        first = [name for name in properties if name in needed]
        return first + sorted(needed - set(first))

    def _array(self, schema: Object, name: str, depth: int) -> Json:
        items, prefix = schema.get("items", True), schema.get("prefixItems")
        if isinstance(items, list):  # drafts before 2020-12
            items, prefix = schema.get("additionalItems", True), items
        children = list(prefix) if isinstance(prefix, list) else []
        least, most = limit(schema, "minItems") or 0, limit(schema, "maxItems")
        if "contains" in schema:
            children.append(schema["contains"])
        if most is not None and most < least:
            raise NoInstance(f"{name or 'an array'} must have more items than it may have")
        if least > _STEPS_MAX:
            raise NoInstance("its smallest instance is too large")
        wanted = max(int(least), 1 if "contains" in schema else 0)
        if not wanted and most != 0 and self._hints.quoted and is_text(items):
            wanted = 1
        children += [items] * (wanted - len(children))
        made: list[Json] = []
        for child in children[:wanted]:
            value = self.make(child, name, depth + 1)
            made.append(self._unlike(made, child, value) if schema.get("uniqueItems") is True else value)
        return made

    def _unlike(self, made: list[Json], schema: Json, value: Json) -> Json:
        """A value that the array does not hold yet."""
        resolved = self._resolve(schema)
        for candidate in _variations(value, resolved if isinstance(resolved, dict) else {}):
            self._steps += 1
            if self._steps > _STEPS_MAX:
                break
            if candidate not in made:
                return candidate
        raise NoInstance("not enough different items")

    # ---- strings and numbers -----------------------------------------------------------------------------------------

    def _string(self, schema: Object, name: str) -> str:
        least, most = int(limit(schema, "minLength") or 0), limit(schema, "maxLength")
        if least > _LENGTH_MAX or (most is not None and most < least):
            raise NoInstance(f"{name or 'a string'} cannot have {least} characters")
        if isinstance(pattern := schema.get("pattern"), str):
            try:
                text = matching(pattern, least)
            except Unsupported as error:
                raise NoInstance(str(error)) from None
            if most is not None and len(text) > most:
                raise NoInstance(f"the pattern of {name or 'a string'} needs more than {int(most)} characters")
            return text
        form = schema.get("format")
        if isinstance(form, str) and form in _FORMATS:
            fits = _FORMAT_TESTS.get(form, lambda _: False)
            return self._hints.string(name, fits) or _FORMATS[form]
        text = self._hints.string(name) or name or "text"
        return text.ljust(least, "x")[: None if most is None else int(most)]

    def _number(self, schema: Object, name: str, *, whole: bool) -> int | float:
        numbers = Numbers(schema, whole=whole)
        hinted = self._hints.number(numbers.fits)
        value = tidy(hinted) if hinted is not None else numbers.smallest()
        if value is None:
            raise NoInstance(f"no number is valid for {name or 'it'}")
        return value


def _variations(value: Json, schema: Object) -> Iterator[Json]:
    """The value, then others of its kind."""
    yield value
    if isinstance(values := schema.get("enum"), list):
        yield from values
        return
    match value:
        case bool():
            yield not value
        case int() | float():
            yield from Numbers(schema, whole=isinstance(value, int)).others(value)
        case str() if schema.keys().isdisjoint({"pattern", "format", "const"}):
            most = limit(schema, "maxLength")
            for number in range(2, _STEPS_MAX):
                kept = len(value) if most is None else max(0, min(len(value), int(most) - len(str(number))))
                varied = f"{value[:kept]}{number}"
                if most is None or len(varied) <= most:
                    yield varied
        case dict():
            properties = schema.get("properties")
            for name, inner in value.items():
                child = properties.get(name) if isinstance(properties, dict) else None
                for other in _variations(inner, child if isinstance(child, dict) else {}):
                    yield {**value, name: other}
