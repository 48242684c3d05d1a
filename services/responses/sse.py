"""Writing server-sent events: `event:` and `data:` lines, LF only, whole frames."""

from typing import Final

import msgspec

from services.responses.stream_events import StreamEvent

DONE: Final = b"data: [DONE]\n\n"
PING: Final = b": ping\n\n"  # a comment: every parser reads over it, every idle timer sees it

_encoder = msgspec.json.Encoder()


def frame(name: str, data: bytes) -> bytes:
    """One frame. `data` is one line of JSON."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def ending(name: str, body: bytes, number: int) -> bytes:
    """The last event of a stream. `body`: the response, as JSON."""
    return frame(name, b'{"type":"%b","response":%b,"sequence_number":%d}' % (name.encode(), body, number))


def data_of(frames: bytes) -> list[bytes]:
    """The data of each event of some frames of ours; the `[DONE]` at the end is none."""
    found = [each.partition(b"data: ")[2] for each in frames.split(b"\n\n")]
    return [data for data in found if data.startswith(b"{")]


def frames(events: list[StreamEvent]) -> bytes:
    """The frames of some public events."""
    return b"".join([frame(str(event.__struct_config__.tag), _encoder.encode(event)) for event in events])
