"""Server-sent events of this format: each has a name, which clients go by."""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.messages.objects import Event

_encoder = msgspec.json.Encoder()


def frame(name: str, data: bytes) -> bytes:
    """One frame. `data` is one line of JSON."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def frames(events: Sequence[Event]) -> bytes:
    """The frames of some events."""
    return b"".join([frame(str(event.__struct_config__.tag), _encoder.encode(event)) for event in events])


PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'
