"""The statements of the ledger's hot path, as `storage.statements` wants them."""

from typing import Final

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
