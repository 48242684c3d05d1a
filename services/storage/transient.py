"""Which database errors may be gone at the next try."""

import sqlite3

from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
}
_POSTGRES = (
    "08",  # connection
    "25006",  # read only: a standby that is about to become the primary
    "40",  # serialization, deadlock
    "53",  # out of disk, memory or connections
    "55P03",  # lock not available
    "57",  # cancelled, or shutting down
    "58",  # the system below
)


def is_transient(error: BaseException) -> bool:
    """Whether the database, and not the statement, failed: gone, busy, full, or a deadlock."""
    if isinstance(error, DisconnectionError | PoolTimeout | OSError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return (getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF in _SQLITE
    state = getattr(cause, "sqlstate", None)
    if state is None:  # no answer at all
        return type(cause).__name__ == "OperationalError"
    return str(state).startswith(_POSTGRES)
