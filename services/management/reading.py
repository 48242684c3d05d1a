"""Reads requests: of JSON bodies, queries and paths, and of messages. What is wrong is named by its path."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from services.errors import InvalidRequest

Asked = TypeVar("Asked", bound=msgspec.Struct)

_WHERE: Final = re.compile(r" - at `\$\.?(.*)`$")
_BODY_MAX: Final = 1 << 20
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)  # money is exact
_CLEARABLE: Final = re.compile(r"expires_at|(settings|limits)(\..*)?")
"""What null puts back; of other members it leaves what is there."""


def of_http(shape: type[Asked], path: Mapping[str, str], query: str, body: bytes) -> Asked:
    """The request that a path, a query and a body make. Raises `InvalidRequest`."""
    fields = _body(body)
    for name, value in path.items():
        fields[name] = value
    known = {field.name: field for field in msgspec.structs.fields(shape)}
    clear = list(_cleared(fields, ""))
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name in known and name not in path:  # clients add their own, such as `?beta=true`
            fields[name] = _of_text(text, known[name].type, name)
    if "clear" in known and isinstance(given := fields.get("clear", []), list):
        fields["clear"] = [*given, *(name for name in clear if _CLEARABLE.fullmatch(name))]
    _refuse_unknown(fields, inspect.type_info(shape), "")
    return _converted(fields, shape)


def checked(request: Asked) -> Asked:
    """A request that came as a message, held to the same rules. Raises `InvalidRequest`."""
    return _converted(msgspec.to_builtins(request, builtin_types=(Decimal,)), type(request))


def _body(body: bytes) -> dict[str, Any]:
    if len(body) > _BODY_MAX:
        raise InvalidRequest("The body is larger than 1 MiB.")
    if not body.strip():
        return {}
    try:
        fields = _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error}.") from None
    if not isinstance(fields, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return fields


def _cleared(fields: dict[str, Any], path: str) -> Iterator[str]:
    """Takes out the members that are null (and in settings, lists that are empty), and names them."""
    for name, value in list(fields.items()):
        if value is None or (value == [] and path):
            del fields[name]
            yield f"{path}{name}"
        elif isinstance(value, dict) and path.count(".") < 1 and name in ("settings", "limits"):
            yield from _cleared(value, f"{path}{name}.")


def _of_text(text: str, kind: Any, name: str) -> Any:
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{name}: {error}.", param=name) from None


def _converted(fields: Any, shape: type[Asked]) -> Asked:
    try:
        return msgspec.convert(fields, shape)
    except msgspec.ValidationError as error:
        text = str(error)
        where = _WHERE.search(text)
        said = text[: where.start()] if where else text
        param = where[1] if where else None
        raise InvalidRequest(f"{param}: {said}." if param else f"{said}.", param=param) from None


def _refuse_unknown(value: Any, shape: inspect.Type, path: str) -> None:
    """Raises `InvalidRequest` for a member that nobody would read: a typing error must not pass for a setting."""
    if isinstance(shape, inspect.UnionType):
        structs = [kind for kind in shape.types if isinstance(kind, inspect.StructType)]
        if len(structs) == 1:
            _refuse_unknown(value, structs[0], path)
    elif isinstance(shape, inspect.StructType) and isinstance(value, dict):
        known = {field.name: field.type for field in shape.fields}
        for name, member in value.items():
            if name not in known:
                raise InvalidRequest(f"`{path}{name[:60]}` is not known here.", param=f"{path}{name[:60]}")
            _refuse_unknown(member, known[name], f"{path}{name}.")
    elif isinstance(shape, inspect.DictType) and isinstance(value, dict):
        for name, member in value.items():
            _refuse_unknown(member, shape.value_type, f"{path}{name}.")
