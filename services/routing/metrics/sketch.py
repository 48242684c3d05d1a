"""A quantile sketch with a bounded relative error, exactly mergeable.

Values are counted in bins whose borders grow by a constant factor (DDSketch: Masson, Rim and Lee, VLDB 2019), so each
quantile is within `RELATIVE_ERROR` of the true one. Two sketches of the same bins merge by adding counts: in any order and
grouping, the merged sketch is the one that would have seen all values itself. Count, sum, lowest and highest are exact.

Written here, not taken from the `ddsketch` package: that keeps sums as floats (merging in another order gives another
result), and its encoding is protobuf's or none.
"""

from bisect import bisect_right
from itertools import accumulate
from math import ceil, inf, log
from typing import Final

import msgspec

RELATIVE_ERROR: Final = 0.01
SMALLEST: Final = 0.001
LARGEST: Final = 1_000_000.0
"""What is smaller or larger counts as this: milliseconds and weeks, for seconds."""

_GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_PER_LOG: Final = 1 / log(_GAMMA)
_OFFSET: Final = -log(SMALLEST) * _PER_LOG  # bin 0 ends at SMALLEST
_MIDDLE: Final = 2 / (_GAMMA + 1)
BINS_MAX: Final = ceil(log(LARGEST) * _PER_LOG + _OFFSET) + 1


class Sketch(msgspec.Struct, array_like=True, gc=False):
    """A distribution of positive numbers. total: their sum in millionths, whole, so that sums merge exactly too."""

    count: int = 0
    total: int = 0
    low: float = inf
    high: float = 0.0
    bins: dict[int, int] = {}

    def add(self, value: float) -> None:
        """Counts one value."""
        value = SMALLEST if value < SMALLEST else min(value, LARGEST)
        self.count += 1
        self.total += round(value * 1_000_000)
        self.low = min(self.low, value)
        self.high = max(self.high, value)
        bins, bin = self.bins, ceil(log(value) * _PER_LOG + _OFFSET)
        bins[bin] = bins.get(bin, 0) + 1

    def merge(self, other: "Sketch") -> None:
        """Counts all that `other` has counted."""
        self.count += other.count
        self.total += other.total
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)
        bins = self.bins
        for bin, count in other.bins.items():
            bins[bin] = bins.get(bin, 0) + count


class Quantiles:
    """A sketch made ready to be asked."""

    def __init__(self, sketch: Sketch) -> None:
        self._sketch = sketch
        self._bins = sorted(sketch.bins)
        self._ranks = list(accumulate(sketch.bins[bin] for bin in self._bins))  # values up to and in each bin

    @property
    def average(self) -> float | None:
        """The exact average; None without values."""
        return self._sketch.total / self._sketch.count / 1_000_000 if self._sketch.count else None

    @property
    def low(self) -> float | None:
        """The exact lowest value; None without values."""
        return self._sketch.low if self._sketch.count else None

    @property
    def high(self) -> float | None:
        """The exact highest value; None without values."""
        return self._sketch.high if self._sketch.count else None

    def at(self, quantile: float) -> float | None:
        """The value that this share (0 to 1) of the others is not above, within `RELATIVE_ERROR`; None without values."""
        last = self._sketch.count - 1
        if last < 0:
            return None
        rank = int(quantile * last)
        if rank in {0, last}:
            return self._sketch.low if rank == 0 else self._sketch.high
        middle: float = SMALLEST * _GAMMA ** self._bins[bisect_right(self._ranks, rank)] * _MIDDLE
        return min(max(middle, self._sketch.low), self._sketch.high)
