"""Writing server-sent events: `event:` and `data:` lines, LF only, whole frames."""

from collections.abc import Sequence
from typing import Final

import msgspec

DONE: Final = b"data: [DONE]\n\n"
PING: Final = b": ping\n\n"  # a comment: every parser reads over it, every idle timer sees it

_encoder = msgspec.json.Encoder()


def frame(name: str, data: bytes) -> bytes:
    """One frame. `data` is one line of JSON."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def frames(events: Sequence[msgspec.Struct]) -> bytes:
    """The frames of some public events, each named by its tag."""
    return b"".join([frame(str(event.__struct_config__.tag), _encoder.encode(event)) for event in events])
