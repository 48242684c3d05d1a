"""AWS event streams, cut from bytes: length-prefixed binary messages, each with typed headers, a payload and two checksums.

    total length u32 | headers length u32 | CRC-32 of these 8 bytes | headers | payload | CRC-32 of all before
    header: name length u8 | name | type u8 | value

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html (framing),
https://smithy.io/2.0/aws/amazon-eventstream.html (`:message-type`, `:event-type`, exceptions and errors).
"""

import struct
import uuid
from collections.abc import Mapping, Sequence
from typing import Final
from zlib import crc32

from services.wire.frame import Frame, FramingError

HEADERS_BYTES_MAX: Final = 128 << 10  # both limits are the protocol's own
PAYLOAD_BYTES_MAX: Final = 24 << 20

_PRELUDE = struct.Struct("!III")
_CRC = struct.Struct("!I")
_LENGTH = struct.Struct("!H")
_PRELUDE_BYTES: Final = _PRELUDE.size
_MESSAGE_BYTES_MIN: Final = _PRELUDE_BYTES + _CRC.size
_HEADER_BLOCKS_KEPT: Final = (
    32  # a stream repeats a handful of header blocks; more would be a peer's game with our memory
)

_TRUE, _FALSE, _BYTES, _STRING, _UUID = 0, 1, 6, 7, 9
_INTEGERS: Final = {
    2: struct.Struct("!b"),
    3: struct.Struct("!h"),
    4: struct.Struct("!i"),
    5: struct.Struct("!q"),
    8: struct.Struct("!q"),
}


class EventStreamFramer:
    """Bytes -> frames, both checksums verified.

    `Frame.event` is the event type; of an exception its type, of an error its code. `Frame.headers` holds all headers
    as text (bytes as hex, timestamps as milliseconds), among them `:message-type`: event, exception or error.
    After bytes that cannot be this framing, nothing more is read: the frames before them are returned first.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = _PRELUDE_BYTES  # how long the buffer must be before there is anything to do
        self._broken: FramingError | None = None
        self._blocks: dict[bytes, tuple[str, Mapping[str, str]]] = {}

    def feed(self, chunk: bytes) -> Sequence[Frame]:
        """Frames completed by this chunk, in order."""
        if self._broken is not None:
            raise self._broken
        buffer = self._buffer
        buffer += chunk
        if len(buffer) < self._wanted:
            return ()
        frames: list[Frame] = []
        with memoryview(buffer) as view:
            start = self._cut(view, frames)
        del buffer[:start]
        if self._broken is not None and not frames:
            raise self._broken
        return frames

    def close(self) -> Sequence[Frame]:
        """Nothing is left when the bytes end between messages."""
        if self._broken is not None:
            raise self._broken
        if self._buffer:
            raise FramingError(f"the stream ended inside a message, after {len(self._buffer)} of its bytes")
        return ()

    def _cut(self, view: memoryview, frames: list[Frame]) -> int:
        """Reads whole messages into `frames`; returns where the first incomplete one begins."""
        start, available = 0, len(view)
        try:
            while available - start >= _PRELUDE_BYTES:
                total, headers_length, prelude_crc = _PRELUDE.unpack_from(view, start)
                if crc32(view[start : start + 8]) != prelude_crc:
                    raise FramingError("the checksum of a message's prelude does not match")
                payload_length = total - headers_length - _MESSAGE_BYTES_MIN
                if payload_length < 0 or headers_length > HEADERS_BYTES_MAX or payload_length > PAYLOAD_BYTES_MAX:
                    raise FramingError(f"a message of {total} bytes with {headers_length} bytes of headers")
                end = start + total
                if end > available:
                    self._wanted = total
                    return start
                crc_at = end - _CRC.size
                # The CRC of all before continues the prelude's own: both cover the same first 8 bytes.
                if crc32(view[start + 8 : crc_at], prelude_crc) != _CRC.unpack_from(view, crc_at)[0]:
                    raise FramingError("the checksum of a message does not match")
                payload_at = start + _PRELUDE_BYTES + headers_length
                event, headers = self._headers(bytes(view[start + _PRELUDE_BYTES : payload_at]))
                frames.append(Frame(event, bytes(view[payload_at:crc_at]), headers))
                start = end
        except FramingError as error:
            self._broken = error
        self._wanted = _PRELUDE_BYTES
        return start

    def _headers(self, block: bytes) -> tuple[str, Mapping[str, str]]:
        known = self._blocks.get(block)
        if known is None:
            headers = _parse_headers(block)
            known = _event_name(headers), headers
            if len(self._blocks) < _HEADER_BLOCKS_KEPT:
                self._blocks[block] = known
        return known


def _event_name(headers: Mapping[str, str]) -> str:
    match headers.get(":message-type"):
        case "exception":
            return headers.get(":exception-type", "")
        case "error":
            return headers.get(":error-code", "")
        case _:
            return headers.get(":event-type", "")


def _parse_headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    at = 0
    try:
        while at < len(block):
            name_end = at + 1 + block[at]
            name = block[at + 1 : name_end].decode()
            headers[name], at = _parse_value(block, block[name_end], name_end + 1)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise FramingError(f"unreadable message headers: {error}") from error
    if at != len(block):
        raise FramingError("message headers that end inside a value")
    return headers


def _parse_value(block: bytes, kind: int, at: int) -> tuple[str, int]:
    """A header value as text, and where the next header begins."""
    if kind in (_STRING, _BYTES):
        end = at + 2 + _LENGTH.unpack_from(block, at)[0]
        value = block[at + 2 : end]
        return (value.decode() if kind == _STRING else value.hex()), end
    if kind in (_TRUE, _FALSE):
        return ("true" if kind == _TRUE else "false"), at
    if kind == _UUID:
        if at + 16 > len(block):
            raise FramingError("message headers that end inside a value")
        return str(uuid.UUID(bytes=block[at : at + 16])), at + 16
    if (integer := _INTEGERS.get(kind)) is not None:
        return str(integer.unpack_from(block, at)[0]), at + integer.size
    raise FramingError(f"a message header of unknown type {kind}")
