"""Compiles whole structs and unions: which field or arm mirrors which."""

import re
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from msgspec import NODEFAULT, UNSET, inspect

from services.mirror.fields import (
    Absent,
    Fields,
    empty_is_unset,
    json_fields,
    mapping,
    member,
    message_mapping,
    messages,
    scalar,
    value_of,
    values,
)

_STRUCTS: Final = (inspect.StructType, inspect.UnionType)


class Compiler:
    """Compiles one mirror. Messages and structs are trees, so there is nothing to remember."""

    def __init__(self, skip: Mapping[type, Collection[str]]) -> None:
        self._skip = skip

    def fields(self, shape: inspect.Type, message: Descriptor) -> Fields:
        """A struct or union of structs, and its message."""
        if isinstance(shape, inspect.UnionType):
            return self._union([kind for kind in shape.types if isinstance(kind, inspect.StructType)], message)
        assert isinstance(shape, inspect.StructType), shape
        if _arm(shape, message) is not None:
            return self._union([shape], message)
        return self._struct(shape, message)

    def _union(self, kinds: Collection[inspect.StructType], message: Descriptor) -> Fields:
        by_class: dict[type, tuple[str, Callable[[Message, Any], None]]] = {}
        by_arm: dict[str, Callable[[Message], Any]] = {}
        for kind in kinds:
            arm = _arm(kind, message)
            if arm is None:
                raise TypeError(f"{message.full_name} has no arm for {kind.cls.__name__} ({kind.tag!r})")
            fields = self._struct(kind, _message(arm))
            by_class[kind.cls] = arm.name, fields.fill
            by_arm[arm.name] = fields.read
        oneof = message.oneofs[0].name

        def fill(into: Message, value: Any) -> None:
            name, fill_arm = by_class[type(value)]
            member = getattr(into, name)
            member.SetInParent()
            fill_arm(member, value)

        def read(from_: Message) -> Any:
            name = from_.WhichOneof(oneof)
            if name not in by_arm:
                raise ValueError(f"{message.name}: {name or 'nothing'} is set, expected one of {', '.join(by_arm)}")
            return by_arm[name](getattr(from_, name))

        return Fields(fill, read)

    def _struct(self, shape: inspect.StructType, message: Descriptor) -> Fields:
        hints = typing.get_type_hints(shape.cls)
        puts: list[tuple[str, Callable[[Message, Any], None]]] = []
        gets: list[tuple[str, Callable[[Message], Any]]] = []
        for field in shape.fields:
            if field.name in self._skip.get(shape.cls, ()):
                gets.append((field.name, lambda _: UNSET))
                continue
            mirrored = message.fields_by_name.get(field.name) or message.fields_by_name.get(f"{field.name}_json")
            if mirrored is None:
                if isinstance(field.type, inspect.LiteralType) and len(field.type.values) == 1:
                    continue  # a constant
                raise TypeError(f"{message.full_name} has no field for {shape.cls.__name__}.{field.name}")
            fields = self._field(field, mirrored, hints[field.name])
            puts.append((field.name, fields.fill))
            gets.append((field.name, fields.read))
        made = shape.cls

        def fill(into: Message, value: Any) -> None:
            for name, put in puts:
                put(into, getattr(value, name))

        def read(from_: Message) -> Any:
            return made(**{name: get(from_) for name, get in gets})

        return Fields(fill, read)

    def _field(self, field: inspect.Field, mirrored: FieldDescriptor, hint: Any) -> Fields:
        shape, absent = _without_none(field)
        if isinstance(shape, inspect.ListType) and not mirrored.is_repeated:
            return self._wrapped_list(shape, mirrored)
        if mirrored.is_repeated:
            if absent == Absent(None):
                raise TypeError(f"{mirrored.full_name} cannot be absent: it needs a message of `repeated values`")
            fields = self._repeated(shape, mirrored)
        elif mirrored.message_type is not None:
            return member(mirrored, self.fields(shape, mirrored.message_type), absent)
        else:
            return scalar(mirrored, value_of(shape, mirrored, hint), absent)
        return fields if absent.value is not UNSET else empty_is_unset(fields)

    def _wrapped_list(self, shape: inspect.ListType, mirrored: FieldDescriptor) -> Fields:
        inner = self._repeated(shape, _message(mirrored).fields_by_name["values"])
        return member(mirrored, inner, Absent(None))

    def _repeated(self, shape: inspect.Type, mirrored: FieldDescriptor) -> Fields:
        name = mirrored.name
        if isinstance(shape, inspect.DictType) and isinstance(shape.value_type, _STRUCTS):
            held = _message(_message(mirrored).fields_by_name["value"])
            return message_mapping(name, self.fields(shape.value_type, held))
        if isinstance(shape, inspect.DictType):
            if isinstance(shape.value_type, inspect.RawType):
                return json_fields(name)
            held_value = _message(mirrored).fields_by_name["value"]
            return mapping(name, value_of(shape.value_type, held_value, None))
        assert isinstance(shape, inspect.ListType), shape
        if isinstance(shape.item_type, _STRUCTS):
            return messages(name, self.fields(shape.item_type, _message(mirrored)))
        return values(name, value_of(shape.item_type, mirrored, None))


def _without_none(field: inspect.Field) -> tuple[inspect.Type, Absent]:
    """The type of a field when it is there, and what it means when it is not."""
    shape: inspect.Type = field.type
    nullable = False
    if isinstance(shape, inspect.UnionType):
        kinds = tuple(kind for kind in shape.types if not isinstance(kind, inspect.NoneType))
        nullable = len(kinds) < len(shape.types)
        shape = kinds[0] if len(kinds) == 1 else inspect.UnionType(kinds)
    if nullable:
        return shape, Absent(None)
    if field.default_factory is not NODEFAULT:
        return shape, Absent(factory=field.default_factory)
    if field.default is not NODEFAULT:
        return shape, Absent(field.default)
    return shape, Absent(required=True) if field.required else Absent(UNSET)


def _message(field: FieldDescriptor) -> Descriptor:
    assert field.message_type is not None, field.full_name
    return field.message_type


def _arm(shape: inspect.StructType, message: Descriptor) -> FieldDescriptor | None:
    """The arm of a union message that stands for a tagged struct."""
    oneofs = message.oneofs
    if shape.tag is None or len(oneofs) != 1 or len(oneofs[0].fields) != len(message.fields):
        return None
    arm = message.fields_by_name.get(re.sub(r"\W", "_", str(shape.tag)))
    return arm if arm is not None and arm.message_type is not None else None
