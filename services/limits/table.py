"""Rows in memory that the workers of one machine share: one per account, found by its digest.

The file is as large as it will ever be, so that touching it cannot fail. A row belongs to one of 8192 sets of 16; where a
set is full, the row that is nearest to unused makes room. So the limits are exact while some tens of thousands of accounts
are in use within a minute, and each lookup costs the same.

    header   magic, then a heartbeat (ms) for each process
    row      digest, when it was written (ms), when it will be unused (ms), what is used of three buckets,
             and how many requests each process has under way

Everything but the heartbeats is read and written under an exclusive lock, which the kernel takes from a process that dies.
"""

import fcntl
import mmap
import os
import struct
from pathlib import Path
from typing import Any, Final

AT: Final = 1
UNUSED_AT: Final = 2
USED: Final = 3
PLACES: Final = 6
"""What stands where in a row: three numbers are used, and from `PLACES` on there is one for each process."""

_MAGIC: Final = b"limits1\n"
_WAYS: Final = 16
_SETS_MAX: Final = 8192
_BYTES_MAX: Final = 16 << 20
_BEAT: Final = struct.Struct("<q")
_PLACE: Final = struct.Struct("<H")
_FIXED: Final = 16 + 5 * 8


Row = list[Any]
"""The digest (bytes), and whole numbers."""


class Table:
    """The rows. One object per process; all of a gateway give the same `processes`."""

    def __init__(self, file: Path | None, *, processes: int) -> None:
        """`file`: made if it is not there; None: of this process alone. `processes`: how many may share it.

        Raises `OSError` where there is no room for it.
        """
        self._processes = processes
        self._nowhere = [0] * processes
        self._row = struct.Struct(f"<16sqqqqq{processes}H")
        self._header = -(-(len(_MAGIC) + processes * _BEAT.size) // 4096) * 4096
        self._set_size = _WAYS * self._row.size
        self._sets = 1
        while self._sets < _SETS_MAX and self._sets * 2 * self._set_size <= _BYTES_MAX:
            self._sets *= 2
        size = self._header + self._sets * self._set_size
        self._fd = -1
        if file is None:
            self._memory = mmap.mmap(-1, size)
        else:
            self._fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX)
                _allocate(self._fd, size)
                self._memory = mmap.mmap(self._fd, size)
            except OSError:
                os.close(self._fd)
                raise
        if self._memory[: len(_MAGIC)] != _MAGIC:
            self._memory[: len(_MAGIC)] = _MAGIC
        self.unlock()

    def try_lock(self) -> bool:
        """Whether the rows are ours now. Never waits."""
        if self._fd < 0:
            return True
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(self) -> None:
        """Lets the others in."""
        if self._fd >= 0:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Lets go of the memory; the file stays."""
        self._memory.close()
        if self._fd >= 0:
            os.close(self._fd)

    # ---- processes -----------------------------------------------------------------------------------------------

    def claim(self, now: int, *, dead_after_ms: int) -> int:
        """A number for this process that no living one has, and nothing under way in it. Under the lock.

        With more processes than there are numbers, the one that has been silent longest loses its number.
        """
        beats = self.beats()
        process = min(range(self._processes), key=lambda number: beats[number])
        free = [number for number, beat in enumerate(beats) if now - beat > dead_after_ms]
        process = free[0] if free else process
        if beats[process]:  # somebody had it; else there is nothing, and the file stays as sparse as it is
            with memoryview(self._memory) as view, view[self._header + _FIXED + 2 * process :] as places:
                for part in (0, 1):  # of a little number of two bytes
                    places[part :: self._row.size] = bytes(len(places[part :: self._row.size]))
        self.beat(process, now)
        return process

    def beat(self, process: int, now: int) -> None:
        """Says that a process lives. Without the lock: nobody else writes it."""
        _BEAT.pack_into(self._memory, len(_MAGIC) + process * _BEAT.size, now)

    def beats(self) -> tuple[int, ...]:
        """When each process was last known to live; 0 for one that never was."""
        return struct.unpack_from(f"<{self._processes}q", self._memory, len(_MAGIC))

    # ---- rows, under the lock ----------------------------------------------------------------------------------------

    def find(self, digest: bytes) -> int | None:
        """Where the row of an account is."""
        start = self._set(digest)
        end = start + self._set_size
        at = self._memory.find(digest, start, end)
        while at != -1 and (at - start) % self._row.size:  # the same bytes by chance in the middle of a row
            at = self._memory.find(digest, at + 1, end)
        return None if at == -1 else at

    def make(self, digest: bytes, now: int) -> int:
        """Where the row of an account that has none may be written."""
        start = self._set(digest)
        offsets = range(start, start + self._set_size, self._row.size)
        rows = [(self.read(offset), offset) for offset in offsets]
        for row, offset in rows:
            if row[UNUSED_AT] <= now and not any(row[PLACES:]):
                return offset
        return min(rows, key=lambda each: (any(each[0][PLACES:]), each[0][UNUSED_AT]))[1]

    def read(self, offset: int) -> Row:
        """A row."""
        return list(self._row.unpack_from(self._memory, offset))

    def write(self, offset: int, row: Row) -> None:
        """Writes a row whole."""
        self._row.pack_into(self._memory, offset, *row)

    def new(self, digest: bytes, now: int) -> Row:
        """The row of an account of which nothing is used."""
        return [digest, now, now, 0, 0, 0, *self._nowhere]

    def _set(self, digest: bytes) -> int:
        return self._header + int.from_bytes(digest[:4]) % self._sets * self._set_size


def _allocate(fd: int, size: int) -> None:
    if os.fstat(fd).st_size >= size:
        return
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)  # else a full disk would be a bus error on some later day
    else:
        os.ftruncate(fd, size)
