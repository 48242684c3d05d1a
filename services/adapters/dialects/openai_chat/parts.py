"""Content parts of the chat format: text, images and documents."""

import base64
import binascii
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from services.adapters.dialect import UrlNotTaken
from services.adapters.dialects.openai_chat.writing import Wire, Writing
from services.errors import InvalidRequest
from services.vocabulary.call import Cache, File, Image, Opaque, Part, Refusal, Text

Content = str | list[Wire]


def write_parts(parts: Sequence[Part], path: str, writing: Writing) -> list[Wire]:
    """Each part as the format has it. `path` is where the list stands in the client's request."""
    written: list[Wire] = []
    for index, part in enumerate(parts):
        where = path if path == "instructions" else f"{path}[{index}]"
        match part:
            case Text() | Refusal():
                wire = _text(part, where, writing)
            case Image() | File():
                wire = write_media(part, where, writing)
            case Opaque(kind=kind):
                raise InvalidRequest(f"{writing.name} cannot take content of type {kind!r} (at {where}).", param=where)
        if not isinstance(part, Refusal) and part.cache is not None:
            _mark(wire, part.cache, where, writing)
        written.append(wire)
    return written


def content_of(parts: list[Wire], *, lists: bool) -> Content:
    """Parts as a content: one text as a string, anything else as a list; texts alone joined, where lists are not taken."""
    if not parts or (len(parts) == 1 and parts[0].keys() == {"type", "text"}):
        return joined(parts)
    if not lists and all(part["type"] == "text" for part in parts):
        return joined(parts)
    return parts


def joined(parts: list[Wire]) -> str:
    """The texts as one."""
    return "\n".join(str(part["text"]) for part in parts if part["type"] == "text")


def write_media(part: Image | File, path: str, writing: Writing) -> Wire:
    """An image or a document. Raises `InvalidRequest` for what cannot be sent: neither is ever dropped."""
    return _image(part, path, writing) if isinstance(part, Image) else _file(part, path, writing)


def _text(part: Text | Refusal, path: str, writing: Writing) -> Wire:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if writing.quirks.refusals:
        return {"type": "refusal", "refusal": part.text}
    writing.lose(path, "changed", "a refusal is sent as text")
    return {"type": "text", "text": part.text}


def _image(part: Image, path: str, writing: Writing) -> Wire:
    if part.url is None:
        raise InvalidRequest(
            f"{writing.name} takes images by URL or as data here, not by file id.", param=f"{path}.file_id"
        )
    image: Wire = {"url": part.url}
    if part.detail == "original":
        image["detail"] = "high"
        writing.lose(f"{path}.detail", "changed", "`high` is the most there is")
    elif part.detail is not None:
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}


def _file(part: File, path: str, writing: Writing) -> Wire:
    name = writing.name
    if writing.quirks.files == "file":
        if part.file_id is not None:
            return {"type": "file", "file": {"file_id": part.file_id}}
        if part.url is not None and part.url.startswith("data:"):
            file: Wire = {"file_data": part.url}
            if part.filename is not None:
                file["filename"] = part.filename
            return {"type": "file", "file": file}
        raise UrlNotTaken(f"{name} takes files as data here, not by URL.", param=f"{path}.file_url")
    if part.url is None:
        raise InvalidRequest(f"{name} takes no files by id here.", param=f"{path}.file_id")
    if writing.quirks.files == "document_url":
        document: Wire = {"type": "document_url", "document_url": part.url}
        if part.filename is not None:
            document["document_name"] = part.filename
        return document
    text = _plain_text(part.url)
    if text is None:
        raise InvalidRequest(f"{writing.target.id} takes no files, and this one is not plain text.", param=path)
    writing.lose(path, "emulated", "the file's text is sent as text")
    return {"type": "text", "text": f"{part.filename}:\n{text}" if part.filename else text}


def _plain_text(url: str) -> str | None:
    """The text of a `data:text/…` URL; None for any other."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:text/"):
        return None
    try:
        raw = base64.b64decode(data, validate=True) if head.endswith(";base64") else unquote_to_bytes(data)
        return raw.decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _mark(wire: Wire, cache: Cache, path: str, writing: Writing) -> None:
    """A cache marker, where the provider has any."""
    if writing.quirks.cache_control:
        wire["cache_control"] = {"type": "ephemeral", "ttl": cache.ttl} if cache.ttl != "5m" else {"type": "ephemeral"}
    elif any(writing.target.upstream.startswith(prefix) for prefix in writing.quirks.cache_breakpoints):
        # Lives 30 minutes, or 12 hours: nothing shorter, and nothing in between.
        wire["prompt_cache_breakpoint"] = (
            {"mode": "explicit"} if cache.ttl == "5m" else {"mode": "explicit", "ttl": "12h"}
        )
        writing.lose(f"{path}.cache_control", "changed", "kept for 30m" if cache.ttl == "5m" else "kept for 12h")
    else:
        writing.lose(f"{path}.cache_control", "dropped", f"{writing.name} takes no cache markers here")
