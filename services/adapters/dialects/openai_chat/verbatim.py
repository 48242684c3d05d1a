"""Runs of deltas, left as the bytes they came in: see `openai_responses/verbatim.py`, whose reasons hold here too.

A chunk is a plain delta when it ends no choice, counts no tokens and begins no call: those are the dialect's to look at.
"""

import re
from collections.abc import Sequence
from typing import Final

from services.wire.frame import Frame
from services.wire.sse import SseFramer, parse

RUN: Final = "\n"
"""The event name of a frame that holds a run: whole events as they came. No real event can have this name."""

_GOING_ON: Final = re.compile(rb'"finish_reason":\s*null')
_COUNTED: Final = re.compile(rb'"usage":\s*\{')


class VerbatimFramer(SseFramer):
    """Cuts a chat stream into frames and runs of plain deltas."""

    def frames(self, blocks: Sequence[bytes]) -> list[Frame]:
        """See `SseFramer.frames`."""
        frames: list[Frame] = []
        run: list[bytes] = []
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


def is_plain(block: bytes) -> bool:
    """Whether an event is a delta that needs no look. A quote within a JSON string is escaped, so members are what they seem."""
    return (
        block.startswith(b'data: {"')
        and block.endswith(b"}")
        and b"\n" not in block
        and (b'"finish_reason":null' in block or _GOING_ON.search(block) is not None)
        and b'"tool_calls"' not in block
        and not (b'"usage"' in block and _COUNTED.search(block))
    )


def _run(blocks: list[bytes]) -> Frame:
    blocks.append(b"")
    return Frame(RUN, b"\n\n".join(blocks))
