"""The buckets of one machine: those of all of its workers, exact, without a server and without waiting for one.

A request that is under way holds a place in the row of its accounts, in the column of its process. A process that dies
stops its heartbeat, and its column stops counting a few seconds later: no place is lost for good.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import structlog

from services.limits.accounts import Account
from services.limits.buckets import PARTS, Charge, drained, fits, full_in_ms
from services.limits.standing import Taken
from services.limits.table import AT, PLACES, UNUSED_AT, USED, Row, Table

BEAT_S: Final = 1.0
DEAD_AFTER_MS: Final = 5000

_LOCK_TRIES: Final = 100
_LOCK_AGAIN_S: Final = 0.0005
_PLACES_MAX: Final = (1 << 16) - 1
_SEEN_MAX: Final = 100_000
_LONG_AGO: Final = 1

_log = structlog.get_logger("limits")


class Change(NamedTuple):
    """What is given back to an account: less than nothing is a debt. leaves: a place comes free too."""

    account: Account
    back: Charge
    leaves: bool


class Seen(NamedTuple):
    """What was used of an account elsewhere: at what time, of which limits."""

    at: int
    used: tuple[int, int, int]
    limits: tuple[int, int, int, int]


class LocalStore:
    """Buckets in a table. `clock`: milliseconds since 1970."""

    def __init__(self, table: Table, clock: Callable[[], int], *, dead_after_ms: int = DEAD_AFTER_MS) -> None:
        self._table = table
        self._clock = clock
        self._dead_after_ms = dead_after_ms
        self._owed: list[Change] = []
        self._seen: dict[bytes, Seen] = {}
        self._closed = False
        while not table.try_lock():
            pass  # at the start, when no request waits
        self._process = table.claim(clock(), dead_after_ms=dead_after_ms)
        table.unlock()

    def beat(self) -> None:
        """Says that this process lives: to be called every `BEAT_S`."""
        self._table.beat(self._process, self._clock())

    def see(self, accounts: Sequence[Account], taken: Taken) -> None:
        """What the shared buckets have said: where they stand is where these begin, should those not answer the next time."""
        if len(self._seen) >= _SEEN_MAX:
            self._seen.clear()
        now = self._clock()
        for account, used in zip(accounts, taken.used, strict=True):
            self._seen[account.digest] = Seen(now, used, account.limits)

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
        """Gives back. At once, or when whoever has the table now lets go of it; not any more once it is closed."""
        if self._closed:
            return
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
        self._closed = True
        self._table.beat(self._process, _LONG_AGO)
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
        requests, input, output = charge
        found: list[tuple[int | None, Row]] = []
        places: list[int] = []
        admitted = True
        for account in accounts:
            one, two, three, most = account.limits
            offset, row = self._row(account, now)
            found.append((offset, row))
            there = self._living(row, now) if most >= 0 else 0
            places.append(there)
            if (
                not fits(row[USED], requests, one)
                or not fits(row[USED + 1], input, two)
                or not fits(row[USED + 2], output, three)
                or 0 <= most <= there
            ):
                admitted = False
        if admitted:
            for index, (account, (offset, row)) in enumerate(zip(accounts, found, strict=True)):
                self._write(account, offset, row, charge, 1)
                if account.limits[3] >= 0:
                    places[index] += 1
        return Taken(admitted, [(row[USED], row[USED + 1], row[USED + 2]) for _, row in found], places)

    def _pay(self) -> None:
        """Under the lock: gives back what is owed."""
        if not self._owed:
            return
        now = self._clock()
        owed, self._owed = self._owed, []
        for account, (requests, input, output), leaves in owed:
            offset, row = self._row(account, now)
            self._write(account, offset, row, (-requests, -input, -output), -int(leaves))

    def _row(self, account: Account, now: int) -> tuple[int | None, Row]:
        """The row of an account and where it is, with what is still used by now."""
        offset = self._table.find(account.digest)
        if offset is None:
            row = self._table.new(account.digest, now)
            if self._seen:
                self._continue(account, row, now)
            return None, row
        row = self._table.read(offset)
        elapsed = now - row[AT]
        one, two, three, _ = account.limits
        row[AT] = now
        row[USED] = drained(row[USED], one, elapsed)
        row[USED + 1] = drained(row[USED + 1], two, elapsed)
        row[USED + 2] = drained(row[USED + 2], three, elapsed)
        if self._seen:
            self._continue(account, row, now)
        return offset, row

    def _continue(self, account: Account, row: Row, now: int) -> None:
        """No less is used than elsewhere: of a share of the limit, the same part."""
        seen = self._seen.get(account.digest)
        if seen is None:
            return
        for kind in (0, 1, 2):
            limit, whole = account.limits[kind], seen.limits[kind]
            if limit > 0 and whole > 0:
                used = drained(seen.used[kind], whole, now - seen.at) * limit // whole
                row[USED + kind] = max(row[USED + kind], used)

    def _write(self, account: Account, offset: int | None, row: Row, charge: Charge, come: int) -> None:
        """Charges a row (what is given back is charged with less than nothing) and puts it where it belongs."""
        now: int = row[AT]
        unused = 0
        for kind, limit, amount in zip((USED, USED + 1, USED + 2), account.limits, charge, strict=False):
            if limit <= 0:
                continue
            used = row[kind] + amount * PARTS
            if used > 0:
                unused = max(unused, full_in_ms(used, limit))
                row[kind] = used
            else:
                row[kind] = 0
        row[UNUSED_AT] = now + unused
        if account.limits[3] >= 0:
            mine = PLACES + self._process
            row[mine] = min(_PLACES_MAX, max(0, row[mine] + come))
        self._table.write(self._table.make(account.digest, now) if offset is None else offset, row)

    def _living(self, row: Row, now: int) -> int:
        """How many requests are under way, in processes that live."""
        places = row[PLACES:]
        if not any(places):
            return 0
        beats = self._table.beats()
        return sum(
            number
            for process, number in enumerate(places)
            if number and (process == self._process or now - beats[process] <= self._dead_after_ms)
        )
