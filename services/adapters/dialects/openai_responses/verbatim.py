"""Runs of deltas, left as the bytes they came in.

Nearly all of a stream is deltas, which the native lane passes as they are: taking each one apart and putting it together again
would be most of the lane's work. Everything else becomes a frame of its own.
"""

from collections.abc import Sequence
from typing import Final

from services.wire.frame import Frame
from services.wire.sse import SseFramer, parse

RUN: Final = "\n"
"""The event name of a frame that holds a run: whole events as they came. No real event can have this name."""

_DELTAS: Final = tuple(
    f"event: response.{kind}.delta\ndata: {{".encode()
    for kind in (
        "output_text",
        "function_call_arguments",
        "custom_tool_call_input",
        "reasoning_summary_text",
        "reasoning_text",
        "refusal",
    )
)


class VerbatimFramer(SseFramer):
    """Cuts a Responses stream into frames and runs of deltas (in the usual form, with a sequence number)."""

    def frames(self, blocks: Sequence[bytes]) -> list[Frame]:
        """See `SseFramer.frames`."""
        frames: list[Frame] = []
        run: list[bytes] = []
        for block in blocks:
            if (
                block.startswith(_DELTAS)
                and b'"sequence_number":' in block
                and block.endswith(b"}")
                and block.count(b"\n") == 1
            ):
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
