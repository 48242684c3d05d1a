"""A frame: one event of a streamed answer, cut out of the bytes by SSE, AWS event-stream or newline framing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec


class Frame(msgspec.Struct, frozen=True, gc=False):
    """event: its name ("" where the framing or the provider gives none). data: its payload, one complete value."""

    event: str
    data: bytes
    headers: Mapping[str, str] = {}


class Framer(Protocol):
    """Cuts bytes into frames, however they arrive. One per answer."""

    def feed(self, chunk: bytes) -> Sequence[Frame]:
        """Frames completed by this chunk. Raises `FramingError` for bytes that cannot be this framing."""
        ...

    def close(self) -> Sequence[Frame]:
        """Frames completed by the end of the bytes. Raises `FramingError` when they end inside one."""
        ...


Framing = Callable[[], Framer]


class FramingError(ValueError):
    """The bytes are not in the framing the provider announced, or end in the middle of a frame."""
