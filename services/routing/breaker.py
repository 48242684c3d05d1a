"""A circuit breaker per offer and credential: keeps calls away from what is known to fail.

closed → open: after `FAILURES_IN_A_ROW`, or when at least half of the last attempts failed, or at once when the provider
says how long to wait. open → half-open: when the wait is over; then one attempt at a time is let through, a probe. It
succeeds: closed. It fails: open again, for twice as long. Nothing else is let through, whoever asks
(docs/decisions/0018). Counted is every attempt, first or fallback (a breaker that counts only first attempts keeps dead
endpoints in rotation), and nothing is counted in advance.
"""

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from functools import partial
from math import inf
from random import Random
from typing import Final, NamedTuple

from services.adapters.dialect import Kind
from services.routing.told import Told

FAILURES_IN_A_ROW: Final = 5
"""So many opens the breaker: with one attempt in ten failing by chance, one run of five in 100,000 attempts."""

WINDOW_S: Final = 30.0
WINDOW_ATTEMPTS: Final = 20
WINDOW_ATTEMPTS_MIN: Final = 10
FAILURE_SHARE: Final = 0.5
"""Of the last `WINDOW_ATTEMPTS` within `WINDOW_S`, if they are at least `WINDOW_ATTEMPTS_MIN`: so many failed opens it."""

PROBE_INTERVAL_S: Final = 2.0
PROBE_INTERVAL_MAX_S: Final = 30.0
"""The longest wait between probes: the first interval doubles with each probe that fails. Each wait is jittered down to
half of it, so that the workers of a gateway do not probe together, and recovery is seen within one interval."""

PROBE_LEASE_S: Final = 60.0
"""A probe that has not reported for so long is taken for lost, and another one is let through."""

RETRY_AFTER_JITTER_S: Final = 1.0
"""What the provider asks to wait is never shortened, only lengthened by up to this."""

BREAKERS_MAX: Final = 10_000


class State(Enum):
    """Whether calls are let through: all, none, or one at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


def _nobody(until: float) -> None:
    pass


class Breaker:
    """One breaker. Times are seconds of one clock, given with each call. tell: hears until when the provider asks to wait."""

    def __init__(self, random: Random, tell: Callable[[float], None] = _nobody) -> None:
        self._random = random
        self._tell = tell
        self._recent: deque[tuple[float, bool]] = deque(maxlen=WINDOW_ATTEMPTS)  # when, and whether it failed
        self._in_a_row = 0
        self._interval = PROBE_INTERVAL_S
        self._open_until: float | None = None  # None: closed
        self._told_until = 0.0
        self._probe: Attempt | None = None
        self.why: Kind | None = None
        """What it was last opened for."""

    def state(self, now: float) -> State:
        """The state. Looking changes nothing."""
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if now < self._open_until else State.HALF_OPEN

    def wait(self, now: float) -> float:
        """Seconds until an attempt may be let through; 0: now. Only a guess while a probe is under way."""
        if self._open_until is None:
            return 0.0
        wait = max(0.0, self._open_until - now)
        probing = self._probe is not None and now - self._probe.at < PROBE_LEASE_S
        return max(wait, self._interval) if probing else wait

    def allow(self, now: float) -> "Attempt | None":
        """An attempt, to be reported back whatever becomes of it; None when there must be none."""
        if self.wait(now) > 0:
            return None
        attempt = Attempt(self, now, probing=self._open_until is not None)
        if attempt.probing:
            self._probe = attempt
        return attempt

    def idle(self, now: float) -> bool:
        """Whether nothing is lost when this breaker is forgotten."""
        if self._open_until is not None:
            return now - self._open_until > PROBE_LEASE_S + PROBE_INTERVAL_MAX_S
        return not self._recent or now - self._recent[-1][0] > WINDOW_S

    def _succeeded(self, attempt: "Attempt", now: float) -> None:
        if attempt is self._probe:
            self._probe = None
            if now >= self._told_until:  # else another attempt that was under way has been told to wait
                self._close()
        if self._open_until is None:
            self._in_a_row = 0
            self._recent.append((now, False))

    def _failed(self, attempt: "Attempt", kind: Kind, retry_after: float | None, now: float) -> None:
        probed = attempt is self._probe
        if probed:
            self._probe = None
        if retry_after is not None:
            self._told_until = max(self._told_until, now + retry_after)
            self._tell(self._told_until)
            self._open(now + retry_after + self._random.uniform(0, RETRY_AFTER_JITTER_S), kind)
        if kind is Kind.CALLER or (probed and kind is Kind.RATE_LIMITED and retry_after is not None):
            return  # one that limits and says when is asked then; only what is broken is asked less and less
        if probed:
            self._interval = min(2 * self._interval, PROBE_INTERVAL_MAX_S)
            self._open(now + self._jittered(), kind)
        elif self._open_until is None:
            self._in_a_row += 1
            self._recent.append((now, True))
            if self._too_many(now):
                self._open(now + self._jittered(), kind)

    def _abandoned(self, attempt: "Attempt") -> None:
        if attempt is self._probe:
            self._probe = None

    def _too_many(self, now: float) -> bool:
        if self._in_a_row >= FAILURES_IN_A_ROW:
            return True
        recent = [failed for at, failed in self._recent if now - at <= WINDOW_S]
        return len(recent) >= WINDOW_ATTEMPTS_MIN and sum(recent) >= FAILURE_SHARE * len(recent)

    def _open(self, until: float, kind: Kind) -> None:
        self.why = kind
        self._open_until = until if self._open_until is None else max(self._open_until, until)

    def _close(self) -> None:
        self._open_until = None
        self._interval = PROBE_INTERVAL_S
        self._recent.clear()

    def _jittered(self) -> float:
        return self._interval * self._random.uniform(0.5, 1)


class Attempt:
    """Leave to ask a provider once, to be reported back; `abandoned` in a `finally` is always right.

    An answer that began and then broke counts as both: as begun and as failed.
    """

    __slots__ = ("_began", "_breaker", "_over", "at", "probing")

    def __init__(self, breaker: Breaker, at: float, *, probing: bool = False) -> None:
        self._breaker = breaker
        self._began = False
        self._over = False
        self.at = at
        """When it was let through."""
        self.probing = probing
        """Whether it is to show that the provider works again."""

    def succeeded(self, now: float) -> None:
        """The provider answers: at its first content, or when the answer is there."""
        if not (self._began or self._over):
            self._began = True
            self._breaker._succeeded(self, now)  # noqa: SLF001 - an attempt is the breaker's other half

    def failed(self, kind: Kind, retry_after: float | None, now: float) -> None:
        """The provider failed. `retry_after`: seconds it asks to wait, which opens the breaker for that long."""
        if not self._over:
            self._over = True
            self._breaker._failed(self, kind, retry_after, now)  # noqa: SLF001 - as above

    def abandoned(self) -> None:
        """Nothing more will be heard: it is over, the caller left, or it was never made."""
        if not self._over:
            self._over = True
            self._breaker._abandoned(self)  # noqa: SLF001 - as above


class Circuit(NamedTuple):
    """What a breaker is for. scope: the credential used (its fingerprint); another caller's own key fails on its own."""

    offer: str
    scope: str


