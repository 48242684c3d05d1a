"""Whether the database is there, as its writer finds it: for those who need not try, and for the log, once each way."""

from time import monotonic
from typing import Final

import structlog

AWAY_AFTER_S: Final = 1.0
"""Of failing: shorter than that is a restart or a change of the primary, which is worth waiting for."""

STUCK_AFTER_S: Final = 3.0
"""How long a transaction may take."""

_log = structlog.get_logger("storage")


class Presence:
    """Told by the writing thread, asked by others."""

    def __init__(self) -> None:
        self._trying_since: float | None = None
        self._failing_since: float | None = None
        self._said_away = False

    def begin(self) -> None:
        """Something is being written from now on."""
        self._trying_since = monotonic()

    def end(self) -> None:
        """And no longer, however it ended."""
        self._trying_since = None

    def failed(self, why: str) -> None:
        """The database did not do it."""
        if self._failing_since is None:
            self._failing_since = monotonic()
        self._say(why)

    def worked(self) -> None:
        """The database did it."""
        self._trying_since = self._failing_since = None
        if self._said_away:
            self._said_away = False
            _log.warning("database available again")

    @property
    def away(self) -> bool:
        """Whether it has been away for a while, and somebody is finding out about it: one who waits is enough."""
        trying, failing, now = self._trying_since, self._failing_since, monotonic()
        if trying is None:
            return False
        if now - trying > STUCK_AFTER_S:
            self._say(f"a transaction has taken {STUCK_AFTER_S:g} seconds")
            return True
        return failing is not None and now - failing > AWAY_AFTER_S

    def _say(self, why: str) -> None:
        if not self._said_away:
            self._said_away = True
            _log.warning("database not available", error=why)
