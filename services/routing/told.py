"""Until when providers asked to be left alone (`Retry-After`), as all workers of one machine know it: a table they share.

A row stands where the digest of its circuit says, and of two that fall on one place the later time stands: that lets a target
rest for a while that nobody knows of here, never the other way round. Nobody locks: a row is written in one go.
"""

import mmap
import os
import struct
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

_ROW: Final = struct.Struct("<8sd")
_ROWS: Final = 4096
_SIZE: Final = _ROWS * _ROW.size
_REMEMBERED_MAX: Final = 10_000


class Told:
    """The table. One object per process; `file` is the same for all that share it, and made if it is not there."""

    def __init__(self, file: Path) -> None:
        """Raises `OSError` where there is no room for it."""
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(descriptor).st_size < _SIZE:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(descriptor, 0, _SIZE)  # else a full disk would be a bus error later
                else:
                    os.ftruncate(descriptor, _SIZE)
            self._memory = mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)

    def until(self, offer: str, scope: str) -> float:
        """Unix time until which nobody may ask; 0.0: nobody has been told anything."""
        place, digest = _place(offer, scope)
        found, until = _ROW.unpack_from(self._memory, place)
        return until if found == digest else 0.0

    def note(self, offer: str, scope: str, until: float) -> None:
        """Somebody was told to wait until then."""
        place, digest = _place(offer, scope)
        if until > _ROW.unpack_from(self._memory, place)[1]:
            _ROW.pack_into(self._memory, place, digest, until)


@lru_cache(maxsize=_REMEMBERED_MAX)
def _place(offer: str, scope: str) -> tuple[int, bytes]:
    digest = blake2b(f"{offer}\0{scope}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "little") % _ROWS * _ROW.size, digest
