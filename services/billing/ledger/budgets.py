"""Limits of spending in a period, for an organisation, a team, a user or a key. On a connection, in its transaction."""

import secrets
from collections.abc import Sequence
from typing import Final, get_args

import msgspec
import sqlalchemy as sa

from services.billing.ledger.tables import budgets, spend_events
from services.billing.periods import PERIODS, Period, day_of, end_of, start_of
from services.billing.usage_tables import usage_daily
from services.errors import InvalidRequest, NotFound

THRESHOLDS: Final = (80, 100)
"""Per cent of a budget that are told when nobody says which."""

_COLUMNS: Final = {"org": "org_id", "team": "team_id", "user": "user_id", "key": "key_id"}
LIMIT_MAX: Final = 10**18


class BudgetState(msgspec.Struct, frozen=True):
    """A budget now. spent, held: in the present period. refreshes_ms: when the next begins; None: never."""

    scope: str
    period: Period
    limit: int
    thresholds: list[int]
    period_start_ms: int
    spent: int
    held: int
    refreshes_ms: int | None


class SpendEvent(msgspec.Struct, frozen=True):
    """A budget has reached `percent` of its limit."""

    id: str
    created_ms: int
    scope: str
    period: Period
    period_start_ms: int
    percent: int
    spent: int
    limit: int


def put(
    connection: sa.Connection,
    scope: str,
    period: Period,
    limit: int,
    *,
    now_ms: int,
    thresholds: Sequence[int] = THRESHOLDS,
) -> BudgetState:
    """Sets the budget of a scope for a period (one each). What the period has used already counts. Raises `InvalidRequest`.

    scope: `org:…`, `team:…`, `user:…` or `key:…`. limit: nano-dollars. thresholds: per cent at which an event is recorded.
    """
    _check(scope, period, limit, thresholds)
    values = {"limit_nano": limit, "thresholds": ",".join(map(str, sorted(set(thresholds))))}
    mine = (budgets.c.scope == scope, budgets.c.period == period)
    if connection.execute(sa.update(budgets).where(*mine).values(values)).rowcount == 0:
        start = start_of(period, now_ms)
        _add(connection, scope, period, start, _used(connection, scope, start), now_ms, values)
    return next(state for state in of(connection, [scope], now_ms) if state.period == period)


def inherit(connection: sa.Connection, scope: str, heir: str, *, now_ms: int) -> None:
    """Gives another scope the same budgets, as far used as these are. It must have none of its own."""
    rows = connection.execute(sa.select(budgets).where(budgets.c.scope == scope)).all()
    for row in rows:
        state = _state(row, now_ms)
        values = {"limit_nano": row.limit_nano, "thresholds": row.thresholds}
        _add(connection, heir, state.period, state.period_start_ms, state.spent, now_ms, values)


def delete(connection: sa.Connection, scope: str, period: Period) -> bool:
    """Takes a budget away. False: there was none."""
    gone = sa.delete(budgets).where(budgets.c.scope == scope, budgets.c.period == period)
    return connection.execute(gone).rowcount > 0


def of(connection: sa.Connection, scopes: Sequence[str], now_ms: int) -> list[BudgetState]:
    """The budgets of scopes, as they are now."""
    rows = connection.execute(sa.select(budgets).where(budgets.c.scope.in_(scopes)).order_by(budgets.c.id))
    return [_state(row, now_ms) for row in rows]


def events(
    connection: sa.Connection, scopes: Sequence[str], *, limit: int = 100, after: str | None = None
) -> list[SpendEvent]:
    """The latest events of scopes, newest first. after: the id of the last one seen. Raises `NotFound`."""
    order = spend_events.c.created_ms, spend_events.c.percent, spend_events.c.id
    of_scopes = spend_events.c.scope.in_(scopes)
    query = sa.select(spend_events).where(of_scopes)
    if after is not None:
        last = connection.execute(sa.select(*order).where(of_scopes, spend_events.c.id == after)).one_or_none()
        if last is None:
            raise NotFound(f"There is no event {after[:60]}.")
        query = query.where(sa.tuple_(*order) < tuple(last))
    rows = connection.execute(query.order_by(*(column.desc() for column in order)).limit(limit))
    return [SpendEvent(*row) for row in rows]


def _add(
    connection: sa.Connection,
    scope: str,
    period: Period,
    start: int,
    spent: int,
    now_ms: int,
    values: dict[str, object],
) -> None:
    own = {"scope": scope, "period": period, "period_start_ms": start, "spent": spent, "created_ms": now_ms}
    connection.execute(sa.insert(budgets).values(id=f"{scope}/{period}/{secrets.token_hex(6)}", **own, **values))


def _state(row: sa.Row[tuple[object, ...]], now_ms: int) -> BudgetState:
    start = max(start_of(row.period, now_ms), row.period_start_ms)
    current = start == row.period_start_ms
    return BudgetState(
        scope=row.scope,
        period=row.period,
        limit=row.limit_nano,
        thresholds=[int(percent) for percent in row.thresholds.split(",") if percent],
        period_start_ms=start,
        spent=row.spent if current else 0,
        held=row.held if current else 0,
        refreshes_ms=end_of(row.period, now_ms),
    )


def _used(connection: sa.Connection, scope: str, start_ms: int) -> int:
    """What a scope has used since the start of a period: periods begin at midnight, as the daily sums do."""
    kind, _, id_ = scope.partition(":")
    query = sa.select(sa.func.coalesce(sa.func.sum(usage_daily.c.cost), 0)).where(
        usage_daily.c[_COLUMNS[kind]] == id_, usage_daily.c.day >= day_of(start_ms)
    )
    return int(connection.execute(query).scalar_one())


def _check(scope: str, period: str, limit: int, thresholds: Sequence[int]) -> None:
    if scope.partition(":")[0] not in _COLUMNS or not scope.partition(":")[2]:
        raise InvalidRequest(f"{scope!r} names no organisation, team, user or key.", param="scope")
    if period not in PERIODS:
        raise InvalidRequest(f"A period is one of {', '.join(get_args(Period))}.", param="period")
    if not 0 <= limit <= LIMIT_MAX:
        raise InvalidRequest("A limit is between nothing and a billion dollars.", param="limit")
    if not all(1 <= percent <= 100 for percent in thresholds) or len(thresholds) > 20:
        raise InvalidRequest(
            "Thresholds are at most 20 numbers between 1 and 100, per cent of the limit.", param="thresholds"
        )
