"""The `input` of a Responses request -> items of a `Call`, one to one, so that item i is `input[i]`.

Items and parts of a type nobody here knows are kept raw (`Hosted`, `Opaque`): the native lane carries them, other
formats refuse them by name.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from services.errors import InvalidRequest
from services.responses.reading import cache
from services.responses.schema import CacheControl, NonEmpty
from services.surface.reading import decode, type_of
from services.vocabulary.call import (
    Cache,
    File,
    Hosted,
    Image,
    Item,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from services.vocabulary.seal import unseal

ItemStatus = Literal["in_progress", "completed", "incomplete"]

# ---- shapes ----------------------------------------------------------------------------------------------------------


class _Message(msgspec.Struct):
    role: Role
    content: str | list[msgspec.Raw]
    id: str | None = None
    phase: str | None = None
    status: ItemStatus | None = None
    cache_control: CacheControl | None = None


class _FunctionCall(msgspec.Struct):
    call_id: NonEmpty
    name: NonEmpty
    arguments: str
    id: str | None = None
    namespace: str | None = None
    status: ItemStatus | None = None
    cache_control: CacheControl | None = None


class _CustomCall(msgspec.Struct):
    call_id: NonEmpty
    name: NonEmpty
    input: str
    id: str | None = None
    namespace: str | None = None


class _CallOutput(msgspec.Struct):
    call_id: NonEmpty
    output: str | list[msgspec.Raw]
    id: str | None = None
    is_error: bool | None = None
    status: ItemStatus | None = None
    cache_control: CacheControl | None = None


class _TextPart(msgspec.Struct):
    text: str


class _Reasoning(msgspec.Struct):
    id: str | None = None
    summary: list[_TextPart] | None = None
    content: list[_TextPart] | None = None
    encrypted_content: str | None = None


class _Text(msgspec.Struct):
    text: str
    cache_control: CacheControl | None = None


class _RefusalPart(msgspec.Struct):
    refusal: str


class _Image(msgspec.Struct):
    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["low", "high", "auto", "original"] | None = None
    cache_control: CacheControl | None = None


class _File(msgspec.Struct):
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None
    detail: str | None = None
    cache_control: CacheControl | None = None


_message = msgspec.json.Decoder(_Message)
_function_call = msgspec.json.Decoder(_FunctionCall)
_custom_call = msgspec.json.Decoder(_CustomCall)
_call_output = msgspec.json.Decoder(_CallOutput)
_reasoning = msgspec.json.Decoder(_Reasoning)
_text = msgspec.json.Decoder(_Text)
_refusal = msgspec.json.Decoder(_RefusalPart)
_image = msgspec.json.Decoder(_Image)
_file = msgspec.json.Decoder(_File)

# ---- items -----------------------------------------------------------------------------------------------------------


def read_items(given: str | list[msgspec.Raw], context: Sequence[msgspec.Raw] = ()) -> list[Item]:
    """All items, oldest first. A string is one user message. context: the JSON of items before them, read already once."""
    before = [read_item(raw, "context") for raw in context]
    if isinstance(given, str):
        return [*before, Message("user", [Text(given)])]
    if not given and not before:
        raise InvalidRequest("`input` must not be empty.", param="input")
    return [*before, *(read_item(raw, f"input[{index}]") for index, raw in enumerate(given))]


def read_item(raw: msgspec.Raw, path: str) -> Item:
    """The item at `path`."""
    kind = type_of(raw, path) or "message"
    read = _ITEMS.get(kind)
    return read(raw, path) if read is not None else Hosted(kind, raw)


def _read_message(raw: msgspec.Raw, path: str) -> Item:
    given = decode(raw, _message, path)
    return Message(given.role, _parts(given.content, f"{path}.content", given.cache_control), given.id, given.phase)


def _read_function_call(raw: msgspec.Raw, path: str) -> Item:
    given = decode(raw, _function_call, path)
    return ToolCall(
        given.call_id,
        given.name,
        given.arguments,
        namespace=given.namespace,
        id=given.id,
        cache=cache(given.cache_control),
    )


def _read_custom_call(raw: msgspec.Raw, path: str) -> Item:
    given = decode(raw, _custom_call, path)
    return ToolCall(given.call_id, given.name, given.input, custom=True, namespace=given.namespace, id=given.id)


def _read_call_output(raw: msgspec.Raw, path: str, *, custom: bool = False) -> Item:
    given = decode(raw, _call_output, path)
    return ToolResult(
        given.call_id,
        _parts(given.output, f"{path}.output", None),
        is_error=bool(given.is_error),
        custom=custom,
        cache=cache(given.cache_control),
    )


def _read_custom_output(raw: msgspec.Raw, path: str) -> Item:
    return _read_call_output(raw, path, custom=True)


def _read_reasoning(raw: msgspec.Raw, path: str) -> Item:
    given = decode(raw, _reasoning, path)
    return Reasoning(
        summary=[part.text for part in given.summary or ()],
        content=[part.text for part in given.content or ()],
        seal=unseal(given.encrypted_content) if given.encrypted_content else None,
        id=given.id,
    )


_ITEMS: dict[str, Callable[[msgspec.Raw, str], Item]] = {
    "message": _read_message,
    "function_call": _read_function_call,
    "function_call_output": _read_call_output,
    "custom_tool_call": _read_custom_call,
    "custom_tool_call_output": _read_custom_output,
    "reasoning": _read_reasoning,
}

ITEM_TYPES = frozenset(_ITEMS)

# ---- parts -----------------------------------------------------------------------------------------------------------


def _parts(content: str | list[msgspec.Raw], path: str, marker: CacheControl | None) -> list[Part]:
    """A marker on the whole message is one on its last part."""
    if isinstance(content, str):
        return [Text(content, cache(marker))]
    parts = [read_part(raw, f"{path}[{index}]") for index, raw in enumerate(content)]
    if marker is not None and parts and not isinstance(parts[-1], Refusal | Opaque):
        parts[-1] = msgspec.structs.replace(parts[-1], cache=Cache(marker.ttl))
    return parts


def read_part(raw: msgspec.Raw, path: str) -> Part:
    """The content part at `path`."""
    match type_of(raw, path):
        case "input_text" | "output_text" | "text" | "reasoning_text" | "summary_text":
            text = decode(raw, _text, path)
            return Text(text.text, cache(text.cache_control))
        case "refusal":
            return Refusal(decode(raw, _refusal, path).refusal)
        case "input_image":
            return _image_part(raw, path)
        case "input_file":
            return _file_part(raw, path)
        case None:
            raise InvalidRequest(f"Object missing required field `type` (at {path}.type).", param=f"{path}.type")
        case other:
            return Opaque(other, raw)


def _image_part(raw: msgspec.Raw, path: str) -> Part:
    image = decode(raw, _image, path)
    if image.file_id is None:
        check_url(image.image_url, f"{path}.image_url")
    return Image(image.image_url, image.file_id, image.detail, cache(image.cache_control))


def _file_part(raw: msgspec.Raw, path: str) -> Part:
    file = decode(raw, _file, path)
    if file.file_id is not None:
        return File(file_id=file.file_id, filename=file.filename, cache=cache(file.cache_control))
    if file.file_data is not None:
        return File(data_url(file.file_data, file.filename), None, file.filename, cache(file.cache_control))
    check_url(file.file_url, f"{path}.file_url")
    return File(file.file_url, None, file.filename, cache(file.cache_control))


def check_url(url: str | None, path: str) -> None:
    """Only https, http and data URLs are sources; anything else would be the server's own files."""
    if not url or not url.startswith(("https://", "http://", "data:")):
        raise InvalidRequest(f"Expected an https: or data: URL (at {path}).", param=path)
    if url.startswith("data:") and ";base64," not in url[:200]:
        raise InvalidRequest(
            f"Expected a data URL of the form data:<media type>;base64,<data> (at {path}).", param=path
        )


def data_url(data: str, filename: str | None) -> str:
    """The document as a URL: `file_data` is a data URL, or bare base64 whose media type the file name tells."""
    if data.startswith("data:"):
        return data
    ending = (filename or "").rpartition(".")[2].lower()
    return f"data:{_MEDIA_TYPES.get(ending, 'application/pdf')};base64,{data}"


_MEDIA_TYPES = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
