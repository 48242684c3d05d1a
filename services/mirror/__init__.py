"""Converts between msgspec structs and the protobuf messages that mirror them, by field name.

    struct                                  message
    str, int, float, bool, bytes            the same scalar
    X | None, X | UnsetType                 `optional`, or a message that may be absent
    Literal["a", "b"]                       an enum (PREFIX_A, PREFIX_B) or a string; a constant needs no field
    Struct                                  a message
    union of tagged Structs                 a message of one `oneof`: the arm is the tag, with `_` for what no name may hold
    list[X]                                 `repeated`
    list[X] | None                          a message with the one field `repeated X values`
    dict[str, X]                            a map, also of messages
    Decimal                                 int64, in billionths
    msgspec.Raw                             string `x_json`: bytes and key order stay
    dict[str, msgspec.Raw]                  `repeated` messages of `name` and `value_json`: order stays
    anything else                           string `x_json`

Each pair is compiled once, into closures; a struct field without its mirror is a TypeError then, not later.
"""

from collections.abc import Collection, Mapping
from typing import Any, Generic, TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from msgspec import inspect

from services.mirror.fields import Fields
from services.mirror.structs import Compiler

S = TypeVar("S")
M = TypeVar("M", bound=Message)


class Mirror(Generic[S, M]):
    """Both directions for one struct (or union of structs) and one message."""

    def __init__(self, fields: Fields, message: type[M]) -> None:
        self._fields = fields
        self._message = message

    def to_message(self, value: S) -> M:
        """A new message that says what the struct says."""
        message = self._message()
        self._fields.fill(message, value)
        return message

    def fill(self, message: M, value: S) -> None:
        """The same, into a message that exists already and is empty."""
        self._fields.fill(message, value)

    def to_struct(self, message: M) -> S:
        """A new struct that says what the message says. Raises `ValueError` when a required field is missing."""
        made: S = self._fields.read(message)
        return made


def mirror(shape: Any, message: type[M], *, skip: Mapping[type, Collection[str]] | None = None) -> Mirror[Any, M]:
    """Compiles the mirror of a struct or a union of tagged structs.

    skip: fields of a struct that are left alone, and UNSET in a struct read back.
    """
    descriptor = cast("Descriptor", message.DESCRIPTOR)  # the stubs name a second class for C descriptors
    return Mirror(Compiler(skip or {}).fields(inspect.type_info(shape), descriptor), message)
