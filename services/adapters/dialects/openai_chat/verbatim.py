"""Which chunks pass as the bytes they came in (`dialects/runs.py`).

A chunk is a plain delta when it ends no choice, counts no tokens and begins no call: those are the dialect's to look at.
"""

import re
from typing import Final

from services.adapters.dialects.runs import RunFramer

_GOING_ON: Final = re.compile(rb'"finish_reason":\s*null')
_COUNTED: Final = re.compile(rb'"usage":\s*\{')


class VerbatimFramer(RunFramer):
    """Cuts a chat stream into frames and runs of plain deltas."""

    @staticmethod
    def is_plain(block: bytes) -> bool:
        """Whether a chunk is a plain delta. A quote within a JSON string is escaped, so members are what they seem."""
        return (
            block.startswith(b'data: {"')
            and block.endswith(b"}")
            and b"\n" not in block
            and (b'"finish_reason":null' in block or _GOING_ON.search(block) is not None)
            and b'"tool_calls"' not in block
            and not (b'"usage"' in block and _COUNTED.search(block))
        )
