"""Reading one piece of a request so that a mistake is reported with its path in the request."""

import re
from typing import TypeVar

import msgspec

from services.errors import InvalidRequest

T = TypeVar("T")

_AT = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(?P<name>[^`]*)`")


class _Head(msgspec.Struct):
    type: str | None = None


_head = msgspec.json.Decoder(_Head)


def decode(raw: msgspec.Raw, decoder: msgspec.json.Decoder[T], path: str) -> T:
    """The piece at `path`, checked. Raises `InvalidRequest`."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise invalid(error, path) from None


def type_of(raw: msgspec.Raw, path: str) -> str | None:
    """The `type` of the object at `path`; None when it has none."""
    return decode(raw, _head, path).type


def invalid(error: msgspec.ValidationError, path: str = "") -> InvalidRequest:
    """The message of msgspec ("Expected `int`, got `str` - at `$.max_output_tokens`") with its path as our `param`."""
    found = _AT.match(str(error))
    assert found is not None
    what, where = found["what"], path + (found["path"] or "").removeprefix("$")
    if missing := _MISSING.search(what):
        where = f"{where}.{missing['name']}"
    param = where.lstrip(".") or None
    return InvalidRequest(f"{what}{f' (at {param})' if param else ''}.", param=param)
