"""How time is cut: fine buckets for what is recent, coarser ones for what is long ago, up to a year.

A window is read from the finest level that reaches back that far. It begins where a bucket begins, so it is longer than
asked by at most a tenth (a bucket's span is at most a tenth of the shortest window that needs its level).
"""

from typing import Final, NamedTuple


class Level(NamedTuple):
    """Buckets of `span_s` seconds, for windows of up to `reach_s`."""

    span_s: int
    reach_s: int

    def start(self, at: float) -> int:
        """Where the bucket begins that holds this moment; both in seconds since 1970."""
        return int(at // self.span_s) * self.span_s

    def oldest(self, now: float) -> int:
        """Where the oldest bucket begins that a window may still need."""
        return self.start(now - self.reach_s)


MINUTE, HOUR, DAY, WEEK = 60, 3600, 86400, 7 * 86400

LEVELS: Final = (
    Level(MINUTE, 100 * MINUTE),
    Level(10 * MINUTE, 10 * HOUR),
    Level(HOUR, 60 * HOUR),
    Level(6 * HOUR, 10 * DAY),
    Level(DAY, 70 * DAY),
    Level(WEEK, 366 * DAY),
)
"""Finest first; each span divides the next."""

BUCKETS_MAX: Final = sum(level.reach_s // level.span_s + 2 for level in LEVELS)
"""Most buckets that one key has: 394, of at most some kilobytes each."""


def window(interval_s: int, now: float) -> tuple[int, int]:
    """The level that a window is read from (its index), and where the window begins."""
    for index, level in enumerate(LEVELS):
        if interval_s <= level.reach_s:
            return index, level.start(now - interval_s)
    return len(LEVELS) - 1, LEVELS[-1].oldest(now)
