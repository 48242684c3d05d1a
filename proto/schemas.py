"""JSON schemas of messages in their JSON form, and of msgspec structs described by the messages that mirror them.

What the JSON form is, services/responses/typed_request.py says.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final
from unittest import mock

import msgspec
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorSet
from msgspec import _json_schema

Json = dict[str, Any]

REF: Final = "#/components/schemas/"
PUBLIC: Final = ".concentrate.responses.v1."
ANY_OBJECT: Final = {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}}
SCALARS: Final = {
    FieldDescriptorProto.TYPE_STRING: {"type": "string"},
    FieldDescriptorProto.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptorProto.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptorProto.TYPE_INT32: {"type": "integer"},
    FieldDescriptorProto.TYPE_INT64: {"type": "integer"},
}


class Protos:
    """An image of the protos: messages, enums, methods, and the comment of each by its full name."""

    def __init__(self, image: bytes) -> None:
        self.components: dict[str, Json] = {}
        self.taken: set[str] = set()
        self._messages: dict[str, DescriptorProto] = {}
        self._enums: dict[str, list[str]] = {}
        self._comments: dict[str, str] = {}
        self._files = [
            file for file in FileDescriptorSet.FromString(image).file if file.package.startswith("concentrate.")
        ]
        for file in self._files:
            for message in file.message_type:
                self._messages[f".{file.package}.{message.name}"] = message
            for enum in file.enum_type:
                self._enums[f".{file.package}.{enum.name}"] = [value.name for value in enum.value]
            for location in file.source_code_info.location:
                if location.leading_comments:
                    name = _name(file, location.path)
                    self._comments[name] = _unwrapped(location.leading_comments)

    def methods(self) -> Iterator[tuple[str, descriptor_pb2.MethodDescriptorProto]]:
        """Every RPC with the full name of its service."""
        for file in self._files:
            for service in file.service:
                for method in service.method:
                    yield f"{file.package}.{service.name}", method

    def comment(self, name: str) -> str:
        """What is written above the element of this full name."""
        return self._comments.get(name.lstrip("."), "")

    def field(self, message: str, member: str) -> FieldDescriptorProto | None:
        """The field that stands for a member of the message's JSON form."""
        for field in self._messages[message].field:
            if member in (field.name, field.json_name) or field.name == f"{member}_json":
                return field
        return None

    def members(self, message: str) -> list[FieldDescriptorProto]:
        """The fields of a message of ours; none of others."""
        return list(self._messages[message].field) if message in self._messages else []

    def arm(self, message: str, tag: str) -> str | None:
        """The message of a union's arm, by the tag of its JSON form."""
        for field in self._messages[message].field:
            if field.name == tag.replace(".", "_"):
                return field.type_name
        return None

    def is_union(self, message: str) -> bool:
        """Whether the message is nothing but one oneof."""
        made = self._messages[message]
        arms = [field for field in made.field if field.HasField("oneof_index") and not field.proto3_optional]
        return len(made.oneof_decl) == 1 and bool(arms) and len(arms) == len(made.field)

    def holds_message(self, field: FieldDescriptorProto) -> bool:
        """Whether the field holds a message or several, and not a map."""
        return field.type_name in self._messages

    def map_value(self, message: str, field: FieldDescriptorProto) -> str | None:
        """The message that a map from text holds, if the field is one."""
        for entry in self._messages[message].nested_type:
            if field.type_name == f"{message}.{entry.name}" and entry.options.map_entry:
                return entry.field[1].type_name or None
        return None

    def is_union_of(self, field: FieldDescriptorProto) -> bool:
        """Whether the field is one message that is a union."""
        repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
        return self.holds_message(field) and not repeated and self.is_union(field.type_name)

    def schema(self, message: str, *, sent: bool = False) -> Json:
        """A reference to the message's schema, which is made at first use. What is sent has all its plain members."""
        name = message.rpartition(".")[2]
        if name in self.taken:
            name += "Param"
        if name not in self.components:
            self.components[name] = {}  # a message may hold itself
            self.components[name].update(self._made(message, sent=sent))
        return {"$ref": REF + name}

    def _made(self, message: str, *, sent: bool) -> Json:
        described = {"description": self.comment(message)}
        if message == f"{PUBLIC}HostedToolItem":
            return described | ANY_OBJECT
        if self.is_union(message):
            return described | {"anyOf": [self._arm(message, field) for field in self._messages[message].field]}
        return described | self._object(message, sent=sent)

    def _arm(self, message: str, field: FieldDescriptorProto) -> Json:
        described = {"description": self.comment(f"{message}.{field.name}")}
        if field.name == "json":
            return described | ANY_OBJECT
        if field.type != FieldDescriptorProto.TYPE_MESSAGE:
            return described | self.value(field)
        if field.type_name == f"{PUBLIC}HostedToolItem":
            return self.schema(field.type_name)
        made = self._object(field.type_name)
        made["properties"] = {"type": {"const": field.name}} | made["properties"]
        made["required"] = ["type", *made.get("required", [])]
        return described | made

    def _object(self, message: str, *, sent: bool = False) -> Json:
        properties: Json = {}
        required: list[str] = []
        made = self._messages[message]
        for field in made.field:
            described = {"description": self.comment(f"{message}.{field.name}")}
            if field.HasField("oneof_index") and not field.proto3_optional:
                name = made.oneof_decl[field.oneof_index].name
                is_list = field.type == FieldDescriptorProto.TYPE_MESSAGE
                value = self.value(self._messages[field.type_name].field[0] if is_list else field) | described
                either = properties.setdefault(name, {"description": self.comment(f"{message}.{name}"), "anyOf": []})
                either["anyOf"].append(value)
                required += [] if name in required else [name]
                continue
            name = field.name.removesuffix("_json")
            value = self.value(field, sent=sent)
            behavior = field.options.Extensions[field_behavior_pb2.field_behavior]
            if field_behavior_pb2.REQUIRED in behavior or (sent and not field.HasField("oneof_index")):
                required.append(name)
            elif not sent and value:  # JSON clients may say null for what they leave out, and so does the echo
                value = {"anyOf": [value, {"type": "null"}]}
            properties[name] = value | described
        return {"type": "object", "properties": properties} | ({"required": required} if required else {})

    def value(self, field: FieldDescriptorProto, *, sent: bool = False) -> Json:
        """The schema of a field's value in its JSON form."""
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            if field.type == FieldDescriptorProto.TYPE_MESSAGE and not self.holds_message(field):  # a map
                return {"type": "object", "additionalProperties": {"type": "string"}}
            return {"type": "array", "items": self._one(field, sent=sent)}
        return self._one(field, sent=sent)

    def _one(self, field: FieldDescriptorProto, *, sent: bool) -> Json:
        if field.name.endswith("_json"):
            return {}
        if field.type == FieldDescriptorProto.TYPE_MESSAGE:
            return self.schema(field.type_name, sent=sent)
        if field.type == FieldDescriptorProto.TYPE_ENUM:
            names = self._enums[field.type_name]
            prefix = names[0].removesuffix("UNSPECIFIED")
            return {"enum": [name.removeprefix(prefix).lower() for name in names[1:]]}
        return dict(SCALARS[field.type])


