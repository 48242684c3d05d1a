"""Structs and messages say the same, field by field and value by value."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from concentrate.adapters.v1 import call_pb2, event_pb2, target_pb2, usage_pb2
from concentrate.billing.v1 import cost_pb2
from concentrate.keys.v1 import caller_pb2
from concentrate.responses.v1 import response_pb2, stream_event_pb2
from google.protobuf.descriptor import Descriptor
from hypothesis import given
from hypothesis import strategies as st
from msgspec import NODEFAULT, UNSET, inspect

from services.catalog.schema import Target
from services.mirror import mirror
from services.responses import objects, stream_events
from services.responses.typed_service import ECHOED
from services.vocabulary.call import Call, ToolChoice
from services.vocabulary.caller import Caller
from services.vocabulary.cost import Cost
from services.vocabulary.event import Event
from services.vocabulary.usage import Usage

PAIRS: dict[str, tuple[Any, Any]] = {
    "Call": (Call, call_pb2.Call),
    "Event": (Event, event_pb2.Event),
    "Usage": (Usage, usage_pb2.Usage),
    "Target": (Target, target_pb2.Target),
    "Caller": (Caller, caller_pb2.Caller),
    "Cost": (Cost, cost_pb2.Cost),
    "Response": (objects.Response, response_pb2.Response),
    "StreamEvent": (stream_events.StreamEvent, stream_event_pb2.StreamEvent),
}
MIRRORS = {name: mirror(shape, message, skip=ECHOED) for name, (shape, message) in PAIRS.items()}

json_texts = st.sampled_from(['{"b":1,"a":[2.50,9007199254740993]}', "[]", '"\\u00e9é"', " null", "{}"])


def strategy(shape: inspect.Type) -> st.SearchStrategy[Any]:
    """Values of a type."""
    match shape:
        case inspect.StructType():
            return st.builds(shape.cls, **{field.name: member(shape.cls, field) for field in shape.fields})
        case inspect.UnionType():
            return st.one_of([strategy(kind) for kind in shape.types])
        case inspect.LiteralType():
            return st.sampled_from(shape.values)
        case inspect.ListType():
            return st.lists(strategy(shape.item_type), max_size=3)
        case inspect.DictType():
            return st.dictionaries(st.text(max_size=3), strategy(shape.value_type), max_size=3)
        case inspect.RawType():
            return json_texts.map(lambda text: msgspec.Raw(text.encode()))
        case inspect.NoneType():
            return st.none()
        case inspect.StrType():
            return st.text(max_size=4)
        case inspect.BytesType():
            return st.binary(max_size=4)
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return st.integers(-(2**31), 2**31 - 1)
        case inspect.FloatType():
            return st.integers(-(2**31), 2**31).map(lambda number: number / 8)
    raise AssertionError(shape)


def member(owner: type, field: inspect.Field) -> st.SearchStrategy[Any]:
    """Values of a field, UNSET among them where it may be left out."""
    if field.name in ECHOED.get(owner, ()):
        return st.just(UNSET)
    values = strategy(field.type)
    if field.required or field.default is not NODEFAULT or field.default_factory is not NODEFAULT:
        return values
    if isinstance(field.type, inspect.ListType):  # an empty list and none at all are the same in a repeated field
        values = st.lists(strategy(field.type.item_type), min_size=1, max_size=3)
    return values | st.just(UNSET)


@pytest.mark.parametrize("name", PAIRS)
def test_a_round_trip_loses_nothing(name):
    """Struct to message to bytes and back gives an equal struct, for any values."""
    shape, message = PAIRS[name]

    @given(strategy(inspect.type_info(shape)))
    def round_trip(value: Any) -> None:
        sent = MIRRORS[name].to_message(value).SerializeToString()
        assert MIRRORS[name].to_struct(message.FromString(sent)) == value

    round_trip()


# What only clients send: the struct of an answer never holds it.
NOT_IN_ANSWERS = {
    "Item.function_call_output",
    "Item.custom_tool_call_output",
    "Message.phase",
    "Message.cache_control",
    "OutputText.cache_control",
    "FunctionCall.cache_control",
    "ContentPart.input_text",
    "ContentPart.input_image",
    "ContentPart.input_file",
    "ContentPart.output_text",
    "ContentPart.refusal",
    "ContentPart.summary_text",
    "ContentPart.reasoning_text",
    "Response.tools",
    "Response.tool_choice",
    "Response.text",
}


def unmirrored(shape: inspect.Type, message: Descriptor) -> Iterator[str]:
    """Fields of the message, and of those below it, that no struct field mirrors."""
    match shape:
        case inspect.UnionType():
            kinds = [kind for kind in shape.types if isinstance(kind, inspect.StructType)]
        case inspect.StructType():
            kinds = [shape]
        case _:
            return
    arms = {str(kind.tag).replace(".", "_"): kind for kind in kinds if kind.tag is not None}
    if len(message.oneofs) == 1 and len(message.oneofs[0].fields) == len(message.fields):
        for arm in message.fields:
            if arm.name in arms:
                yield from unmirrored_fields(arms[arm.name], arm.message_type)
            else:
                yield f"{message.name}.{arm.name}"
    else:
        yield from unmirrored_fields(kinds[0], message)


def unmirrored_fields(shape: inspect.StructType, message: Descriptor) -> Iterator[str]:
    mirrored = {field.name: field for field in shape.fields}
    for field in message.fields:
        name = field.name.removesuffix("_json")
        if name not in mirrored:
            yield f"{message.name}.{field.name}"
        elif field.message_type is not None:
            yield from unmirrored(element(mirrored[name].type), field.message_type)


def element(shape: inspect.Type) -> inspect.Type:
    """The structs of a field's type: without None, without the list around them."""
    if isinstance(shape, inspect.UnionType):
        kinds = tuple(kind for kind in shape.types if not isinstance(kind, inspect.NoneType))
        shape = kinds[0] if len(kinds) == 1 else inspect.UnionType(kinds)
    return element(shape.item_type) if isinstance(shape, inspect.ListType) else shape


