"""Server-sent events, cut from bytes.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

Split on bytes before decoding: text methods such as `splitlines` also cut at U+2028 and its like, which may stand in JSON.
"""

import re
from collections.abc import Sequence
from typing import Final

from services.wire.frame import Frame, FramingError

FRAME_BYTES_MAX: Final = 64 << 20  # larger than any provider's frame (images come whole); protects memory

_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n|\r\n\n")
_LINE_END = re.compile(rb"\r\n|\n|\r")


class SseFramer:
    """Bytes -> frames. Comments, `id:` and `retry:` are read over; a frame without data is none."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0  # no blank line ends before here

    def feed(self, chunk: bytes) -> Sequence[Frame]:
        """Frames completed by this chunk, in order."""
        buffer = self._buffer
        buffer += chunk
        frames: list[Frame] = []
        start = 0
        search_from = self._scanned
        while found := _BLANK_LINE.search(buffer, search_from):
            end = found.end()
            if end == len(buffer) and buffer.endswith(b"\r"):
                break  # "\r\n\r" + "\n" to come, or "\r\r" + "\n": the line end may not be whole yet
            frame = _parse(bytes(buffer[start : found.start()]))
            if frame is not None:
                frames.append(frame)
            start = search_from = end
        if start:
            del buffer[:start]
        if len(buffer) > FRAME_BYTES_MAX:
            raise FramingError(f"an event of more than {FRAME_BYTES_MAX} bytes")
        self._scanned = max(0, len(buffer) - 3)
        return frames

    def close(self) -> Sequence[Frame]:
        """What came after the last blank line, if it is an event. Whether it was cut is the dialect's to judge."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        frame = _parse(rest)
        return (frame,) if frame is not None else ()


def _parse(block: bytes) -> Frame | None:
    if block.startswith(b"data:") and b"\n" not in block and b"\r" not in block:  # the common case
        return Frame("", block[6:] if block[5:6] == b" " else block[5:])
    event, data = "", []
    for line in _LINE_END.split(block.removeprefix(b"\xef\xbb\xbf")):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            event = value.decode("utf-8", "replace")
    return Frame(event, b"\n".join(data)) if data else None
