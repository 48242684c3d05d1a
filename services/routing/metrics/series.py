"""The history of one key."""

from collections.abc import Iterator
from typing import Final

from services.routing.metrics.bucket import Bucket, Stored, merge_encoded, stored
from services.routing.metrics.levels import LEVELS

CLOSED_MAX: Final = 4
"""Most closed minutes that wait to be folded; one more folds the first at once."""

PIECES_MAX: Final = 16
"""Most pieces that a bucket lies in before they are merged: a seventh of the work of merging each as it comes."""


class Series:
    """Buckets of one key: the open minute, closed minutes that wait, and what is folded into the levels.

    Every level holds everything that is not older than its reach, so a window is read from one level alone. Folded buckets
    are kept encoded: about a tenth of the memory. They are merged when they are read, or come in many pieces.
    """

    def __init__(self) -> None:
        self.minute = 0
        """Where the open minute begins."""
        self.open = Bucket()
        self._closed: list[tuple[int, Bucket]] = []
        self._levels: tuple[dict[int, list[bytes]], ...] = tuple({} for _ in LEVELS)

    def turn(self, minute: int) -> bool:
        """Opens another minute. Whether the one before held anything, and so waits to be folded."""
        before, start, self.open, self.minute = self.open, self.minute, Bucket(), minute
        if not before.outcomes:
            return False
        self._closed.append((start, before))
        return True

    def fold(self) -> tuple[int, bytes]:
        """Puts the oldest closed minute into all levels. Where it begins, and the bucket."""
        start, bucket = self._closed.pop(0)
        encoded = bucket.encode()
        self.add(0, start, encoded)
        return start, encoded

    @property
    def overdue(self) -> bool:
        """Whether too many closed minutes wait."""
        return len(self._closed) > CLOSED_MAX

    def add(self, first: int, start: int, bucket: bytes) -> None:
        """Merges a bucket into level `first` and all coarser ones."""
        for level, buckets in zip(LEVELS[first:], self._levels[first:], strict=True):
            pieces = buckets.setdefault(level.start(start), [])
            pieces.append(bucket)
            if len(pieces) > PIECES_MAX:
                _merge(pieces)

    def since(self, level: int, start: int) -> Iterator[Stored]:
        """All of a level from `start` on, and what is not folded yet."""
        for begin, pieces in self._levels[level].items():
            if begin >= start:
                _merge(pieces)
                yield stored(pieces[0])
        for minute, closed in [*self._closed, (self.minute, self.open)]:
            if minute >= start and closed.outcomes:
                yield stored(closed.encode())

    def forget(self) -> None:
        """Forgets what is folded."""
        for buckets in self._levels:
            buckets.clear()

    def prune(self, now: float) -> bool:
        """Forgets what no window can reach any more. Whether anything is left."""
        for level, buckets in zip(LEVELS, self._levels, strict=True):
            oldest = level.oldest(now)
            for begin in [begin for begin in buckets if begin < oldest]:
                del buckets[begin]
        return bool(self.open.outcomes or self._closed or any(self._levels))


def _merge(pieces: list[bytes]) -> None:
    if len(pieces) > 1:
        pieces[:] = [merge_encoded(pieces)]
