"""Images and documents -> `inlineData` (bytes in base64) or `fileData` (a URL that Google fetches).

https://ai.google.dev/gemini-api/docs/file-input-methods
"""

from typing import Final

from services.errors import InvalidRequest
from services.vocabulary.call import File, Image
from services.vocabulary.event import Loss

Json = dict[str, object]

_TYPES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "htm": "text/html",
    "xml": "text/xml",
    "json": "application/json",
}


def media_part(part: Image | File, path: str, losses: list[Loss]) -> Json:
    """One part of a content. `path`: where the part stands in the request. Raises `InvalidRequest` for what is no URL."""
    url = part.url
    if url is None:
        raise InvalidRequest(
            "Gemini cannot read files kept at another provider: send the file as data or by URL.",
            param=f"{path}.file_id",
        )
    if isinstance(part, Image) and part.detail not in (None, "auto"):
        losses.append(Loss(f"{path}.detail", "dropped", "Gemini chooses the resolution of images itself."))
    if not url.startswith("data:"):
        return {"fileData": {"mimeType": _type_of(part, url), "fileUri": url}}
    head, comma, data = url.partition(",")
    media_type, _, encoding = head.removeprefix("data:").partition(";")
    if not comma or not encoding.endswith("base64"):
        raise InvalidRequest("Expected a data URL of the form data:<media type>;base64,<data>.", param=path)
    return {"inlineData": {"mimeType": media_type or _type_of(part, ""), "data": data}}


def _type_of(part: Image | File, url: str) -> str:
    """Google wants a media type even for a URL: its ending tells, else the file's name, else what is usual."""
    name = part.filename or "" if isinstance(part, File) else ""
    for text in (url.partition("?")[0].partition("#")[0], name):
        ending = text.rpartition("/")[2].rpartition(".")[2].lower()
        if ending in _TYPES:
            return _TYPES[ending]
    return "image/jpeg" if isinstance(part, Image) else "application/pdf"
