"""Server-sent events, cut from bytes.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

Split on bytes before decoding: text methods such as `splitlines` also cut at U+2028 and its like, which may stand in JSON.
This runs once per streamed chunk of every provider, so the work is left to `bytes.split`.
"""

from collections.abc import Sequence
from typing import Final

from services.wire.frame import Frame, FramingError

FRAME_BYTES_MAX: Final = 64 << 20  # larger than any provider's frame (images come whole); protects memory


class SseFramer:
    """Bytes -> frames. Comments, `id:` and `retry:` are read over; a frame without data is none."""

    def __init__(self) -> None:
        self._tail = b""  # after the last blank line, line ends made LF; a CR at its very end may still become CRLF
        self._more: list[bytes] = []  # what came since without any line end: joined once, however many pieces
        self._size = 0

    def feed(self, chunk: bytes) -> Sequence[Frame]:
        """Frames completed by this chunk, in order."""
        if b"\n" not in chunk and b"\r" not in chunk and not self._tail.endswith(b"\r"):
            self._more.append(chunk)
            self._size += len(chunk)
            if self._size > FRAME_BYTES_MAX:
                raise FramingError(f"an event of more than {FRAME_BYTES_MAX} bytes")
            return ()
        data = b"".join((self._tail, *self._more, chunk)) if self._tail or self._more else chunk
        self._more.clear()
        held = b""
        if b"\r" in data:
            if data.endswith(b"\r"):
                data, held = data[:-1], b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *blocks, tail = data.split(b"\n\n")
        self._tail = tail + held
        self._size = len(self._tail)
        if self._size > FRAME_BYTES_MAX:
            raise FramingError(f"an event of more than {FRAME_BYTES_MAX} bytes")
        return self.frames(blocks)

    def frames(self, blocks: Sequence[bytes]) -> list[Frame]:
        """The frames of some whole events, whose lines end with LF (the last one's end is cut off)."""
        return [frame for block in blocks if (frame := parse(block)) is not None]

    def close(self) -> Sequence[Frame]:
        """What came after the last blank line, if it is an event. Whether it was cut is the dialect's to judge."""
        rest = b"".join((self._tail, *self._more))
        self._tail = b""
        self._more.clear()
        frame = parse(rest.replace(b"\r", b"\n"))
        return (frame,) if frame is not None else ()


def parse(block: bytes) -> Frame | None:
    """One event. The two forms that all providers send are read without splitting lines."""
    if block.startswith(b"event: "):
        at = block.find(b"\n")
        if block.startswith(b"data: ", at + 1) and block.find(b"\n", at + 7) < 0:
            return Frame(block[7:at].decode("utf-8", "replace"), block[at + 7 :])
    elif block.startswith(b"data: ") and b"\n" not in block:
        return Frame("", block[6:])
    return _parse_lines(block)


def _parse_lines(block: bytes) -> Frame | None:
    event, data = "", []
    for line in block.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            event = value.decode("utf-8", "replace")
    return Frame(event, b"\n".join(data)) if data else None
