"""A typed request -> the JSON body that says the same, so that both surfaces have one intake, one set of limits, one truth.

The JSON form of a message:
* a message that is one oneof (an item, a part, a tool) is an object whose `type` is the arm; an enum arm is its value
* a oneof `x` with the arms `x_text` and another (a list) is the member `x`: a string or an array
* `x_json` is the member `x`, as it came; an enum value is its name without the prefix, in lower case
* what is absent is left out, and so are empty lists and maps, unless the field is required
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final

import msgspec
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

from services.errors import InvalidRequest

Json = dict[str, Any]
Get = Callable[[Message], Any]

_LEFT_OUT: Final = object()
_encoder: Final = msgspec.json.Encoder()
_raw: Final = msgspec.json.Decoder(msgspec.Raw)


def body(request: CreateResponseRequest, *, stream: bool) -> bytes:
    """The JSON body."""
    return json_of(request, stream=stream)


def json_of(message: Message, **more: Any) -> bytes:
    """The JSON form of a message, and more members before those of the message."""
    try:
        return _encoder.encode({**more, **_object(message.DESCRIPTOR)(message)})
    except _NotJson as error:
        raise InvalidRequest(f"Not valid JSON: {error} (at {error.path}).", param=error.path) from None


class _NotJson(ValueError):
    """A `…_json` field that holds something else. The path grows on the way out."""

    path = ""

    def inside(self, name: str) -> "_NotJson":
        separator = "." if self.path and not self.path.startswith("[") else ""
        self.path = f"{name}{separator}{self.path}"
        return self


@cache
def _object(message: Descriptor) -> Callable[[Message], Json]:
    members = [(field.name.removesuffix("_json"), _member(field)) for field in message.fields if not _in_oneof(field)]
    members += [(oneof.name, _text_or_list(oneof)) for oneof in message.oneofs if not _is_optional(oneof)]

    def read_object(value: Message) -> Json:
        made: Json = {}
        for name, get in members:
            try:
                member = get(value)
            except _NotJson as error:
                raise error.inside(name) from None
            if member is not _LEFT_OUT:
                made[name] = member
        return made

    return read_object


@cache
def _union(oneof: OneofDescriptor) -> Get:
    arms = {arm.name: _arm(arm) for arm in oneof.fields}
    name = oneof.name

    def read_union(value: Message) -> Any:
        arm = value.WhichOneof(name)
        return arms[arm](getattr(value, arm)) if arm is not None else {}

    return read_union


def _arm(arm: FieldDescriptor) -> Callable[[Any], Any]:
    if arm.message_type is None:
        return _scalar(arm)
    if arm.message_type.name == "HostedToolItem":
        return lambda item: _json(item.item_json)
    members = _object(arm.message_type)
    return lambda value: {"type": arm.name, **members(value)}


def _member(field: FieldDescriptor) -> Get:
    name = field.name
    if field.is_repeated:
        return _repeated(field)
    convert = _value(field)
    if field.has_presence:
        return lambda value: convert(getattr(value, name)) if value.HasField(name) else _LEFT_OUT
    if field.enum_type is not None:
        return lambda value: convert(getattr(value, name)) if getattr(value, name) else _LEFT_OUT
    return lambda value: convert(getattr(value, name))


def _repeated(field: FieldDescriptor) -> Get:
    name = field.name
    required = field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return lambda value: dict(getattr(value, name)) or _LEFT_OUT
    convert = _value(field)

    def read_list(value: Message) -> Any:
        made = _each(getattr(value, name), convert)
        return made if made or required else _LEFT_OUT

    return read_list


def _each(values: Iterable[Any], convert: Callable[[Any], Any]) -> list[Any]:
    made = []
    for index, one in enumerate(values):
        try:
            made.append(convert(one))
        except _NotJson as error:
            raise error.inside(f"[{index}]") from None
    return made


def _text_or_list(oneof: OneofDescriptor) -> Get:
    lists = {
        arm.name: (arm.message_type.fields[0].name, _value(arm.message_type.fields[0]))
        for arm in oneof.fields
        if arm.message_type is not None
    }
    name = oneof.name

    def read_either(value: Message) -> Any:
        arm = value.WhichOneof(name)
        if arm is None:
            return _LEFT_OUT
        held = getattr(value, arm)
        if arm not in lists:
            return held
        member, convert = lists[arm]
        return _each(getattr(held, member), convert)

    return read_either


def _value(field: FieldDescriptor) -> Callable[[Any], Any]:
    message = field.message_type
    if message is None:
        return _scalar(field)
    oneofs = [oneof for oneof in message.oneofs if not _is_optional(oneof)]
    if len(oneofs) == 1 and len(oneofs[0].fields) == len(message.fields):
        return _union(oneofs[0])
    return _object(message)


def _scalar(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.enum_type is not None:
        return _enum(field.enum_type)
    if field.name == "json" or field.name.endswith("_json"):
        return _json
    return lambda value: value


def _enum(enum: EnumDescriptor) -> Callable[[int], str]:
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    names = {value.number: value.name.removeprefix(prefix).lower() for value in enum.values}
    return lambda number: names.get(number, str(number))  # the intake names what it does not know


def _json(text: str) -> msgspec.Raw:
    try:
        return _raw.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _NotJson(str(error)) from None


def _in_oneof(field: FieldDescriptor) -> bool:
    return field.containing_oneof is not None and not _is_optional(field.containing_oneof)


def _is_optional(oneof: OneofDescriptor) -> bool:
    """Whether it is the oneof that stands for `optional`."""
    return oneof.name.startswith("_")