@pytest.mark.parametrize("name", PAIRS)
def test_every_field_of_a_message_has_its_struct_field(name):
    """Nothing is in a proto that no struct can say (the other direction fails when a mirror is compiled)."""
    shape, message = PAIRS[name]
    assert set(unmirrored(inspect.type_info(shape), message.DESCRIPTOR)) <= NOT_IN_ANSWERS


class Unknown(msgspec.Struct):
    """Has a field no message has."""

    key_id: str
    surname: str


class Colour(msgspec.Struct):
    """Has a list that may be None, which a repeated field cannot say."""

    parts: dict[str, int] | None = None
    total: int = 0


def test_a_field_without_a_mirror_is_found_when_compiled():
    """A struct field that the message lacks is a TypeError that names both."""
    with pytest.raises(TypeError, match=r"concentrate\.keys\.v1\.Caller has no field for Unknown\.surname"):
        mirror(Unknown, caller_pb2.Caller)


def test_a_list_that_may_be_none_needs_a_message():
    """A repeated field cannot tell None from empty, so pairing the two is a TypeError."""
    with pytest.raises(TypeError, match="cannot be absent"):
        mirror(Colour, cost_pb2.Cost)


def test_none_and_an_empty_list_are_different():
    """`allowed` says "all tools" as None and "no tool" as an empty list."""
    made = mirror(ToolChoice, call_pb2.ToolChoice)
    assert made.to_struct(made.to_message(ToolChoice(allowed=[]))) == ToolChoice(allowed=[])
    assert made.to_struct(made.to_message(ToolChoice())) == ToolChoice()


@pytest.mark.parametrize(
    ("name", "message", "said"),
    [
        ("Event", event_pb2.Event(), "Event: nothing is set"),
        ("Target", target_pb2.Target(), "provider is missing"),
        ("Call", call_pb2.Call(verbosity=9), "Verbosity: 9 is not known here"),
        ("Event", event_pb2.Event(finished=event_pb2.Finished()), "reason is missing"),
    ],
)
def test_a_message_that_lacks_something_is_a_value_error(name, message, said):
    """What a peer may do wrong is a ValueError that says what."""
    with pytest.raises(ValueError, match=said):
        MIRRORS[name].to_struct(message)
