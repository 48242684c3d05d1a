"""What an answer has used so far: the provider's own count once it comes, and until then a reckoning of what was generated.

The reckoning is what a client that leaves pays for, so it must cost next to nothing per chunk and must not claim more than
was generated.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.vocabulary.event import Event, NativeEvent, ReasoningDelta, TextDelta, ToolCallDelta, UsageReported
from services.vocabulary.usage import Usage

CHARS_PER_TOKEN: Final = 4

_DELTA: Final = b'"delta":'


class Tally:
    """Of one answer. usage: what the provider counted, None as long as it has not."""

    __slots__ = ("_chars", "_deltas", "_so_far", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._so_far: Usage | None = None
        self._chars = 0
        self._deltas = 0

    def feed(self, batch: Sequence[Event]) -> None:
        """Takes the next events."""
        for event in batch:
            if isinstance(event, TextDelta | ReasoningDelta):
                self._chars += len(event.text)
            elif isinstance(event, NativeEvent):
                self._deltas += event.data.count(_DELTA)  # providers send about one token in each
            elif isinstance(event, ToolCallDelta):
                self._chars += len(event.arguments)
            elif isinstance(event, UsageReported):
                if event.partial:
                    self._so_far = event.usage
                else:
                    self.usage = event.usage

    def reckoned(self, input_tokens: int) -> Usage | None:
        """What was used so far: what the provider said at the beginning, or else the estimate, and what was generated.

        None: nothing was, as far as anybody can tell.
        """
        output = -(-self._chars // CHARS_PER_TOKEN) + self._deltas
        if self._so_far is not None:
            return msgspec.structs.replace(self._so_far, output=max(output, self._so_far.output))
        return Usage(input=input_tokens, output=output) if output else None
