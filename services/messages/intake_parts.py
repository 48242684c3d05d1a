"""Content blocks that say or show something -> parts of a `Call`: text, images, documents, search results."""

import base64
from typing import Final

import msgspec

from services.errors import InvalidRequest
from services.messages.schema import Block, CacheMarker, Source
from services.surface.reading import invalid, type_of
from services.vocabulary.call import Cache, File, Image, Opaque, Part, Text
from services.vocabulary.event import Loss

FORMAT: Final = "anthropic_messages"

READ: Final = frozenset(
    {
        "text",
        "image",
        "document",
        "search_result",
        "tool_reference",
        "tool_use",
        "tool_result",
        "thinking",
        "redacted_thinking",
        "compaction",
    }
)
"""The types of blocks that are read; others pass as they are, on the native lane alone."""

_NOTHING: Final = (b"", b"null", b"[]", b"{}", b'{"enabled":false}')

_block = msgspec.json.Decoder(Block)


def read_block(raw: msgspec.Raw, path: str) -> Block:
    """A block; of a type that is not read here, only the type. Raises `InvalidRequest`."""
    try:
        return _block.decode(raw)
    except msgspec.ValidationError as error:
        kind = type_of(raw, path)
        if kind is None or kind in READ:
            raise invalid(error, path) from None
        return Block(kind)


def cache(marker: CacheMarker | None) -> Cache | None:
    """A cache marker. Five minutes are the default."""
    return Cache(marker.ttl or "5m") if marker is not None else None


class Parts:
    """Reads blocks one after the other. `parts` and `paths` grow together; `losses` is the request's."""

    def __init__(self, losses: list[Loss]) -> None:
        self.parts: list[Part] = []
        self.paths: list[str] = []
        self._losses = losses

    def content(self, given: str | list[msgspec.Raw] | None, path: str) -> None:
        """All of a content that holds nothing else, as a tool's result does."""
        if isinstance(given, str):
            self.add(Text(given), path)
            return
        for index, raw in enumerate(given or ()):
            self.block(raw, f"{path}[{index}]")

    def block(self, raw: msgspec.Raw, path: str) -> None:
        """A block that has not been read."""
        block = read_block(raw, path)
        if not self.take(block, path):
            self.add(Opaque(block.type, raw), path)

    def take(self, block: Block, path: str) -> bool:
        """Adds the block; False: it is none of these. Raises `InvalidRequest`."""
        match block.type:
            case "text":
                self._text(block, path)
            case "image":
                self._image(block, path)
            case "document":
                self._document(block, path)
            case "search_result":
                self._search_result(block, path)
            case "tool_reference":
                self._tool_reference(block, path)
            case _:
                return False
        return True

    def add(self, part: Part, path: str) -> None:
        """Adds a part."""
        self.parts.append(part)
        self.paths.append(path)

    def _text(self, block: Block, path: str) -> None:
        if block.text is None:
            raise lacking("text", path)
        if bytes(block.citations) not in _NOTHING:
            self._losses.append(Loss(f"{path}.citations", "dropped", "Only Anthropic's models read their citations."))
        self.add(Text(block.text, cache(block.cache_control)), path)

    def _image(self, block: Block, path: str) -> None:
        source, where = _source(block, path), f"{path}.source"
        match source.type:
            case "base64":
                self.add(Image(_inline(source, where), cache=cache(block.cache_control)), path)
            case "url":
                self.add(Image(_url(source, where), cache=cache(block.cache_control)), path)
            case "file":
                self.add(Image(file_id=_file_id(source, where), cache=cache(block.cache_control)), path)
            case other:
                raise InvalidRequest(f"An image has no source of type {other!r} (at {where}.type).", param=where)

    def _document(self, block: Block, path: str) -> None:
        source, where, marker = _source(block, path), f"{path}.source", cache(block.cache_control)
        if block.context:
            self.add(Text(block.context), f"{path}.context")
        if bytes(block.citations) not in _NOTHING:
            self._losses.append(Loss(f"{path}.citations", "dropped", "Only Anthropic's models cite documents so."))
        match source.type:
            case "base64":
                self.add(File(_inline(source, where), None, block.title, marker), path)
            case "text":
                data = base64.b64encode(source.data.encode()).decode()
                self.add(File(f"data:text/plain;base64,{data}", None, block.title, marker), path)
            case "url":
                self.add(File(_url(source, where), None, block.title, marker), path)
            case "file":
                self.add(File(None, _file_id(source, where), block.title, marker), path)
            case "content":
                if block.title:
                    self.add(Text(block.title), f"{path}.title")
                self.content(source.content, f"{where}.content")
                self._mark_last(marker)
            case other:
                raise InvalidRequest(f"A document has no source of type {other!r} (at {where}.type).", param=where)

    def _search_result(self, block: Block, path: str) -> None:
        """Title, source and text in plain words, which every model reads."""
        head = "\n".join(text for text in (block.title, block.source) if isinstance(text, str) and text)
        if head:
            self.add(Text(head), path)
        self.content(block.content, f"{path}.content")
        self._mark_last(cache(block.cache_control))
        self._losses.append(Loss(path, "emulated", "Sent as text: only Anthropic's models cite search results."))

    def _tool_reference(self, block: Block, path: str) -> None:
        """What a search for tools found: all that a request has are there from its beginning."""
        if not block.tool_name:
            raise lacking("tool_name", path)
        self.add(Text(f"The tool {block.tool_name} is available.", cache(block.cache_control)), path)
        self._losses.append(
            Loss(path, "emulated", "Sent as text: only Anthropic loads tools when they are referred to.")
        )

    def _mark_last(self, marker: Cache | None) -> None:
        if marker is not None and self.parts and isinstance(self.parts[-1], Text | Image | File):
            self.parts[-1] = msgspec.structs.replace(self.parts[-1], cache=marker)


def lacking(name: str, path: str) -> InvalidRequest:
    """A field that a block of its type must have."""
    return InvalidRequest(f"Object missing required field `{name}` (at {path}.{name}).", param=f"{path}.{name}")


def _source(block: Block, path: str) -> Source:
    if not isinstance(block.source, Source):
        raise lacking("source", path)
    return block.source


def _inline(source: Source, path: str) -> str:
    if not source.media_type or not source.data:
        raise lacking("media_type" if not source.media_type else "data", path)
    return f"data:{source.media_type};base64,{source.data}"


def _url(source: Source, path: str) -> str:
    if not source.url.startswith(("https://", "http://")):
        raise InvalidRequest(f"Expected an https: URL (at {path}.url).", param=f"{path}.url")
    return source.url


def _file_id(source: Source, path: str) -> str:
    if not source.file_id:
        raise lacking("file_id", path)
    return source.file_id
