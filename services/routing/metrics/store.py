"""Where buckets survive a restart and meet those of other workers."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

import msgspec

from services.routing.metrics.bucket import Key, Row, merge_encoded
from services.routing.metrics.levels import LEVELS


class Read(NamedTuple):
    """Rows, and the place from which to read on. The place means something only to the store that gave it."""

    rows: list[Row]
    cursor: str


class Store(Protocol):
    """Rows of all writers. Each attempt is in one row, at one level: first of its minute, coarser as it grows old.

    Methods block and may raise `OSError`; they are called from one thread at a time, which may be another each time.
    """

    def load(self) -> Read:
        """All rows, newest and finest first."""
        ...

    def append(self, batch: int, rows: Sequence[Row]) -> None:
        """Adds minutes of this writer, all or none. `batch`: 1, 2, 3… by writer; one that failed is to be appended again.

        An error may hide that it was added after all, so a batch that is there already is not added once more.
        """
        ...

    def since(self, cursor: str) -> Read:
        """The minutes that other writers have added."""
        ...

    def compact(self, now: float) -> None:
        """Moves what is too old for its level into the next one, and deletes what is too old for all.

        A minute that is appended only when it is that old may move before others have read it. They know of it when they
        load anew.
        """
        ...

    def close(self) -> None:
        """Lets go of the store."""
        ...


def due_before(level: int, now: float) -> int:
    """Rows of a level that begin before this are to be moved to the next one, or after the last one to be deleted.

    It is where a bucket of the next level begins, so that all of one move together. Every window has long stopped
    needing them at this level, and a reader that has missed them has been told to load anew (`LOAD_ANEW_S`).
    """
    oldest = LEVELS[level].oldest(now)
    return LEVELS[level + 1].start(oldest) if level + 1 < len(LEVELS) else oldest


def coarser(level: int, rows: Iterable[tuple[int, Key, bytes]], there: Mapping[tuple[int, Key], bytes]) -> list[Row]:
    """Rows of a level, as rows of the next one. `there`: what the next one has already.

    Places where something cannot be read are left out: a broken row must not keep the store from shrinking.
    """
    groups: dict[tuple[int, Key], list[bytes]] = {}
    for start, key, bucket in rows:
        place = (LEVELS[level + 1].start(start), key)
        groups.setdefault(place, [there[place]] if place in there else []).append(bucket)
    rows_there: list[Row] = []
    for (start, key), buckets in groups.items():
        with suppress(msgspec.DecodeError):
            rows_there.append(Row(level + 1, start, key, merge_encoded(buckets)))
    return rows_there
