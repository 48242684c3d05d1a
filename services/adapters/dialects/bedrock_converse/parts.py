"""Images and documents of a call as Converse content blocks. Bytes travel as base64 inside the JSON.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageBlock.html, API_runtime_DocumentBlock.html
An `s3://` source would be read with the gateway's own credentials, so callers cannot name one.
"""

import base64
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from services.adapters.dialect import UrlNotTaken
from services.adapters.dialects.bedrock_converse.specs import Block
from services.errors import InvalidRequest
from services.vocabulary.call import File, Image

_IMAGE_FORMATS: Final = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_DOCUMENT_FORMATS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/x-markdown": "md",
}
_DOCUMENT_ENDINGS: Final = {format: format for format in _DOCUMENT_FORMATS.values()} | {"htm": "html", "markdown": "md"}
_TEXT_LIKE: Final = ("text/", "application/json", "application/xml", "application/yaml", "application/x-yaml")
_NAME_BYTES_MAX: Final = 200

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9\s\-()\[\]]+")
_SPACES = re.compile(r"\s+")


def image_block(image: Image, path: str) -> Block:
    """`{"image": {format, source}}`. Raises `InvalidRequest` for what is not inline or of another format."""
    media_type, data = _inline(image.url, image.file_id, path, "image_url")
    format = _IMAGE_FORMATS.get(media_type)
    if format is None:
        raise InvalidRequest(
            f"Images of type {media_type!r} cannot be sent to this provider: use PNG, JPEG, GIF or WebP (at {path}).",
            param=f"{path}.image_url",
        )
    return {"image": {"format": format, "source": {"bytes": data}}}


def file_block(file: File, path: str, taken: set[str]) -> Block:
    """`{"document": {name, format, source}}`, under a name that no document of the call has yet (`taken` grows).

    A file that is an image becomes one.
    """
    media_type, data = _inline(file.url, file.file_id, path, "file_data")
    if media_type in _IMAGE_FORMATS:
        return {"image": {"format": _IMAGE_FORMATS[media_type], "source": {"bytes": data}}}
    stem, _, ending = (file.filename or "").rpartition(".")
    format = _DOCUMENT_FORMATS.get(media_type) or _DOCUMENT_ENDINGS.get(ending.lower())
    if format is None and media_type.startswith(_TEXT_LIKE):
        format = "txt"
    if format is None:
        raise InvalidRequest(
            f"Files of type {media_type!r} cannot be sent to this provider: use PDF, CSV, DOC, DOCX, XLS, XLSX, HTML, "
            f"TXT or MD (at {path}).",
            param=f"{path}.file_data",
        )
    name = _free_name(stem or ending, taken)
    return {"document": {"name": name, "format": format, "source": {"bytes": data}}}


def _inline(url: str | None, file_id: str | None, path: str, field: str) -> tuple[str, str]:
    """Media type and base64 text of a data URL."""
    if file_id is not None or url is None:
        raise InvalidRequest(
            f"This provider keeps no files: send the content as a data URL (at {path}).", param=f"{path}.file_id"
        )
    head, comma, data = url.partition(",")
    if not head.startswith("data:") or not comma:
        raise UrlNotTaken(
            f"This provider fetches no URLs: send the content as a data URL (at {path}).",
            param=f"{path}.{'file_url' if field == 'file_data' else field}",
        )
    media_type, *parameters = head[5:].split(";")
    if "base64" not in parameters:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    if not data:
        raise InvalidRequest(f"The data URL is empty (at {path}).", param=f"{path}.{field}")
    return media_type.strip().lower() or "text/plain", data


def _free_name(wanted: str, taken: set[str]) -> str:
    """The allowed characters of a name, numbered where it is taken: two documents of one name are refused."""
    base = _SPACES.sub(" ", _NOT_IN_A_NAME.sub(" ", wanted)).strip()[: _NAME_BYTES_MAX - 8] or "Document"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base} {number}"
    taken.add(name)
    return name
