"""Tokens of images and documents, from what can be read of them in passing: the size of an image, the length of a file.

Anthropic counts width x height / 750 up to about 1600, OpenAI tiles of 512 pixels (170 each, and 85), Gemini 258 a tile; the
first is the dearest of the three for most sizes.
"""

import binascii
from typing import Final

LOW_DETAIL_TOKENS: Final = 100
IMAGE_TOKENS_MAX: Final = 1600
IMAGE_TOKENS_MIN: Final = 260
PIXELS_PER_TOKEN: Final = 750
DOCUMENT_TOKENS: Final = 3000  # of one that is not here
DOCUMENT_BYTES_PER_TOKEN: Final = 12  # a PDF page of text is 20 to 60 kB, and counts 1500 to 3000
DOCUMENT_TOKENS_MIN: Final = 1600  # a page is also shown as an image

_HEAD: Final = 64  # base64 characters that hold a PNG's or a GIF's size
_JPEG_HEAD: Final = 64 << 10


def image_tokens(url: str | None, detail: str | None) -> float:
    """Tokens of an image, by its size where it came along and says so."""
    if detail == "low":
        return LOW_DETAIL_TOKENS
    size = _size(url) if url is not None and url.startswith("data:") else None
    if size is None:
        return IMAGE_TOKENS_MAX
    width, height = size
    return min(IMAGE_TOKENS_MAX, max(IMAGE_TOKENS_MIN, width * height / PIXELS_PER_TOKEN))


def file_size(url: str | None) -> tuple[float, float]:
    """Characters (of a document that is plain text) and tokens (of any other)."""
    if url is None or not url.startswith("data:"):
        return 0, DOCUMENT_TOKENS
    kind, _, data = url.partition(",")
    size = len(data) * 3 / 4
    if kind.startswith("data:text/") or "json" in kind:
        return size, 0
    return 0, max(DOCUMENT_TOKENS_MIN, size / DOCUMENT_BYTES_PER_TOKEN)


def _size(url: str) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF or JPEG."""
    start = url.find(",") + 1
    head = _decoded(url[start : start + _HEAD])
    if head.startswith(b"\x89PNG") and len(head) >= 24:
        return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    if head.startswith(b"GIF8") and len(head) >= 10:
        return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    if head.startswith(b"\xff\xd8"):
        return _jpeg_size(_decoded(url[start : start + _JPEG_HEAD]))
    return None


def _decoded(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text[: len(text) // 4 * 4])
    except ValueError:
        return b""


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """From the frame header, which comes after segments that each say their length."""
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[place + 7 : place + 9]), int.from_bytes(data[place + 5 : place + 7])
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return None
