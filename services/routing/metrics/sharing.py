"""Carries closed minutes between the live metrics of a process and the store, beside the requests."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final

import msgspec
import structlog

from services.routing.metrics.bucket import Row
from services.routing.metrics.live import LiveMetrics
from services.routing.metrics.sqlite_store import SqliteStore
from services.routing.metrics.store import Store

EVERY_S: Final = 3.0
COMPACT_EVERY_S: Final = 600.0
LOAD_ANEW_S: Final = 3000.0
"""After so long without reading, minutes may have been moved that were never read: all is loaded anew."""

BATCH_ROWS_MAX: Final = 1000

SLICE_S: Final = 0.002
"""How long requests may have to wait while minutes are folded or rows merged."""

_log = structlog.get_logger("metrics")


def open_store(folder: Path, redis_url: str | None, *, writer: str) -> Store:
    """Redis where it is set, else the file `metrics.db`. `writer`: an id that no other process has, or had.

    Raises `ValueError` for a URL that cannot be used, `OSError` when the file cannot be opened.
    """
    if redis_url is None:
        folder.mkdir(parents=True, exist_ok=True)
        return SqliteStore(folder / "metrics.db", writer=writer)
    try:
        from services.routing.metrics.redis_store import RedisStore  # noqa: PLC0415 - an optional dependency
    except ModuleNotFoundError as error:
        raise ValueError("REDIS_URL is set, but the Python package `redis` is not installed.") from error
    return RedisStore(redis_url, writer=writer)


class Sharing:
    """Writes what this process has measured and reads what others have.

    A kill loses what was recorded since the last write: the running minute and at most `EVERY_S` before it. Without a
    store that answers, the process goes on with what it measures itself, and writes it when the store is back.
    """

    def __init__(self, metrics: LiveMetrics, store: Store, *, clock: Callable[[], float], random: Random) -> None:
        """`clock`: seconds since 1970. `random` spreads the workers' turns."""
        self._metrics = metrics
        self._store = store
        self._clock = clock
        self._random = random
        self._batch = 1
        self._unwritten: list[Row] = []
        self._cursor = ""
        self._read_at: float | None = None
        self._compact_at = clock() + random.uniform(0, COMPACT_EVERY_S)
        self._failing = False
        self._closing = asyncio.Event()
        self._turns: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Takes turns from now on, in a task of its own."""
        self._turns = asyncio.create_task(self._run())

    async def turn(self) -> None:
        """Closes, writes, reads, and now and then tidies up. A store that fails is logged once, and tried again."""
        self._metrics.close()
        await self._fold()
        tidy = self._clock() >= self._compact_at
        if tidy:
            self._compact_at = self._clock() + COMPACT_EVERY_S * self._random.uniform(0.8, 1.2)
            self._metrics.prune()
        try:
            await self._write()
            await self._read()
            if tidy:
                await asyncio.to_thread(self._store.compact, self._clock())
        except OSError as error:
            if not self._failing:
                _log.warning("metrics are not shared", error=str(error))
            self._failing = True
        else:
            self._failing = False

    async def close(self) -> None:
        """Ends the turns, writes all that is left, the running minute too, and closes the store."""
        self._closing.set()
        if self._turns is not None:
            await self._turns  # not cancelled: a thread of it may be in the middle of a write
        self._metrics.close(everything=True)
        await self._fold()
        try:
            await self._write()
        except OSError as error:
            _log.warning("the last metrics are lost", error=str(error))
        self._store.close()

    async def _run(self) -> None:
        while not self._closing.is_set():
            try:
                await self.turn()
            except Exception:  # noqa: BLE001 - whatever is wrong with metrics, requests go on, and so does the next turn
                _log.exception("metrics are not shared")
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S * self._random.uniform(0.8, 1.2)):
                    await self._closing.wait()

    async def _fold(self) -> None:
        sliced = _Slices()
        while self._metrics.fold():
            await sliced.breathe()

    async def _write(self) -> None:
        while self._unwritten or (rows := self._metrics.take(BATCH_ROWS_MAX)):
            self._unwritten = self._unwritten or rows
            await asyncio.to_thread(self._store.append, self._batch, self._unwritten)
            self._batch, self._unwritten = self._batch + 1, []

    async def _read(self) -> None:
        now = self._clock()
        if self._read_at is None or now - self._read_at > LOAD_ANEW_S:
            read = await asyncio.to_thread(self._store.load)
            self._metrics.forget()
        else:
            read = await asyncio.to_thread(self._store.since, self._cursor)
        self._cursor, self._read_at = read.cursor, now
        await self._merge(read.rows)

    async def _merge(self, rows: Sequence[Row]) -> None:
        sliced, unreadable = _Slices(), 0
        for row in rows:
            try:
                self._metrics.merge(row)
            except msgspec.DecodeError:
                unreadable += 1
            await sliced.breathe()
        if unreadable:
            _log.warning("metrics in the store cannot be read", rows=unreadable)


class _Slices:
    """Long work in slices: lets others run when a slice is over."""

    def __init__(self) -> None:
        self._until = perf_counter() + SLICE_S

    async def breathe(self) -> None:
        if perf_counter() >= self._until:
            await asyncio.sleep(0)
            self._until = perf_counter() + SLICE_S
