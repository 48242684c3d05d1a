"""Runs of deltas, left as the bytes they came in.

Nearly all of a stream is deltas, which a native lane passes as they are: taking each one apart and putting it together again
would be most of the lane's work. Everything else becomes a frame of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from services.wire.frame import Frame
from services.wire.sse import SseFramer, parse

RUN: Final = "\n"
"""The event name of a frame that holds a run: whole events as they came. No real event can have this name."""


class RunFramer(SseFramer, ABC):
    """Cuts a stream into frames and runs of plain deltas. Each format says which those are."""

    @staticmethod
    @abstractmethod
    def is_plain(block: bytes) -> bool:
        """Whether an event is a delta that needs no look."""

    def frames(self, blocks: Sequence[bytes]) -> list[Frame]:
        """See `SseFramer.frames`."""
        frames: list[Frame] = []
        run: list[bytes] = []
        is_plain = self.is_plain
        for block in blocks:
            if is_plain(block):
                run.append(block)
                continue
            if run:
                frames.append(_run(run))
                run = []
            if (frame := parse(block)) is not None:
                frames.append(frame)
        if run:
            frames.append(_run(run))
        return frames


def _run(blocks: list[bytes]) -> Frame:
    blocks.append(b"")
    return Frame(RUN, b"\n\n".join(blocks))
