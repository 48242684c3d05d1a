r"""Halves of surrogate pairs in JSON: `"\ud83d"` without the `\ude00` that would make it an emoji.

Programs whose strings are UTF-16 (JavaScript, Java) write them where they cut a text in the middle of a character. JSON allows
it, Unicode does not, and strict readers refuse the whole document. https://www.rfc-editor.org/rfc/rfc8259#section-8.2
"""

import re
from typing import Final

_HIGH = rb"u[dD][89abAB][0-9a-fA-F]{2}"
_LOW = rb"u[dD][c-fC-F][0-9a-fA-F]{2}"
# A whole pair, a half, or any other escape: read in turn, so that the second backslash of `\\ud83d` begins nothing.
_ESCAPE: Final = re.compile(rb"\\(?:" + _HIGH + rb"\\" + _LOW + rb"|(" + _HIGH + rb"|" + _LOW + rb")|.)", re.DOTALL)
_REPLACEMENT: Final = rb"\ufffd"


def mended(data: bytes) -> bytes | None:
    """The JSON with U+FFFD for every half; None when there is none."""
    changed = False

    def replace(found: re.Match[bytes]) -> bytes:
        nonlocal changed
        if found[1] is None:
            return found[0]
        changed = True
        return _REPLACEMENT

    text = _ESCAPE.sub(replace, data)
    return text if changed else None


def first_half(data: bytes) -> int | None:
    """Where the first half stands, in bytes."""
    return next((found.start() for found in _ESCAPE.finditer(data) if found[1] is not None), None)
