"""Token buckets in whole numbers: exact, and the same in Python and in Redis (`scripts.py`). Pure.

A bucket holds a minute's worth of its limit, and fills evenly. What is kept is not how full it is but how much is used:
an absent bucket has nothing used, a limit that changes needs no conversion, and what was used beyond the limit (an answer
longer than was reserved for it) is simply more than a bucketful, to be waited for by those who come next.

`used` is counted in parts of a token, so many that each millisecond gives back `limit` of them.
"""

from typing import Final

PARTS: Final = 60_000
"""Parts of a token (or of a request): the milliseconds of a minute."""

UNLIMITED: Final = -1

Charge = tuple[int, int, int]
"""Requests, input tokens, output tokens."""

NOTHING: Final[Charge] = (0, 0, 0)


def drained(used: int, limit: int, elapsed_ms: int) -> int:
    """What is still used after a while. Clocks that go back give nothing; where nothing is limited, or all, nothing counts."""
    if limit <= 0:
        return 0
    return max(0, used - limit * elapsed_ms) if elapsed_ms > 0 else used


def fits(used: int, amount: int, limit: int) -> bool:
    """Whether so many tokens are left."""
    return limit < 0 or amount == 0 or used + amount * PARTS <= limit * PARTS


def remaining(used: int, limit: int) -> int:
    """Whole tokens left, never less than none."""
    return max(0, limit * PARTS - used) // PARTS


def wait_ms(used: int, amount: int, limit: int) -> int:
    """Milliseconds until so many tokens are left. Only for what the bucket can hold at all."""
    return max(0, -((limit * PARTS - used - amount * PARTS) // limit)) if limit > 0 else 0


def full_in_ms(used: int, limit: int) -> int:
    """Milliseconds until nothing is used any more."""
    return -(-used // limit) if limit > 0 and used > 0 else 0