class Structs:
    """Schemas of msgspec structs, described and completed by messages."""

    def __init__(self, types: Sequence[Any], protos: Protos) -> None:
        self._protos = protos
        print_default = _json_schema.to_builtins

        def printable(value: Any, **options: Any) -> Any:
            """An empty Raw stands for an absent member, and msgspec cannot print it."""
            return None if isinstance(value, msgspec.Raw) else print_default(value, **options)

        with mock.patch.object(_json_schema, "to_builtins", printable):
            made, self.components = msgspec.json.schema_components(types, ref_template=REF + "{name}")
        self._made = {str(type_): schema for type_, schema in zip(types, made, strict=True)}
        protos.taken = set(self.components)

    def schema(self, shape: Any, message: str | None, *, sent: bool = False) -> Json:
        """The schema of a struct or union, described by a message. What is sent has all its members."""
        made: Json = self._made[str(shape)]
        if message is not None:
            full = message if message.startswith(".") else PUBLIC + message
            component = self.components.get(str(made.get("$ref", "")).removeprefix(REF))
            if component is not None:
                component["description"] = self._protos.comment(full)
            self._describe(made, full, sent=sent, seen=set())
        return made

    def _describe(self, schema: Json, message: str, *, sent: bool, seen: set[str]) -> None:
        for name in _references(schema):
            if name in seen or name not in self.components:
                continue
            seen.add(name)
            component = self.components[name]
            tag = component["properties"].get("type", {}).get("enum", [""])[0]
            mirror = self._protos.arm(message, tag) if self._protos.is_union(message) else message
            if mirror is not None:
                self._describe_object(component, mirror, sent=sent, seen=seen)

    def _describe_object(self, component: Json, message: str, *, sent: bool, seen: set[str]) -> None:
        for name, value in component["properties"].items():
            if sent and "default" in value and name not in component["required"]:
                component["required"].append(name)
            if name == "input" and message in (f"{PUBLIC}CreateResponseRequest", f"{PUBLIC}CompactResponseRequest"):
                value["description"] = self._protos.comment(f"{message}.{name}")
                value["anyOf"][1]["items"] = self._protos.schema(f"{PUBLIC}Item")
            field = self._protos.field(message, name)
            if field is None:
                continue
            value["description"] = self._protos.comment(f"{message}.{field.name}")
            held = self._protos.map_value(message, field)
            if held is not None:
                self._describe(value, held, sent=sent, seen=seen)
                continue
            if self._protos.is_union_of(field) and not self._is_tagged(value):
                union = self._protos.value(field)
                component["properties"][name] = {
                    "anyOf": [union, {"type": "null"}],
                    "description": value["description"],
                }
            elif self._protos.holds_message(field):
                self._describe(value, field.type_name, sent=sent, seen=seen)
                for shape in (value, *value.get("anyOf", [])):
                    if _is_raw(shape):
                        shape.pop("default", None)
                        shape.update(self._protos.value(field))

    def _is_tagged(self, schema: Json) -> bool:
        """Whether each struct the schema refers to stands for one arm of a union."""
        return all(
            len(self.components[name]["properties"].get("type", {}).get("enum", ())) == 1
            for name in _references(schema)
            if name in self.components
        )


