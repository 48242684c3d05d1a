"""Reading one piece of a request so that a mistake is reported with its path in the request."""

import re
from typing import TypeVar

import msgspec

from services.errors import InvalidRequest
from services.wire.surrogates import first_half

T = TypeVar("T")

_AT = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(?P<name>[^`]*)`")


class _Head(msgspec.Struct):
    type: str | None = None


_head = msgspec.json.Decoder(_Head)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode_body(body: bytes, decoder: msgspec.json.Decoder[T]) -> tuple[dict[str, msgspec.Raw], T]:
    """The members of a JSON body as they came, and the body as the decoder reads it. Raises `InvalidRequest`."""
    try:
        if not body.isascii():
            body.decode()  # raw parts are not looked at again, so bad UTF-8 must be found here
        return _fields.decode(body), decoder.decode(body)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    except UnicodeDecodeError:
        raise InvalidRequest("The request body is not valid UTF-8.") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"The request body is not valid JSON: {_why(error, body)}.") from None


def _why(error: Exception, body: bytes) -> str:
    """What the reader says, but for half a surrogate pair, of which it says something else each time."""
    at = first_half(body)
    if at is None:
        return str(error)
    return f"{body[at : at + 6].decode()} at byte {at} is half of a surrogate pair, a character that was cut in two"


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