class Breakers:
    """The breakers of one process, made when they are first needed, forgotten when they are idle and many.

    told: what other processes were told to wait is kept here, too. Times then are Unix seconds.
    """

    def __init__(self, random: Random, told: Told | None = None) -> None:
        self._random = random
        self._told = told
        self._breakers: dict[Circuit, Breaker] = {}

    def of(self, circuit: Circuit, now: float) -> Breaker:
        """The breaker of an offer and credential."""
        breaker = self._breakers.get(circuit)
        if breaker is None:
            if len(self._breakers) >= BREAKERS_MAX:
                self._sweep(now)
            tell = _nobody if self._told is None else partial(self._told.note, *circuit)
            breaker = self._breakers[circuit] = Breaker(self._random, tell)
        return breaker

    def allow(self, circuit: Circuit, now: float) -> Attempt | None:
        """As `Breaker.allow`."""
        if self._told is not None and self._told.until(*circuit) > now:
            return None
        return self.of(circuit, now).allow(now)

    def wait(self, circuit: Circuit, now: float) -> float:
        """Seconds until an attempt may be let through; 0: now. For planning: it makes no breaker."""
        breaker = self._breakers.get(circuit)
        wait = 0.0 if breaker is None else breaker.wait(now)
        return wait if self._told is None else max(wait, self._told.until(*circuit) - now)

    def why(self, circuit: Circuit) -> Kind | None:
        """What it was last opened for; None: it never was."""
        breaker = self._breakers.get(circuit)
        return None if breaker is None else breaker.why

    def soonest(self, circuits: Iterable[Circuit], now: float) -> float:
        """Seconds until an attempt at any of them may be let through; infinite for none of them."""
        return min((self.wait(each, now) for each in circuits), default=inf)

    def _sweep(self, now: float) -> None:
        self._breakers = {circuit: breaker for circuit, breaker in self._breakers.items() if not breaker.idle(now)}
        while len(self._breakers) > BREAKERS_MAX * 3 // 4:  # leaves room, so that not every new one sweeps
            del self._breakers[next(iter(self._breakers))]
