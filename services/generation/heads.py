"""Headers for the answer that are known before there is one: a stream may have to begin before its provider does.

Whoever writes answers asks for a list with `collect` and then opens; whoever opens notes what it knows. It goes through the
context and not through every `open`, because between the two stands each surface with an `open` of its own.
"""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

Headers = list[tuple[str, str]]

_collected: Final[ContextVar[Headers | None]] = ContextVar("headers", default=None)


def collect() -> Headers:
    """A list that fills while this task, or one it starts, opens an answer."""
    headers: Headers = []
    _collected.set(headers)
    return headers


def note(headers: Iterable[tuple[str, str]]) -> None:
    """These are for the answer, whatever becomes of it; they take the place of what was noted before."""
    collected = _collected.get()
    if collected is not None:
        collected[:] = headers
