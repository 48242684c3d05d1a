"""Which requests workers have begun, so that one that a worker died of, or with, is never begun again.

The edge sends a request anew when its worker goes away without an answer. That is right for one that only lay in the dead
worker's socket, and wrong for one that was begun: a provider may have been asked, and paid, and it may be the very request
that kills workers. The edge gives each request an id of its own; a worker notes those it begins in a file beside its socket, in
memory shared with the workers that come after it.
"""

import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import Final

EDGE_ID: Final = "x-edge-id"  # the edge's own id of the request, the same at every attempt
ATTEMPT: Final = "x-envoy-attempt-count"

_ENTRIES: Final = 1 << 14  # begun within the seconds that the edge tries for, even at thousands a second
_WIDTH: Final = 16  # bytes of a UUID
_SUFFIX: Final = ".journal"


class Journal:
    """The notes of one worker; those of the others are in the same folder."""

    def __init__(self, socket: Path) -> None:
        """Opens or makes the file of the worker on `socket`, and keeps what one before it has noted there."""
        self._folder = socket.parent
        path = socket.with_suffix(_SUFFIX)
        with path.open("ab") as file:
            file.truncate(_ENTRIES * _WIDTH)
        with path.open("r+b") as file:
            self._notes = mmap.mmap(file.fileno(), 0)
        self._next = 0

    def begin(self, metadata: Iterable[tuple[str, str | bytes]]) -> bool:
        """Notes a request by its metadata. False: it was begun before. One that did not come from the edge always may."""
        id, attempt = b"", "1"
        for name, value in metadata:
            if name == EDGE_ID:
                id = bytes.fromhex(str(value).replace("-", ""))
            elif name == ATTEMPT:
                attempt = str(value)
        if not id:
            return True
        if attempt != "1" and self._begun(id):
            return False
        at = self._next % _ENTRIES * _WIDTH
        self._notes[at : at + _WIDTH] = id
        self._next += 1
        return True

    def _begun(self, id: bytes) -> bool:
        return any(id in path.read_bytes() for path in self._folder.glob(f"*{_SUFFIX}"))
