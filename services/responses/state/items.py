"""Items as they are kept and listed: the client's own JSON, with an id and in the long form."""

import re
import secrets
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from services.errors import InvalidRequest
from services.responses.intake import Given, raw_items
from services.store.records import ItemRow, form

Fields = dict[str, msgspec.Raw]

REFERENCE: Final = "item_reference"

_PREFIXES: Final = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
    "web_search_call": "ws",
    "compaction": "cmp",
}
_OURS: Final = re.compile(r"[a-z]+_([0-9a-f]{36})(?:[0-9a-f]{2,}|i[0-9a-f]+)")
_WITH_STATUS: Final = frozenset({"message", "function_call", "function_call_output"})
_ID_MAX: Final = 128
_COMPLETED: Final = msgspec.Raw(b'"completed"')


class _Body(msgspec.Struct):
    output: list[msgspec.Raw] = []


class Head(msgspec.Struct):
    """What tells an item from others."""

    type: str | None = None
    id: str | None = None


_body = msgspec.json.Decoder(_Body)
_head = msgspec.json.Decoder(Head)
_fields = msgspec.json.Decoder(Fields)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_text_or_list: msgspec.json.Decoder[str | list[msgspec.Raw]] = msgspec.json.Decoder(str | list[msgspec.Raw])


def head_of(item: msgspec.Raw) -> Head:
    """Type and id. An item without a type is a message."""
    return _head.decode(item)


def items_of(kept: bytes) -> list[msgspec.Raw]:
    """The items of an `input` as it was kept: a string is one user message."""
    given = _text_or_list.decode(kept)
    if isinstance(given, str):
        return [_raw({"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]})]
    return given


def output_of(kept: bytes) -> list[msgspec.Raw]:
    """The items of an `output`."""
    return _list.decode(kept)


def output_in(body: bytes) -> list[msgspec.Raw]:
    """The output items of a whole response object."""
    return _body.decode(body).output


def foreign_ids(body: bytes) -> list[str]:
    """Ids of output items that do not tell which response they stand in: a provider's own."""
    heads = map(head_of, output_in(body))
    return [head.id for head in heads if head.id and response_of(head.id) is None and len(head.id) <= _ID_MAX]


def input_of(given: Given, own: Sequence[msgspec.Raw] | None) -> bytes:
    """The request's own `input`, to be kept. own: its items, where they are not those it gives."""
    if own is None:
        raw = given.fields.get("input")
        return bytes(raw) if raw is not None else b"[]"
    return b"[" + b",".join(map(bytes, own)) + b"]"


def shown(item: msgspec.Raw, item_id: str) -> bytes:
    """An item in its long form. `item_id`: for one that has none."""
    fields = _fields.decode(item)
    kind = head_of(item).type or "message"
    made: Fields = {"id": _raw(item_id), "type": _raw(kind), **fields}
    if bytes(made["id"]) == b"null":
        made["id"] = _raw(item_id)
    if kind in _WITH_STATUS and bytes(made.get("status", b"null")) == b"null":
        made["status"] = _COMPLETED
    content = made.get("content")
    if kind == "message" and content is not None and bytes(content)[:1] == b'"':
        part: Fields = {"type": _raw("input_text"), "text": content}
        if bytes(fields.get("role", b"")) == b'"assistant"':
            part = {"type": _raw("output_text"), "text": content, "annotations": msgspec.Raw(b"[]")}
        made["content"] = _raw([part])
    return msgspec.json.encode(made)


def input_id(response_id: str, index: int, item: msgspec.Raw) -> str:
    """The id of an input item that came without one: the same each time."""
    head = head_of(item)
    return head.id or f"{_prefix(head)}_{response_id.removeprefix('resp_')}i{index:x}"


def rows_of(items: Sequence[msgspec.Raw]) -> list[ItemRow]:
    """Items for a conversation. Those without an id get a new one."""
    rows = []
    for item in items:
        head = head_of(item)
        item_id = head.id or f"{_prefix(head)}_{secrets.token_hex(19)}"
        rows.append(ItemRow(item_id, shown(item, item_id)))
    return rows


def check_ids(given: Sequence[msgspec.Raw], where: str, taken: Collection[str | None] = ()) -> None:
    """Raises `InvalidRequest` for an id that items of a conversation cannot have: by theirs they are found again.

    where: the given items' path in the request. taken: ids that others have.
    """
    seen = set(taken)
    for index, item in enumerate(given):
        head, path = head_of(item), f"{where}[{index}].id"
        if head.id is None or head.type == REFERENCE:
            continue
        if not form(head.id):
            raise InvalidRequest(f"An id has up to 128 letters, digits and `_.:-` (at {path}).", param=path)
        if head.id in seen:
            raise InvalidRequest(f"Duplicate item found with id {head.id!r} (at {path}).", param=path)
        seen.add(head.id)


def response_of(item_id: str) -> str | None:
    """The response that an item of ours stands in, by the item's id."""
    found = _OURS.fullmatch(item_id)
    return f"resp_{found[1]}" if found is not None else None


def own_items(given: Given) -> list[msgspec.Raw]:
    """The request's own items."""
    return raw_items(given.request)


def _prefix(head: Head) -> str:
    return _PREFIXES.get(head.type or "message", "item")


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
