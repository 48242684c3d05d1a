"""The smallest instance of a JSON schema, with values from a prompt."""

import pytest

from services.adapters.sandbox.hints import Hints
from services.adapters.sandbox.pattern import Unsupported, matching
from services.adapters.sandbox.schema import smallest
from services.adapters.sandbox.subschema import NoInstance

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 18}, "nick": {"type": "string"}},
    "required": ["age", "name"],
    "additionalProperties": False,
}
NODE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "number"},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["value", "next"],
        }
    },
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize(
    ("schema", "instance"),
    [
        (True, "text"),
        ({}, "text"),
        ({"type": "object"}, {}),
        (PERSON, {"name": "name", "age": 18}),
        ({"type": "object", "required": ["x"]}, {"x": "x"}),
        ({"type": "object", "required": ["x"], "additionalProperties": {"type": "integer"}}, {"x": 0}),
        (
            {"type": "object", "minProperties": 2, "properties": {"a": {"type": "null"}}},
            {"a": None, "property2": "property2"},
        ),
        (
            {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"], "dependentRequired": {"a": ["b"]}},
            {"a": "a", "b": "b"},
        ),
        ({"type": ["string", "null"]}, "text"),
        ({"type": ["null", "string"]}, None),
        ({"const": {"a": [1]}}, {"a": [1]}),
        ({"enum": ["c", "f"]}, "c"),
        ({"type": "string", "enum": [1, "f"]}, "f"),
        ({"type": "boolean"}, False),
        ({"type": "integer", "minimum": 2.5}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "integer", "minimum": 5, "multipleOf": 4}, 8),
        ({"type": "integer", "minimum": 1, "multipleOf": 1.5}, 3),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.1}, 0.1),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.1}, 0.05),
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 1}, 1),
        ({"type": "string", "minLength": 6}, "textxx"),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "string", "pattern": "^[A-Z]{2}-\\d+$", "minLength": 6}, "AA-000"),
        ({"type": "string", "format": "date-time"}, "2026-01-02T03:04:05Z"),
        ({"type": "string", "format": "no-such-format"}, "text"),
        ({"type": "array", "items": {"type": "integer"}}, []),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [0, 0]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True}, [0, 1, -1]),
        ({"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2, "uniqueItems": True}, ["a", "b"]),
        (
            {"type": "array", "minItems": 2, "uniqueItems": True, "items": {"type": "string", "maxLength": 2}},
            ["te", "t2"],
        ),
        ({"type": "array", "prefixItems": [{"const": 1}], "items": {"const": 2}, "minItems": 2}, [1, 2]),
        ({"type": "array", "contains": {"const": 7}}, [7]),
        ({"anyOf": [{"type": "string", "minLength": 3, "maxLength": 1}, {"type": "null"}]}, None),
        ({"properties": {"a": {"type": "string"}}, "oneOf": [{"required": ["a"]}]}, {"a": "a"}),
        ({"allOf": [{"type": "integer", "minimum": 3}, {"minimum": 5}]}, 5),
        ({"allOf": [PERSON, {"required": ["nick"]}]}, {"name": "name", "age": 18, "nick": "nick"}),
        (NODE, {"value": 0, "next": None}),
        ({"definitions": {"a/b": {"const": 1}}, "$ref": "#/definitions/a~1b"}, 1),
        ({"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}, "required": ["a"]}, {"a": 0}),
    ],
)
def test_the_smallest_instance(schema: object, instance: object) -> None:
    """Required things only, the first alternative that works, the number nearest to zero."""
    assert smallest(schema) == instance


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (False, "nothing is valid"),
        (
            {"$defs": {"n": {"required": ["n"], "properties": {"n": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"},
            "itself",
        ),
        ({"$ref": "https://example.com/schema"}, "not in the schema"),
        ({"$ref": "#/$defs/no"}, "not in the schema"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no number"),
        ({"type": "array", "minItems": 10**9}, "too large"),
        ({"type": "string", "minLength": 10**9}, "characters"),
        ({"type": "string", "pattern": "((a{9999}){9999}){9999}"}, "longer"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-around"),
        ({"type": "object", "required": ["a"], "additionalProperties": False}, "not allowed"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "no type"),
        ({"enum": []}, "no value"),
    ],
)
def test_a_schema_without_instance_is_refused_with_the_reason(schema: object, why: str) -> None:
    """Contradictions, endless recursion and schemas made to use up memory end in NoInstance, quickly."""
    with pytest.raises(NoInstance, match=why):
        smallest(schema)


def nested(depth: int, width: int) -> dict[str, object]:
    if depth == 0:
        return {"type": "string"}
    names = [f"p{number}" for number in range(width)]
    return {"type": "object", "properties": {name: nested(depth - 1, width) for name in names}, "required": names}


def test_a_schema_that_explodes_is_refused() -> None:
    """References can make a small schema huge; the work is bounded."""
    doubling = {f"d{n}": {"type": "array", "minItems": 9, "items": {"$ref": f"#/$defs/d{n + 1}"}} for n in range(20)}
    with pytest.raises(NoInstance, match="too large"):
        smallest({"$defs": doubling | {"d20": {"type": "string"}}, "$ref": "#/$defs/d0"})
    assert len(str(smallest(nested(3, 4)))) < 2000


@pytest.mark.parametrize(
    ("prompt", "schema", "instance"),
    [
        ("Paris 7", {"city": {"type": "string"}, "temp": {"type": "number"}}, {"city": "Paris", "temp": 7}),
        ("from Oslo to New York", {"a": {"type": "string"}, "b": {"type": "string"}}, {"a": "Oslo", "b": "New York"}),
        ('say "x y" in Rome', {"a": {"type": "string"}, "b": {"type": "string"}}, {"a": "x y", "b": "Rome"}),
        ("What is it?", {"a": {"type": "string"}}, {"a": "a"}),
        ("it's John's", {"a": {"type": "string"}}, {"a": "a"}),
        ("2 and 3.5", {"a": {"type": "integer"}, "b": {"type": "number"}}, {"a": 2, "b": 3.5}),
        ("3.5 and 2", {"a": {"type": "integer"}}, {"a": 2}),
        ("9", {"a": {"type": "integer", "maximum": 5}}, {"a": 0}),
        ("1" * 5000, {"a": {"type": "integer"}}, {"a": 0}),
        ('"fahrenheit"', {"u": {"enum": ["celsius", "fahrenheit"]}}, {"u": "fahrenheit"}),
        ('read "ftp://x/y"', {"url": {"type": "string", "format": "uri"}}, {"url": "ftp://x/y"}),
        ('mail "me"', {"to": {"type": "string", "format": "email"}}, {"to": "a@example.com"}),
        ("run this command: ls -l - and tell", {"cmd": {"type": "string"}}, {"cmd": "ls -l"}),
        ('find "tea"', {"queries": {"type": "array", "items": {"type": "string"}}}, {"queries": ["tea"]}),
    ],
)
def test_values_come_from_the_prompt(prompt: str, schema: dict[str, object], instance: object) -> None:
    """Quoted texts, names and numbers are used once each, where they fit."""
    assert smallest({"type": "object", "properties": schema, "required": list(schema)}, Hints(prompt)) == instance


def test_a_quoted_text_fills_the_first_text_of_a_schema_that_requires_nothing() -> None:
    """Hand-written tool schemas often lack `required`; a quoted text is meant for something."""
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "a": {"type": "string"}, "b": {"type": "string"}},
    }
    assert smallest(schema, Hints('say "x" and "y"')) == {"a": "x"}
    assert smallest(schema, Hints("say x")) == {}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^abc$", "abc"),
        ("a|bc", "a"),
        ("^(foo|b)[^x]+z?$", "ba"),
        (r"^\+?[1-9]\d{1,3}$", "10"),
        (r"^(?:[a-z0-9]+\.)+com$", "a.com"),
        (r"^(?<year>\d{4})-\d{2}$", "0000-00"),
        (r"^[^a-zA-Z]$", "0"),
        (r"^\u00e9\x41\.$", "éA."),
        (r"^a{2}{x}$", "aa{x}"),
        (r"^[\w.-]+@[a-c-]$", "a@a"),
        (r"[]", None),
        (r"(a", None),
        (r"a)", None),
        (r"(a)\1", None),
        (r"\bword", None),
        ("(" * 100, None),
    ],
)
def test_a_string_for_a_pattern(pattern: str, text: str | None) -> None:
    """A short string that matches, or Unsupported."""
    if text is None:
        with pytest.raises(Unsupported):
            matching(pattern)
    else:
        assert matching(pattern) == text
