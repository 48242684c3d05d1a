"""Compiles single fields: closures that write one into a message and read it back."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from msgspec import UNSET, inspect


class Fields(NamedTuple):
    """How to fill a message of one type, and how to read it."""

    fill: Callable[[Message, Any], None]
    read: Callable[[Message], Any]


class Value(NamedTuple):
    """How to write one value of a scalar field, and how to read it."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


class Absent(NamedTuple):
    """What an absent field means: a value, or a new one each time, or (`required`) a mistake."""

    value: Any = None
    factory: Callable[[], Any] | None = None
    required: bool = False

    def get(self, name: str) -> Any:
        """The value for the absent field of this name."""
        if self.required:
            raise ValueError(f"{name} is missing")
        return self.factory() if self.factory is not None else self.value


def _same(value: Any) -> Any:
    return value


def _raw_text(value: msgspec.Raw) -> str:
    return str(memoryview(value), "utf-8")


def _text_raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


_SAME: Final = Value(_same, _same)
_RAW: Final = Value(_raw_text, _text_raw)
_NANO: Final = Value(lambda amount: int(amount.scaleb(9)), lambda nano: Decimal(nano).scaleb(-9))


def value_of(shape: inspect.Type, mirrored: FieldDescriptor, hint: Any) -> Value:
    """One value of a scalar field: as it is, raw JSON as text, an enum by name, or anything as JSON."""
    if isinstance(shape, inspect.RawType):
        return _RAW
    if isinstance(shape, inspect.LiteralType) and mirrored.enum_type is not None:
        return _enum(shape, mirrored.enum_type)
    if isinstance(shape, inspect.DecimalType):
        return _NANO
    if mirrored.name.endswith("_json"):
        decoder = msgspec.json.Decoder(hint)
        return Value(lambda value: msgspec.json.encode(value).decode(), decoder.decode)
    return _SAME


def _enum(shape: inspect.LiteralType, enum: EnumDescriptor) -> Value:
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    numbers: dict[Any, int] = {}
    for value in shape.values:
        name = prefix + re.sub(r"\W", "_", str(value)).upper()
        if name not in enum.values_by_name:
            raise TypeError(f"{enum.full_name} has no {name}")
        numbers[value] = enum.values_by_name[name].number
    names = {number: value for value, number in numbers.items()}

    def read(number: int) -> Any:
        if number not in names:
            raise ValueError(f"{enum.name}: {number} is not known here")
        return names[number]

    return Value(numbers.__getitem__, read)


def scalar(mirrored: FieldDescriptor, value: Value, absent: Absent) -> Fields:
    """A field of one scalar."""
    name, write, read = mirrored.name, value.write, value.read
    plain = value is _SAME

    def fill(into: Message, given: Any) -> None:
        if given is not None and given is not UNSET:
            setattr(into, name, given if plain else write(given))

    def read_present(from_: Message) -> Any:
        return read(getattr(from_, name)) if from_.HasField(name) else absent.get(name)

    def read_enum(from_: Message) -> Any:
        number = getattr(from_, name)
        return read(number) if number else absent.get(name)

    def read_always(from_: Message) -> Any:
        return read(getattr(from_, name))

    if mirrored.has_presence:
        return Fields(fill, read_present)
    return Fields(fill, read_enum if mirrored.enum_type is not None else read_always)


def member(mirrored: FieldDescriptor, fields: Fields, absent: Absent) -> Fields:
    """A field of one message."""
    name, fill_member, read_member = mirrored.name, fields.fill, fields.read

    def fill(into: Message, value: Any) -> None:
        if value is not None and value is not UNSET:
            member = getattr(into, name)
            member.SetInParent()
            fill_member(member, value)

    def read(from_: Message) -> Any:
        return read_member(getattr(from_, name)) if from_.HasField(name) else absent.get(name)

    return Fields(fill, read)


def messages(name: str, fields: Fields) -> Fields:
    """A repeated field of messages."""
    fill_one, read_one = fields

    def fill(into: Message, values: Any) -> None:
        repeated = getattr(into, name)
        for value in values:
            fill_one(repeated.add(), value)

    return Fields(fill, lambda from_: [read_one(one) for one in getattr(from_, name)])


def values(name: str, value: Value) -> Fields:
    """A repeated field of scalars."""
    write, read = value

    def fill(into: Message, values: Any) -> None:
        getattr(into, name).extend([write(one) for one in values])

    return Fields(fill, lambda from_: [read(one) for one in getattr(from_, name)])


def mapping(name: str, value: Value) -> Fields:
    """A map of scalars."""
    write, read = value

    def fill(into: Message, values: Any) -> None:
        getattr(into, name).update({key: write(one) for key, one in values.items()})

    return Fields(fill, lambda from_: {key: read(one) for key, one in getattr(from_, name).items()})


def message_mapping(name: str, fields: Fields) -> Fields:
    """A map from text to messages."""
    fill_one, read_one = fields

    def fill(into: Message, values: Any) -> None:
        held = getattr(into, name)
        for key, value in values.items():
            held[key].SetInParent()
            fill_one(held[key], value)

    return Fields(fill, lambda from_: {key: read_one(one) for key, one in getattr(from_, name).items()})


def json_fields(name: str) -> Fields:
    """An object of raw members, in their order: repeated messages of `name` and `value_json`."""

    def fill(into: Message, values: Any) -> None:
        repeated = getattr(into, name)
        for key, raw in values.items():
            repeated.add(name=key, value_json=_raw_text(raw))

    return Fields(fill, lambda from_: {one.name: _text_raw(one.value_json) for one in getattr(from_, name)})


def empty_is_unset(fields: Fields) -> Fields:
    """A member that may be left out and must not be null: the nearest a repeated field has is empty."""
    fill_list, read_list = fields

    def fill(into: Message, values: Any) -> None:
        if values is not UNSET:
            fill_list(into, values)

    return Fields(fill, lambda from_: read_list(from_) or UNSET)
