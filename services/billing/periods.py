"""Periods of budgets, in UTC: a day, a week from Monday on, a calendar month, or all time."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, get_args

Period = Literal["day", "week", "month", "total"]
PERIODS: Final[tuple[Period, ...]] = get_args(Period)

MS: Final = 1000


def start_of(period: Period, at_ms: int) -> int:
    """When the period began that holds this moment, in milliseconds since 1970; 0 for all time."""
    if period == "total":
        return 0
    moment = datetime.fromtimestamp(at_ms // MS, UTC)
    midnight = moment.replace(hour=0, minute=0, second=0)
    if period == "week":
        midnight -= timedelta(days=moment.weekday())
    elif period == "month":
        midnight = midnight.replace(day=1)
    return int(midnight.timestamp()) * MS


def end_of(period: Period, at_ms: int) -> int | None:
    """When the next period begins, in milliseconds since 1970; None: never."""
    if period == "total":
        return None
    start = start_of(period, at_ms)
    if period == "month":
        return start_of("month", start + 32 * 86_400 * MS)
    return start + (86_400 if period == "day" else 7 * 86_400) * MS


def day_of(at_ms: int) -> str:
    """The day of a moment: `2026-11-23`."""
    return datetime.fromtimestamp(at_ms // MS, UTC).strftime("%Y-%m-%d")
