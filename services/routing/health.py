"""What this process knows of its targets: live metrics and circuit breakers, fed by every attempt.

A model that no row lists has no breaker: it has no other offer, and what is tried by hand on the day it appears must not be
kept away for what failed before. A refused credential counts as one failure like any other: the next key may be right.

An attempt is begun before a provider is asked and reported whatever becomes of it; `over` in a `finally` is always right.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from services.adapters.dialect import Kind
from services.catalog.schema import Target
from services.errors import GatewayError
from services.routing import breaker
from services.routing.breaker import Breakers, Circuit
from services.routing.interval import DEFAULT_S
from services.routing.metric import Metric, parse
from services.routing.metrics.bucket import Key, Observation, Outcome
from services.routing.metrics.live import LiveMetrics
from services.vocabulary.usage import Usage

_KINDS: Final = {kind.value: kind for kind in Kind}
_NOTHING: Final = Usage()
_REQUESTS: Final = parse("total_requests", param="")

MEASURED_MIN: Final = 20
"""So many attempts a percentile needs before it is relied on."""


class LiveHealth:
    """Implements `snapshot.Health`. `clock`: Unix seconds."""

    def __init__(self, metrics: LiveMetrics, breakers: Breakers, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._breakers = breakers
        self._clock = clock
        self._trials: dict[Circuit, asyncio.Event] = {}

    def value(self, target: Target, metric: Metric, interval_s: int) -> float | None:
        """A live metric; None when nothing was measured."""
        return self._metrics.view().value(target.model, target.provider.id, metric, interval_s)

    def usual(self, target: Target, metric: Metric) -> float | None:
        """A metric of the last quarter of an hour, where enough was measured to rely on it; else None."""
        if (self.value(target, _REQUESTS, DEFAULT_S) or 0) < MEASURED_MIN:
            return None
        return self.value(target, metric, DEFAULT_S)

    def open_until(self, target: Target) -> float | None:
        """Until when the target rests; None when it may be asked."""
        if not target.listed:
            return None
        now = self._clock()
        wait = self._breakers.wait(_circuit(target), now)
        return now + wait if wait > 0 else None

    def told_to_wait(self, target: Target) -> bool:
        """Whether the provider itself has said to wait."""
        return self._breakers.told_to_wait(_circuit(target), self._clock())

    def begin(self, target: Target) -> "Attempt | None":
        """Leave to ask the target once; None while it rests."""
        now = self._clock()
        if not target.listed:
            return Attempt(self._metrics, None, target, self._clock, now)
        leave = self._breakers.of(_circuit(target), now).allow(now)
        if leave is None:
            return None
        trial = self._trial(target, forced=False) if leave.probing else None
        return Attempt(self._metrics, leave, target, self._clock, now, trial)

    def force(self, target: Target) -> "Attempt | None":
        """Leave to ask a target that rests, for a call that has no other: one at a time; None while one is under way."""
        if _circuit(target) in self._trials:
            return None
        now = self._clock()
        leave = self._breakers.of(_circuit(target), now).force(now)
        return Attempt(self._metrics, leave, target, self._clock, now, self._trial(target, forced=True))

    async def tried(self, target: Target, limit_s: float) -> None:
        """Waits until it is known whether a target works that another call asks after its failures; for at most so long."""
        trial = self._trials.get(_circuit(target))
        if trial is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(trial.wait(), limit_s)

    def _trial(self, target: Target, *, forced: bool) -> "Trial":
        circuit = _circuit(target)
        self._trials[circuit] = known = asyncio.Event()

        def over(*, works: bool) -> None:
            if self._trials.get(circuit) is known:
                del self._trials[circuit]
            known.set()
            if works and forced:
                self._breakers.forget(circuit)

        return over

    def soonest(self, targets: Sequence[Target]) -> int:
        """Whole seconds until one of the targets may be asked again, at least 1."""
        return self._breakers.soonest([_circuit(target) for target in targets], self._clock())


def _circuit(target: Target) -> Circuit:
    return Circuit(target.id, target.credential)


class Trial(Protocol):
    """Told once whether a target works that had failed before."""

    def __call__(self, *, works: bool) -> None:
        """Ends the rest of one that does."""
        ...


class Attempt:
    """One attempt at one target. `trial`: told what it shows about one that had failed before."""

    __slots__ = ("_began", "_clock", "_leave", "_metrics", "_over", "_target", "_trial", "_ttft")

    def __init__(
        self,
        metrics: LiveMetrics,
        leave: breaker.Attempt | None,
        target: Target,
        clock: Callable[[], float],
        began: float,
        trial: Trial | None = None,
    ) -> None:
        self._metrics = metrics
        self._leave = leave
        self._target = target
        self._clock = clock
        self._began = began
        self._ttft: float | None = None
        self._over = False
        self._trial = trial

    @property
    def first_content_ms(self) -> float | None:
        """From asking to the first content of a stream; None as long as it has not come, and for whole answers."""
        return None if self._ttft is None else self._ttft * 1000

    @property
    def lasted_ms(self) -> float:
        """From asking until now."""
        return (self._clock() - self._began) * 1000

    @property
    def probing(self) -> bool:
        """Whether the target has failed before, and this is to show whether it works again."""
        return self._trial is not None

    def content(self, *, streamed: bool) -> None:
        """The first content came: the provider works."""
        now = self._clock()
        if streamed and self._ttft is None:
            self._ttft = now - self._began
        if self._leave is not None:
            self._leave.succeeded(now)
        self._told(works=True)

    def finished(self, usage: Usage | None) -> None:
        """The answer came to its end."""
        if self._leave is not None:
            self._leave.succeeded(self._clock())
        self._record(Outcome.OK, usage or _NOTHING)

    def failed(self, error: Exception) -> None:
        """The provider failed, before or within its answer; or the caller's request was wrong."""
        if not isinstance(error, GatewayError):
            self.over()
            return
        kind = _KINDS.get(error.kind or "", Kind.UNAVAILABLE)
        if self._leave is not None:
            counted = Kind.FAILED if kind is Kind.CREDENTIAL else kind
            self._leave.failed(counted, error.retry_after, self._clock())
        self._record(Outcome(kind.value), _NOTHING)

    def over(self) -> None:
        """Nothing more will come; if nothing was reported, the caller left."""
        if self._leave is not None:
            self._leave.abandoned()
        self._record(Outcome.CANCELLED, _NOTHING)

    def _record(self, outcome: Outcome, usage: Usage) -> None:
        if self._over:
            return
        self._over = True
        self._told(works=outcome is Outcome.OK)
        if self._target.credential and outcome is not Outcome.OK:
            return  # what a caller's own credential cannot do says nothing of the provider
        took = self._clock() - self._began
        seen = Observation(outcome, took, self._ttft, usage.input_total, usage.output)
        self._metrics.record(Key(self._target.model, self._target.provider.id), seen)

    def _told(self, *, works: bool) -> None:
        if self._trial is not None:
            trial, self._trial = self._trial, None
            trial(works=works)
