"""Where a prompt's prefix is warm: providers cache prompts, so a repeated prefix is cheaper and faster where it was before.

A prefix is what stays the same from turn to turn: the instructions, the tools and the first message, or the caller's
own `prompt_cache_key`. Short prompts are cached nowhere and have no prefix.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

import msgspec

from services.vocabulary.call import Call, CustomTool, FunctionTool

REMEMBERED_MAX: Final = 50_000
WARM_S: Final = 300.0  # what providers promise at least
PREFIX_BYTES_MIN: Final = 4000  # about the 1,024 tokens below which no provider caches

_encoder = msgspec.json.Encoder()


def prefix_of(call: Call) -> str | None:
    """A hash of the call's prefix and model; None where there is nothing a provider would keep."""
    if call.prompt_cache_key is not None:
        return f"{call.model} {call.prompt_cache_key}"
    first = _encoder.encode(call.items[0]) if call.items else b""
    parts = [call.model.encode(), (call.instructions or "").encode(), first]
    for tool in call.tools:
        if isinstance(tool, FunctionTool | CustomTool):
            parts.append(tool.name.encode())
        if isinstance(tool, FunctionTool) and tool.parameters is not None:
            parts.append(bytes(tool.parameters))
    if sum(map(len, parts)) < PREFIX_BYTES_MIN:
        return None
    return blake2b(b"\0".join(parts), digest_size=16).hexdigest()


class Affinity:
    """Remembers where prefixes went, the most recent ones, for as long as caches live. One per process."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def warm(self, prefix: str, now: float) -> str | None:
        """The `provider/model` that has this prefix in its cache, as far as we know."""
        found = self._seen.get(prefix)
        return found[0] if found is not None and now - found[1] < WARM_S else None

    def sent(self, prefix: str, target: str, now: float) -> None:
        """Notes that a target has answered a call with this prefix."""
        self._seen[prefix] = (target, now)
        self._seen.move_to_end(prefix)
        if len(self._seen) > REMEMBERED_MAX:
            self._seen.popitem(last=False)
