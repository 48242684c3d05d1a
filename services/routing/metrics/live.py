"""The live metrics of one process: recorded attempt by attempt, read by routing."""

from collections import deque
from collections.abc import Callable
from typing import Final

from services.routing.metric import Metric
from services.routing.metrics.bucket import Key, Observation, Row, check
from services.routing.metrics.levels import MINUTE, window
from services.routing.metrics.series import Series
from services.routing.metrics.window import Window

KEYS_MAX: Final = 1000
"""Most keys that are remembered; beyond, the one least recently measured is forgotten."""

OUTBOX_MAX: Final = 20_000
"""Most rows that wait to be taken; beyond, the oldest are never shared. An hour of 300 busy keys."""

WINDOWS_MAX: Final = 2000
FRESH_S: Final = 3.0
FRESH_LONGEST_S: Final = 60.0


class LiveMetrics:
    """What attempts were like, per model, provider and region. Not for several threads.

    A read may be older than the last record by `FRESH_S` (a 300th of the interval, if that is longer; a minute at most).
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """`clock`: seconds since 1970."""
        self._clock = clock
        self._series: dict[Key, Series] = {}
        self._offers: dict[tuple[str, str], dict[str, Series]] = {}
        self._closed: deque[tuple[Key, Series]] = deque()
        self._outbox: deque[Row] = deque(maxlen=OUTBOX_MAX)
        self._windows: dict[tuple[str, str, str | None, int], tuple[float, Window]] = {}

    def record(self, key: Key, seen: Observation) -> None:
        """Counts an attempt that ended now."""
        minute = int(self._clock() // MINUTE) * MINUTE
        series = self._series.get(key)
        if series is None or series.minute != minute:
            series = self._turn(key, minute)
        series.open.add(seen)

    def view(self) -> "HealthView":
        """What is known now, for one plan."""
        return HealthView(self, self._clock())

    def window(self, model: str, provider: str, region: str | None, interval_s: int, now: float) -> Window | None:
        """The last `interval_s` seconds of an offer, of all its regions when none is given. None: never measured."""
        wanted = (model, provider, region, interval_s)
        cached = self._windows.get(wanted)
        if cached is not None and now < cached[0]:
            return cached[1]
        regions = self._offers.get((model, provider), {})
        chosen = list(regions.values()) if region is None else [regions[region]] if region in regions else []
        if not chosen:
            return None
        level, start = window(interval_s, now)
        parts = [part for series in chosen for part in series.since(level, start)]
        fresh_s = min(FRESH_LONGEST_S, max(FRESH_S, interval_s / 300))
        if len(self._windows) >= WINDOWS_MAX:
            self._windows.clear()
        self._windows[wanted] = now + fresh_s, (made := Window(parts, now - start))
        return made

    def close(self, *, everything: bool = False) -> None:
        """Closes the minutes that are over; with `everything`, the running one too."""
        minute = int(self._clock() // MINUTE) * MINUTE
        for key, series in self._series.items():
            if (everything or series.minute != minute) and series.turn(minute):
                self._closed.append((key, series))

    def fold(self) -> bool:
        """Folds one closed minute into the history and the outbox (some 100 µs). False: none is left."""
        if not self._closed:
            return False
        key, series = self._closed.popleft()
        start, bucket = series.fold()
        self._outbox.append(Row(0, start, key, bucket))
        return True

    def take(self, most: int) -> list[Row]:
        """The oldest rows that are to be shared. They are the caller's now."""
        return [self._outbox.popleft() for _ in range(min(most, len(self._outbox)))]

    def merge(self, row: Row) -> None:
        """Adds a bucket from elsewhere. Raises `msgspec.DecodeError` for what is no bucket."""
        check(row.bucket)
        (self._series.get(row.key) or self._new(row.key)).add(row.level, row.start, row.bucket)

    def forget(self) -> None:
        """Forgets all that is folded, to be loaded anew."""
        for series in self._series.values():
            series.forget()
        self._windows.clear()

    def prune(self) -> None:
        """Forgets what no window can reach any more."""
        now = self._clock()
        for key in [key for key, series in self._series.items() if not series.prune(now)]:
            self._drop(key)
        self._windows = {wanted: cached for wanted, cached in self._windows.items() if now < cached[0]}

    def _turn(self, key: Key, minute: int) -> Series:
        series = self._series.pop(key, None)
        if series is None:
            series = self._new(key)
        else:
            self._series[key] = series  # to the end: the least recently measured one is first
        if series.turn(minute):
            self._closed.append((key, series))
            if series.overdue:
                self.fold()
        return series

    def _new(self, key: Key) -> Series:
        if len(self._series) >= KEYS_MAX:
            self._drop(next(iter(self._series)))
        series = self._series[key] = Series()
        self._offers.setdefault((key.model, key.provider), {})[key.region] = series
        return series

    def _drop(self, key: Key) -> None:
        del self._series[key]
        regions = self._offers[key.model, key.provider]
        del regions[key.region]
        if not regions:
            del self._offers[key.model, key.provider]


class HealthView:
    """What is known at one moment. The same question gets the same answer within `FRESH_S`."""

    def __init__(self, metrics: LiveMetrics, now: float) -> None:
        self._metrics = metrics
        self._now = now

    def value(
        self, model: str, provider: str, metric: Metric, interval_s: int, *, region: str | None = None
    ) -> float | None:
        """A live metric of an offer over the last `interval_s` seconds; None when nothing was measured."""
        window = self._metrics.window(model, provider, region, interval_s, self._now)
        return None if window is None else window.value(metric)
