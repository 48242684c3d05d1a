"""The buckets of one machine: those of all of its workers, exact, without a server and without waiting for one.

A request that is under way holds a place in the row of its accounts, in the column of its process. A process that dies
stops its heartbeat, and its column stops counting a few seconds later: no place is lost for good.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import structlog

from services.limits.accounts import Account
from services.limits.buckets import PARTS, UNLIMITED, Charge, drained, fits, full_in_ms
from services.limits.standing import Taken
from services.limits.table import Row, Table

BEAT_S: Final = 1.0
DEAD_AFTER_MS: Final = 5000

_LOCK_TRIES: Final = 100
_LOCK_AGAIN_S: Final = 0.0005
_PLACES_MAX: Final = (1 << 16) - 1

_log = structlog.get_logger("limits")


class Change(NamedTuple):
    """What is given back to an account: less than nothing is a debt. leaves: a place comes free too."""

    account: Account
    back: Charge
    leaves: bool


class LocalStore:
    """Buckets in a table. `clock`: milliseconds since 1970."""

    def __init__(self, table: Table, clock: Callable[[], int], *, dead_after_ms: int = DEAD_AFTER_MS) -> None:
        self._table = table
        self._clock = clock
        self._dead_after_ms = dead_after_ms
        self._owed: list[Change] = []
        while not table.try_lock():
            pass  # at the start, when no request waits
        self._process = table.claim(clock(), dead_after_ms=dead_after_ms)
        table.unlock()

    def beat(self) -> None:
        """Says that this process lives: to be called every `BEAT_S`."""
        self._table.beat(self._process, self._clock())

    async def take(self, accounts: Sequence[Account], charge: Charge) -> Taken:
        """Takes the charge and a place from all accounts, or from none."""
        locked = await self._locked()
        try:
            self._pay()
            return self._take(accounts, charge)
        finally:
            if locked:
                self._table.unlock()

    def give(self, changes: Sequence[Change]) -> None:
        """Gives back. At once, or when whoever has the table now lets go of it."""
        self._owed += changes
        if self._table.try_lock():
            try:
                self._pay()
            finally:
                self._table.unlock()
        else:
            asyncio.get_running_loop().call_later(_LOCK_AGAIN_S, self.give, ())

    def close(self) -> None:
        """Lets go of the table, and of the places that this process has in it."""
        self._table.beat(self._process, 0)
        self._table.close()

    async def _locked(self) -> bool:
        """Waits for the table, which others have for microseconds.

        Whoever has it longer is stopped or swapped out. Rather than stopping with it this process goes on without the
        lock: when the other one wakes up it may overwrite what was counted meanwhile, in the rows of one request.
        """
        for _ in range(_LOCK_TRIES):
            if self._table.try_lock():
                return True
            await asyncio.sleep(_LOCK_AGAIN_S)
        _log.warning("a process holds the table of rate limits for too long")
        return False

    def _take(self, accounts: Sequence[Account], charge: Charge) -> Taken:
        now = self._clock()
        found: list[tuple[int | None, Row | None]] = []
        used: list[tuple[int, int, int]] = []
        places: list[int] = []
        admitted = True
        for account in accounts:
            offset = self._table.find(account.digest)
            row = None if offset is None else self._table.read(offset)
            found.append((offset, row))
            one, two, three, most = account.limits
            if row is None:
                now_used, there = (0, 0, 0), 0
            else:
                elapsed = now - row.at
                first, second, third = row.used
                now_used = (drained(first, one, elapsed), drained(second, two, elapsed), drained(third, three, elapsed))
                there = self._living(row.places, now) if most >= 0 else 0
            used.append(now_used)
            places.append(there)
            if (
                not fits(now_used[0], charge[0], one)
                or not fits(now_used[1], charge[1], two)
                or not fits(now_used[2], charge[2], three)
                or 0 <= most <= there
            ):
                admitted = False
        if not admitted:
            return Taken(False, used, places)
        for index, (account, (offset, row)) in enumerate(zip(accounts, found, strict=True)):
            used[index] = _grown(account, used[index], charge)
            self._write(account, offset, row, used[index], now, 1)
            if account.limits[3] >= 0:
                places[index] += 1
        return Taken(True, used, places)

    def _pay(self) -> None:
        """Under the lock: gives back what is owed."""
        if not self._owed:
            return
        now = self._clock()
        owed, self._owed = self._owed, []
        for account, (requests, input, output), leaves in owed:
            offset = self._table.find(account.digest)
            row = None if offset is None else self._table.read(offset)
            spent = (0, 0, 0)
            if row is not None:
                elapsed = now - row.at
                one, two, three = (drained(row.used[kind], account.limits[kind], elapsed) for kind in (0, 1, 2))
                spent = (one, two, three)
            self._write(account, offset, row, _grown(account, spent, (-requests, -input, -output)), now, -int(leaves))

    def _write(
        self, account: Account, offset: int | None, row: Row | None, used: tuple[int, int, int], now: int, come: int
    ) -> None:
        if offset is None:
            offset = self._table.make(account.digest, now)
        places = list(row.places) if row is not None else self._table.nowhere()
        if account.limits[3] != UNLIMITED:
            places[self._process] = min(_PLACES_MAX, max(0, places[self._process] + come))
        unused_at = now + max(full_in_ms(used[kind], account.limits[kind]) for kind in (0, 1, 2))
        self._table.write(offset, account.digest, Row(now, unused_at, used, tuple(places)))

    def _living(self, places: Sequence[int], now: int) -> int:
        """How many requests are under way, in processes that live."""
        if not any(places):
            return 0
        beats = self._table.beats()
        return sum(
            number
            for process, number in enumerate(places)
            if number and (process == self._process or now - beats[process] <= self._dead_after_ms)
        )


def _grown(account: Account, used: tuple[int, int, int], charge: Charge) -> tuple[int, int, int]:
    """What is used after a charge, which may be less than nothing."""
    one, two, three, _ = account.limits
    return (
        max(0, used[0] + charge[0] * PARTS) if one > 0 else 0,
        max(0, used[1] + charge[1] * PARTS) if two > 0 else 0,
        max(0, used[2] + charge[2] * PARTS) if three > 0 else 0,
    )