def _is_raw(schema: Json) -> bool:
    """Whether a schema says nothing, or nothing about the items of an array."""
    return schema.get("items") == {} or not schema.keys() - {"description", "default"}


def reachable(schemas: Json, roots: Any) -> Json:
    """The schemas that the roots refer to, directly or through others, by name."""
    found: set[str] = set()
    new = set(_references(roots))
    while new:
        found |= new
        new = {name for known in new for name in _references(schemas[known])} - found
    return {name: schemas[name] for name in sorted(found)}


def _references(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        here = [schema["$ref"].removeprefix(REF)] if str(schema.get("$ref")).startswith(REF) else []
        return here + [name for key, value in schema.items() if key != "discriminator" for name in _references(value)]
    if isinstance(schema, list):
        return [name for value in schema for name in _references(value)]
    return []


def _name(file: descriptor_pb2.FileDescriptorProto, path: Sequence[int]) -> str:
    """The full name of the element at a source path: pairs of field number and index, from the file inwards."""
    names, element = [file.package], file
    for number, index in zip(path[::2], path[1::2], strict=False):
        element = getattr(element, element.DESCRIPTOR.fields_by_number[number].name)[index]
        if not hasattr(element, "name"):
            return ""
        names.append(element.name)
    return ".".join(names) if len(path) % 2 == 0 else ""


def _unwrapped(comment: str) -> str:
    """A comment with its paragraphs on one line each."""
    paragraphs = comment.strip().split("\n\n")
    return "\n\n".join(" ".join(line.strip() for line in paragraph.splitlines()) for paragraph in paragraphs)
