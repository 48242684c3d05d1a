"""The events of a stream again: from the frames that were kept, and the last one from the response itself."""

from typing import Final

import msgspec

from services.responses.sse import ending as last_frame
from services.store.records import Frames, Kept

_ENDINGS: Final = {"completed": "response.completed", "failed": "response.failed"}
_END: Final = b"\n\n"


class _Numbered(msgspec.Struct):
    sequence_number: int = -1


_numbered = msgspec.json.Decoder(_Numbered)


def after(kept: Frames, number: int) -> bytes:
    """The events of a run that have a higher number."""
    if kept.first > number:
        return kept.frames
    frames = [frame for frame in kept.frames.split(_END) if frame and number_of(frame) > number]
    return b"".join(frame + _END for frame in frames)


def number_of(frame: bytes) -> int:
    """The sequence number of one event."""
    return _numbered.decode(frame.partition(b"data: ")[2]).sequence_number


def last_number(frames: bytes) -> int:
    """The number of the last of some events."""
    return number_of(frames.removesuffix(_END).rpartition(_END)[2])


def ending(kept: Kept) -> bytes:
    """The last event of a response that has ended. A cancelled one is incomplete to those who follow it."""
    return last_frame(_ENDINGS.get(kept.status, "response.incomplete"), kept.body, kept.last_number)
