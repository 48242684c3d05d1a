"""The JSON of an answer -> the message that says the same: `typed_request` the other way round, for what was kept as JSON.

What the messages have no place for is left out, but for items and tools of an unknown type: those have an arm for JSON.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

M = TypeVar("M", bound=Message)
Json = dict[str, msgspec.Raw]
Fill = Callable[[Message, msgspec.Raw], None]

_fields: Final = msgspec.json.Decoder(Json)
_list: Final = msgspec.json.Decoder(list[msgspec.Raw])
_any: Final = msgspec.json.Decoder()
_HOSTED: Final = "HostedToolItem"


def answer(message: M, data: bytes) -> M:
    """The message, filled with what the JSON object says."""
    _object(message.DESCRIPTOR)(message, msgspec.Raw(data))
    return message


@cache
def _object(descriptor: Descriptor) -> Fill:
    if _is_union(descriptor):
        return _union(descriptor)
    puts: dict[str, Fill] = {}
    for field in descriptor.fields:
        if field.containing_oneof is None or field.containing_oneof.name.startswith("_"):
            puts[field.name.removesuffix("_json")] = _member(field)
    for oneof in descriptor.oneofs:
        if not oneof.name.startswith("_"):
            puts[oneof.name] = _text_or_list(oneof)

    def fill(message: Message, value: msgspec.Raw) -> None:
        message.SetInParent()
        for name, member in _fields.decode(value).items():
            put = puts.get(name)
            if put is not None and bytes(member) != b"null":
                put(message, member)

    return fill


def _union(descriptor: Descriptor) -> Fill:
    arms = descriptor.fields_by_name

    def fill(message: Message, value: msgspec.Raw) -> None:
        given = _any.decode(value)
        if isinstance(given, str):  # a choice that is one word
            for word in descriptor.fields:
                if word.enum_type is not None and (number := _number(word.enum_type, given)) is not None:
                    setattr(message, word.name, number)
            return
        kind = str(given.get("type", "message"))
        arm = arms.get(kind.replace(".", "_"))
        if arm is not None and arm.message_type is not None and arm.message_type.name != _HOSTED:
            _object(arm.message_type)(getattr(message, arm.name), value)
            return
        for other in descriptor.fields:
            if other.message_type is not None and other.message_type.name == _HOSTED:
                hosted = getattr(message, other.name)
                hosted.id, hosted.kind = (
                    str(given.get("id", "")),
                    str(given.get("kind") if kind == other.name else kind),
                )
                hosted.item_json = bytes(value).decode()
            elif other.name == "json":
                message.json = bytes(value).decode()  # type: ignore[attr-defined]  # the arm of that name

    return fill


def _member(field: FieldDescriptor) -> Fill:
    name = field.name
    if field.is_repeated:
        return _repeated(field)
    if field.message_type is not None:
        fill_inner = _lazily(field.message_type)
        return lambda message, value: fill_inner(getattr(message, name), value)
    convert = _scalar(field)

    def put(message: Message, value: msgspec.Raw) -> None:
        made = convert(value)
        if made is not None:
            setattr(message, name, made)

    return put


def _repeated(field: FieldDescriptor) -> Fill:
    name, inner = field.name, field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        return lambda message, value: getattr(message, name).update(_any.decode(value))
    if inner is not None:
        fill_inner = _lazily(inner)

        def put_messages(message: Message, value: msgspec.Raw) -> None:
            for each in _list.decode(value):
                fill_inner(getattr(message, name).add(), each)

        return put_messages
    convert = _scalar(field)

    def put_scalars(message: Message, value: msgspec.Raw) -> None:
        getattr(message, name).extend([convert(each) for each in _list.decode(value)])

    return put_scalars


def _text_or_list(oneof: OneofDescriptor) -> Fill:
    text = next(arm.name for arm in oneof.fields if arm.message_type is None)
    other = next(arm for arm in oneof.fields if arm.message_type is not None)
    assert other.message_type is not None
    put_list = _repeated(other.message_type.fields[0])

    def put(message: Message, value: msgspec.Raw) -> None:
        if bytes(value)[:1] == b'"':
            setattr(message, text, _any.decode(value))
        else:
            put_list(getattr(message, other.name), value)

    return put


def _lazily(descriptor: Descriptor) -> Fill:
    """A message may hold its own kind, so what fills it is made when it is first needed."""

    def fill(message: Message, value: msgspec.Raw) -> None:
        _object(descriptor)(message, value)

    return fill


def _scalar(field: FieldDescriptor) -> Callable[[msgspec.Raw], Any]:
    """A value of the field's type; None where the JSON holds something else."""
    if field.name == "json" or field.name.endswith("_json"):
        return lambda value: bytes(value).decode()
    enum = field.enum_type
    if enum is not None:
        return lambda value: _number(enum, str(_any.decode(value)))
    kind = type(field.default_value)

    def read(value: msgspec.Raw) -> Any:
        made = _any.decode(value)
        if kind in (int, float) and isinstance(made, int | float):
            return kind(made)
        return made if isinstance(made, kind) else None

    return read


def _number(enum: EnumDescriptor, word: str) -> int | None:
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    found = enum.values_by_name.get(prefix + word.upper().replace("-", "_").replace(".", "_"))
    return found.number if found is not None else None


def _is_union(descriptor: Descriptor) -> bool:
    oneofs = [oneof for oneof in descriptor.oneofs if not oneof.name.startswith("_")]
    return len(oneofs) == 1 and len(oneofs[0].fields) == len(descriptor.fields)
