"""Content parts -> content blocks: text, images and documents.

https://platform.claude.com/docs/en/build-with-claude/vision, …/pdf-support, …/files
"""

import base64
import binascii
from typing import Final

from services.adapters.dialect import UrlNotTaken
from services.adapters.dialects.anthropic_messages.carrier import Carrier
from services.adapters.dialects.anthropic_messages.losses import Losses
from services.errors import InvalidRequest
from services.vocabulary.call import Cache, File, Image, Opaque, Part, Refusal, Text

Block = dict[str, object]

FILES_BETA: Final = "files-api-2025-04-14"
_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_TEXTUAL: Final = frozenset(
    {"application/json", "application/xml", "application/yaml", "application/x-yaml", "application/javascript"}
)


class Content:
    """Writes parts for one carrier. `betas` are the beta names that what was written needs."""

    def __init__(self, carrier: Carrier, losses: Losses) -> None:
        self.betas: set[str] = set()
        self._carrier = carrier
        self._losses = losses

    def block(self, part: Part, path: str) -> Block | None:
        """The part as a block, without its cache marker; None for text that says nothing, which Anthropic refuses."""
        match part:
            case Text(text=text) | Refusal(text=text):
                return {"type": "text", "text": text} if text and not text.isspace() else None
            case Image():
                return self._image(part, path)
            case File():
                return self._file(part, path)
            case Opaque(kind=kind):
                raise InvalidRequest(f"Anthropic's models take no {kind!r} parts (at {path}).", param=f"{path}.type")

    def _image(self, image: Image, path: str) -> Block:
        if image.detail in ("low", "high", "original"):
            self._losses.dropped(f"{path}.detail", "Anthropic has no levels of image detail.")
        if image.file_id is not None or image.url is None:
            return {"type": "image", "source": self._stored(image.file_id, path)}
        if not image.url.startswith("data:"):
            return {"type": "image", "source": self._url(image.url, f"{path}.image_url")}
        media_type, data = _data_url(image.url, f"{path}.image_url")
        return _inline_image(media_type, data, f"{path}.image_url")

    def _file(self, file: File, path: str) -> Block:
        title: Block = {"title": file.filename} if file.filename else {}
        if file.file_id is not None or file.url is None:
            return {"type": "document", "source": self._stored(file.file_id, path), **title}
        if not file.url.startswith("data:"):
            return {"type": "document", "source": self._url(file.url, f"{path}.file_url"), **title}
        media_type, data = _data_url(file.url, f"{path}.file_data")
        if media_type.startswith("image/"):
            return _inline_image(media_type, data, f"{path}.file_data")
        if media_type == "application/pdf":
            return {"type": "document", "source": {"type": "base64", "media_type": media_type, "data": data}, **title}
        if not media_type.startswith("text/") and media_type not in _TEXTUAL:
            raise InvalidRequest(
                f"Anthropic's models read PDF and text files, not {media_type} (at {path}).", param=f"{path}.file_data"
            )
        text = _decoded(data, f"{path}.file_data")
        return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}, **title}

    def _url(self, url: str, path: str) -> Block:
        if not self._carrier.url_sources:
            raise UrlNotTaken(
                f"{self._carrier.name} fetches no URLs: send the content as a data: URL (at {path}).", param=path
            )
        return {"type": "url", "url": url}

    def _stored(self, file_id: str | None, path: str) -> Block:
        if not self._carrier.stored_files or file_id is None:
            raise InvalidRequest(f"{self._carrier.name} stores no files (at {path}.file_id).", param=f"{path}.file_id")
        self.betas.add(FILES_BETA)
        return {"type": "file", "file_id": file_id}


def cache_control(cache: Cache) -> Block:
    """A cache marker. Five minutes is what Anthropic takes when no time is said."""
    return {"type": "ephemeral"} if cache.ttl == "5m" else {"type": "ephemeral", "ttl": cache.ttl}


def _inline_image(media_type: str, data: str, path: str) -> Block:
    media_type = "image/jpeg" if media_type == "image/jpg" else media_type
    if media_type not in _IMAGES:
        raise InvalidRequest(
            f"Anthropic's models see PNG, JPEG, GIF and WebP, not {media_type} (at {path}).", param=path
        )
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def _data_url(url: str, path: str) -> tuple[str, str]:
    """Media type and base64 data."""
    head, comma, data = url[5:].partition(",")
    media_type, *parameters = head.lower().split(";")
    if not comma or "base64" not in parameters:
        raise InvalidRequest(f"Expected a data URL of the form data:<type>;base64,<data> (at {path}).", param=path)
    return media_type or "text/plain", data


def _decoded(data: str, path: str) -> str:
    try:
        return base64.b64decode(data).decode("utf-8-sig")
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"Expected UTF-8 text in base64 (at {path}).", param=path) from None
