"""Content parts of chat messages. Blocks of the Messages API that are items of their own come out beside the parts.

https://platform.openai.com/docs/api-reference/chat/create#chat_create-messages
"""

from typing import Final, NamedTuple

import msgspec

from services.errors import InvalidRequest
from services.responses.intake_items import check_url, data_url, read_part
from services.responses.reading import cache
from services.responses.schema import CacheControl, NonEmpty
from services.surface.reading import decode
from services.vocabulary.call import (
    Cache,
    File,
    Image,
    Item,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from services.vocabulary.seal import unseal

DETAILS: Final = ("low", "high", "auto", "original")


class _Breakpoint(msgspec.Struct, frozen=True):
    ttl: str | None = None


class _Part(msgspec.Struct, frozen=True):
    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    image_url: msgspec.Raw = msgspec.Raw()
    file: msgspec.Raw = msgspec.Raw()
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: _Breakpoint | None = None


class _ImageUrl(msgspec.Struct, frozen=True):
    url: str
    detail: str | None = None


class _File(msgspec.Struct, frozen=True):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class _DocumentUrl(msgspec.Struct, frozen=True):
    document_url: str
    document_name: str | None = None


class _Source(msgspec.Struct, frozen=True):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None


class _Sourced(msgspec.Struct, frozen=True):
    source: _Source
    title: str | None = None
    cache_control: CacheControl | None = None


class _ToolUse(msgspec.Struct, frozen=True):
    id: NonEmpty
    name: NonEmpty
    input: msgspec.Raw = msgspec.Raw(b"{}")
    cache_control: CacheControl | None = None


class _ToolResult(msgspec.Struct, frozen=True):
    tool_use_id: NonEmpty
    content: str | list[msgspec.Raw] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


class _Words(msgspec.Struct, frozen=True):
    text: str = ""


class _Thinking(msgspec.Struct, frozen=True):
    thinking: str | list[_Words] = ""
    signature: str = ""
    data: str = ""


_part = msgspec.json.Decoder(_Part)
_image_url = msgspec.json.Decoder(_ImageUrl)
_plain_url = msgspec.json.Decoder(str)
_file = msgspec.json.Decoder(_File)
_document_url = msgspec.json.Decoder(_DocumentUrl)
_sourced = msgspec.json.Decoder(_Sourced)
_tool_use = msgspec.json.Decoder(_ToolUse)
_tool_result = msgspec.json.Decoder(_ToolResult)
_thinking = msgspec.json.Decoder(_Thinking)

Block = tuple[Item, str]
"""An item that came as a content part, and its place."""

_ITEMS: Final = frozenset({"tool_use", "tool_result", "thinking", "redacted_thinking"})
_OWN: Final = frozenset({"text", "image_url", "file", "document_url", "refusal"})


class Content(NamedTuple):
    """A message's content. items: what is one of its own in other formats. pure: all of it is of the chat format."""

    parts: list[Part]
    items: list[Block]
    pure: bool


def read_parts(given: list[msgspec.Raw], place: str, marker: Cache | None) -> Content:
    """All parts. A marker on the message is one on its last part."""
    parts: list[Part] = []
    items: list[Block] = []
    pure = True
    for index, raw in enumerate(given):
        where = f"{place}[{index}]"
        part = decode(raw, _part, where)
        if part.type in _ITEMS:
            items.append((_item(raw, part.type, where), where))
            continue
        parts.append(_text(part, where) if part.type == "text" else _other(raw, part, where))
        pure = pure and (isinstance(parts[-1], Opaque) or (part.type in _OWN and not _is_text(part.image_url)))
    if marker is not None and parts and not isinstance(parts[-1], Refusal | Opaque):
        parts[-1] = msgspec.structs.replace(parts[-1], cache=marker)
    return Content(parts, items, pure and not items)


def _text(part: _Part, where: str) -> Text:
    if part.text is None:
        raise InvalidRequest(f"Object missing required field `text` (at {where}.text).", param=f"{where}.text")
    return Text(part.text, _cache(part))


def _other(raw: msgspec.Raw, part: _Part, where: str) -> Part:
    match part.type:
        case "image_url":
            return _image(part, where)
        case "file":
            return _document(part, where)
        case "document_url":
            given = decode(raw, _document_url, where)
            check_url(given.document_url, f"{where}.document_url")
            return File(given.document_url, None, given.document_name, _cache(part))
        case "image" | "document":
            return _from_source(raw, part.type, where)
        case _:
            return read_part(raw, where)  # of the Responses API, or one that only the native lane can carry


def _cache(part: _Part) -> Cache | None:
    """A marker of ours, or OpenAI's breakpoint with the nearest time to live."""
    if part.cache_control is not None:
        return cache(part.cache_control)
    if part.prompt_cache_breakpoint is not None:
        return Cache("1h" if part.prompt_cache_breakpoint.ttl == "12h" else "5m")
    return None


def _is_text(raw: msgspec.Raw) -> bool:
    return bytes(raw).lstrip().startswith(b'"')


def _image(part: _Part, where: str) -> Image:
    """`{"url", "detail"}`, or the bare URL that some clients send."""
    place = f"{where}.image_url"
    if _is_text(part.image_url):
        image = _ImageUrl(decode(part.image_url, _plain_url, place))
    elif bytes(part.image_url):
        image = decode(part.image_url, _image_url, place)
    else:
        raise InvalidRequest(f"Object missing required field `image_url` (at {place}).", param=place)
    check_url(image.url, f"{place}.url")
    if image.detail is not None and image.detail not in DETAILS:
        raise InvalidRequest(f"Expected one of {', '.join(DETAILS)} (at {place}.detail).", param=f"{place}.detail")
    return Image(image.url, None, image.detail, _cache(part))  # type: ignore[arg-type]  # checked above


def _document(part: _Part, where: str) -> File:
    if not bytes(part.file):
        raise InvalidRequest(f"Object missing required field `file` (at {where}.file).", param=f"{where}.file")
    file = decode(part.file, _file, f"{where}.file")
    if file.file_id is not None:
        return File(file_id=file.file_id, filename=file.filename, cache=_cache(part))
    if file.file_data is None:
        raise InvalidRequest(f"A file needs file_data or file_id (at {where}.file).", param=f"{where}.file")
    url = data_url(file.file_data, file.filename)
    check_url(url, f"{where}.file.file_data")
    return File(url, None, file.filename, _cache(part))


def _from_source(raw: msgspec.Raw, kind: str, where: str) -> Part:
    """An image or document as the Messages API has it."""
    given = decode(raw, _sourced, where)
    source, marker = given.source, cache(given.cache_control)
    if source.type == "base64" and source.data is not None:
        url: str | None = f"data:{source.media_type or 'application/octet-stream'};base64,{source.data}"
    elif source.type in ("url", "file"):
        url = source.url
    elif source.type == "text" and source.data is not None:
        return Text(source.data, marker)
    else:
        raise InvalidRequest(f"Not a source of an image or a document (at {where}.source).", param=f"{where}.source")
    if source.file_id is None:
        check_url(url, f"{where}.source.url")
    if kind == "image":
        return Image(url, source.file_id, None, marker)
    return File(url, source.file_id, given.title, marker)


def _item(raw: msgspec.Raw, kind: str, where: str) -> Item:
    match kind:
        case "tool_use":
            use = decode(raw, _tool_use, where)
            return ToolCall(use.id, use.name, bytes(use.input).decode(), cache=cache(use.cache_control))
        case "tool_result":
            result = decode(raw, _tool_result, where)
            output: list[Part] = [Text(result.content)] if isinstance(result.content, str) else []
            if isinstance(result.content, list):
                output = read_parts(result.content, f"{where}.content", None).parts
            return ToolResult(
                result.tool_use_id, output, is_error=bool(result.is_error), cache=cache(result.cache_control)
            )
        case _:
            thought = decode(raw, _thinking, where)
            blob, words = thought.signature or thought.data, thought.thinking
            text = words if isinstance(words, str) else "".join(each.text for each in words)  # Mistral's is a list
            return Reasoning(content=[text] if text else [], seal=unseal(blob) if blob else None)
