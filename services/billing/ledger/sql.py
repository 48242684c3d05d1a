"""The statements of the ledger's hot path, as text: compiled once by hand, they cost a third of what SQLAlchemy's do.

Written for SQLite; PostgreSQL differs in the mark for parameters, in how a list is passed, and in locking what was read.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from services.billing.usage_tables import COUNTS, usage, usage_daily

_DAILY: Final = ("requests", "failures", "byok_requests", "unpriced_requests", *COUNTS, "cost")
_DAY: Final = tuple(column.name for column in usage_daily.primary_key)

ACCOUNTS: Final = "SELECT id, metered, balance, held FROM accounts WHERE id IN (:list) ORDER BY id FOR UPDATE"
BUDGETS: Final = (
    "SELECT id, scope, period, limit_nano, thresholds, period_start_ms, spent, held, created_ms FROM budgets"
    " WHERE scope IN (:list) ORDER BY id FOR UPDATE"
)
CLOSE_HOLDS: Final = "DELETE FROM holds WHERE response_id IN (:list) RETURNING response_id, account, amount, budgets"
OPEN_HOLD: Final = (
    "INSERT INTO holds (response_id, account, amount, budgets, lease, expires_ms) VALUES (?, ?, ?, ?, ?, ?)"
)
TRANSFER: Final = (
    "INSERT INTO transfers (id, created_ms, kind, debit, credit, amount, owner, response_id, key_id, description)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
MOVE: Final = "UPDATE accounts SET balance = balance + ?, held = held + ? WHERE id = ?"
SPEND: Final = "UPDATE budgets SET period_start_ms = ?, spent = ?, held = ? WHERE id = ?"
EVENT: Final = (
    "INSERT INTO spend_events (id, created_ms, scope, period, period_start_ms, percent, spent, limit_nano)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
)
USAGE: Final = f"INSERT INTO usage ({', '.join(usage.c.keys())}) VALUES ({', '.join('?' * len(usage.c))})"  # noqa: S608
DAILY: Final = (
    f"INSERT INTO usage_daily ({', '.join((*_DAY, *_DAILY))}) VALUES ({', '.join('?' * len((*_DAY, *_DAILY)))})"  # noqa: S608
    f" ON CONFLICT ({', '.join(_DAY)}) DO UPDATE SET "
    + ", ".join(f"{name} = usage_daily.{name} + excluded.{name}" for name in _DAILY)
)


class Statements:
    """The statements on one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._postgres = connection.dialect.name == "postgresql"

    def rows(self, statement: str, values: Iterable[str]) -> Sequence[Any]:
        """What is found for a list of values; nothing for none, without asking."""
        listed = sorted(set(values))
        if not listed:
            return ()
        parameter = listed if self._postgres else json.dumps(listed)
        return self._connection.exec_driver_sql(_spelled(statement, self._postgres), (parameter,)).fetchall()

    def run(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """The statement for each row."""
        if rows:
            self._connection.exec_driver_sql(_spelled(statement, self._postgres), rows if len(rows) > 1 else rows[0])


_spellings: dict[tuple[str, bool], str] = {}


def _spelled(statement: str, postgres: bool) -> str:
    found = _spellings.get((statement, postgres))
    if found is None:
        if postgres:
            found = statement.replace("IN (:list)", "= ANY(%s)").replace("?", "%s")
        else:
            found = statement.replace(":list", "SELECT value FROM json_each(?)").replace(" FOR UPDATE", "")
        _spellings[statement, postgres] = found
    return found
