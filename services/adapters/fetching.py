"""Images and files by URL, for providers that fetch none: the gateway fetches them and sends their bytes."""

import asyncio
import base64
import mimetypes
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from services.errors import InvalidRequest
from services.vocabulary.call import Call, File, Image, Item, Message, Part, ToolResult
from services.vocabulary.event import Loss
from services.wire.fetch import FetchFailed

FILES_MAX: Final = 20

_HERE: Final = ("https://", "http://")
_UNKNOWN: Final = ("", "application/octet-stream", "binary/octet-stream")


class Fetches(Protocol):
    """Fetches what a URL names."""

    async def fetch(self, url: str) -> tuple[str, bytes]:
        """Media type and content. Raises `FetchFailed`."""
        ...


async def with_bytes(call: Call, fetcher: Fetches) -> tuple[Call, list[Loss]]:
    """The call with bytes in the place of all URLs, and what the client should know. Raises `InvalidRequest`."""
    found = {part.url: path for path, part in _by_url(call.items) if part.url is not None}
    if len(found) > FILES_MAX:
        raise InvalidRequest(f"At most {FILES_MAX} URLs are fetched for a request.", param="input")
    urls = list(found)
    fetched = await asyncio.gather(*[_fetched(url, found[url], fetcher) for url in urls])
    known = dict(zip(urls, fetched, strict=True))
    items = [_item(item, known) for item in call.items]
    losses = [
        Loss(path, "emulated", "Fetched by the gateway: the provider fetches no URLs.") for path in found.values()
    ]
    return msgspec.structs.replace(call, items=items), losses


async def _fetched(url: str, path: str, fetcher: Fetches) -> str:
    try:
        media_type, content = await fetcher.fetch(url)
    except FetchFailed as error:
        raise InvalidRequest(f"The URL could not be fetched: {error} (at {path}).", param=path) from None
    if media_type in _UNKNOWN:
        media_type = mimetypes.guess_type(url.partition("?")[0])[0] or "application/octet-stream"
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _by_url(items: Sequence[Item]) -> list[tuple[str, Image | File]]:
    found: list[tuple[str, Image | File]] = []
    for index, item in enumerate(items):
        for name, parts in _parts(item):
            for place, part in enumerate(parts):
                if isinstance(part, Image | File) and part.url is not None and part.url.startswith(_HERE):
                    kind = "image_url" if isinstance(part, Image) else "file_url"
                    found.append((f"input[{index}].{name}[{place}].{kind}", part))
    return found


def _parts(item: Item) -> list[tuple[str, list[Part]]]:
    match item:
        case Message(content=parts):
            return [("content", parts)]
        case ToolResult(output=parts):
            return [("output", parts)]
        case _:
            return []


def _item(item: Item, known: dict[str, str]) -> Item:
    match item:
        case Message(content=parts):
            return msgspec.structs.replace(item, content=[_part(part, known) for part in parts])
        case ToolResult(output=parts):
            return msgspec.structs.replace(item, output=[_part(part, known) for part in parts])
        case _:
            return item


def _part(part: Part, known: dict[str, str]) -> Part:
    if isinstance(part, Image | File) and part.url in known:
        return msgspec.structs.replace(part, url=known[part.url])
    return part
