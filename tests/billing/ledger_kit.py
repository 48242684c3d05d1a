"""Ledgers for tests, and what must be true of each."""

import json
from dataclasses import dataclass

import sqlalchemy as sa

from services.billing.ledger.operations import HOUSE, Release, Reserve, Settle
from services.billing.ledger.tables import accounts, budgets, holds, transfers
from services.billing.usage_tables import COUNTS, usage, usage_daily

NOON_MS = 1_795_435_200_000  # 2026-11-23 12:00 UTC, a Monday
DAY_MS = 86_400_000
CENT = 10**7


@dataclass
class Clock:
    """Milliseconds since 1970, moved by the test."""

    ms: int = NOON_MS

    def __call__(self) -> float:
        return self.ms / 1000


def reserve(
    id: str, want: int, *, account: str = "org:a", scopes: tuple[str, ...] = (), now: int = NOON_MS, **other
) -> Reserve:
    """A fixed order, unless `flexible` says otherwise."""
    fields = {"least": want, "minimum": want, "flexible": False, "lease": "l", "expires_ms": now + 60_000} | other
    return Reserve(id, account, scopes, "key_1", want, description="API usage - m", now_ms=now, **fields)


def settle(
    id: str,
    amount: int,
    *,
    account: str = "org:a",
    scopes: tuple[str, ...] = (),
    began: int = NOON_MS,
    now: int = NOON_MS,
) -> Settle:
    """A bill of so much, with its usage."""
    who = (account.removeprefix("org:"), "", "", "key_1")
    row = (
        id,
        began,
        *who,
        "responses",
        "m",
        "p",
        "m",
        *(1,) * 7,
        "",
        amount,
        "{}",
        "v",
        False,
        "completed",
        True,
        1,
        5,
        9,
        "",
    )
    daily = (("2026-11-23", *who, "p", "m"), (1, 0, 0, 0, *(1,) * 7, amount))
    return Settle(id, account, scopes, "key_1", amount, "API usage - m", began, now, row, daily)


def release(id: str, *, account: str = "org:a", now: int = NOON_MS, expired: bool = False) -> Release:
    return Release(id, account, now, "expired" if expired else "")


def check(connection: sa.Connection) -> None:
    """The books balance: sums of transfers, holds and usage are what accounts, budgets and days say."""
    moved: dict[str, int] = {}
    for row in connection.execute(sa.select(transfers)):
        if row.kind not in ("hold", "void"):
            moved[row.debit] = moved.get(row.debit, 0) - row.amount
            moved[row.credit] = moved.get(row.credit, 0) + row.amount
    held: dict[str, int] = {}
    reserved: dict[tuple[str, int], int] = {}
    for row in connection.execute(sa.select(holds)):
        held[row.account] = held.get(row.account, 0) + row.amount
        for place in json.loads(row.budgets).items():
            reserved[place] = reserved.get(place, 0) + row.amount
    rows = connection.execute(sa.select(accounts)).all()
    assert {row.id: row.balance for row in rows if row.balance} == {id: sum_ for id, sum_ in moved.items() if sum_}
    assert {row.id: row.held for row in rows if row.held} == held
    assert sum(row.balance for row in rows) == 0
    for row in rows:
        if row.metered:
            assert row.balance >= row.held >= 0, row
    for row in connection.execute(sa.select(budgets)):
        assert row.spent >= 0
        assert row.held == reserved.get((row.id, row.period_start_ms), 0), row
    closed = sa.select(transfers.c.response_id, sa.func.count()).where(transfers.c.kind.in_(("capture", "void")))
    for response_id, count in connection.execute(closed.group_by(transfers.c.response_id)):
        late = connection.execute(
            sa.select(transfers).where(transfers.c.id == f"{response_id}/void", transfers.c.description == "expired")
        ).all()
        assert count <= 1 + len(late), f"{response_id} was closed twice"
    totals = [sa.func.coalesce(sa.func.sum(usage.c[name]), 0) for name in (*COUNTS, "cost")]
    sums = [sa.func.coalesce(sa.func.sum(usage_daily.c[name]), 0) for name in (*COUNTS, "cost")]
    assert connection.execute(sa.select(sa.func.count(), *totals).select_from(usage)).one() == (
        connection.execute(sa.select(sa.func.coalesce(sa.func.sum(usage_daily.c.requests), 0), *sums)).one()
    )
    assert set(HOUSE) <= {row.id for row in rows}
