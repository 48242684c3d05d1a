"""What this process knows of its targets: live metrics and circuit breakers, fed by every attempt.

A model that no row lists has no breaker: it has no other offer, what is tried by hand on the day it appears must not be
kept away for what failed before, and anybody can make up names. Nor has the sandbox: it fails when it is told to.

An attempt is begun before a provider is asked and reported whatever becomes of it; `over` in a `finally` is always right.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from math import ceil, inf
from typing import Final

from services.adapters.dialect import Kind
from services.catalog.catalog import SANDBOX
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
_WHY: Final[dict[Kind | None, str]] = {
    Kind.CREDENTIAL: "it refused the credential",
    Kind.RATE_LIMITED: "it limited the rate",
    Kind.UNAVAILABLE: "it was not available",
    Kind.TIMEOUT: "it stayed silent",
    Kind.TRUNCATED: "its answers broke off",
    Kind.PROTOCOL: "its answers could not be read",
    Kind.FAILED: "it failed",
}
_NOTHING: Final = Usage()
_REQUESTS: Final = parse("total_requests", param="")

MEASURED_MIN: Final = 20
"""So many attempts a percentile needs before it is relied on."""

SOON_S: Final = 2.0
"""A rest that is over so soon is worth waiting for."""


class LiveHealth:
    """Implements `snapshot.Health`. `clock`: Unix seconds."""

    def __init__(self, metrics: LiveMetrics, breakers: Breakers, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._breakers = breakers
        self._clock = clock
        self._probes: dict[Circuit, asyncio.Future[None]] = {}

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
        if not _breaks(target):
            return None
        now = self._clock()
        wait = self._breakers.wait(_circuit(target), now)
        return now + wait if wait > 0 else None

    def begin(self, target: Target) -> "Attempt | None":
        """Leave to ask the target once; None while it rests."""
        now = self._clock()
        if not _breaks(target):
            return Attempt(self._metrics, None, target, self._clock, now)
        leave = self._breakers.allow(_circuit(target), now)
        if leave is None:
            return None
        known = self._probe(_circuit(target)) if leave.probing else None
        return Attempt(self._metrics, leave, target, self._clock, now, known)

    def _probe(self, circuit: Circuit) -> "asyncio.Future[None]":
        """Done when it is known whether the target works."""
        self._probes[circuit] = known = asyncio.get_running_loop().create_future()

        def over(known: "asyncio.Future[None]") -> None:
            if self._probes.get(circuit) is known:
                del self._probes[circuit]

        known.add_done_callback(over)
        return known

    async def change(self, targets: Collection[Target], limit_s: float | None) -> bool:
        """Waits until one of these targets, which all rest, may be asked, or is known to work or not by another call's probe.

        limit_s: for at most so long, and only where that is to be expected: one is being probed, or its rest is over within
        `SOON_S`; else it is False at once. None: as long as it takes.
        """
        circuits = {_circuit(target) for target in targets}
        probes = [self._probes[each] for each in circuits if each in self._probes]
        soonest = self._breakers.soonest(circuits - self._probes.keys(), self._clock())
        if limit_s is not None:
            if limit_s <= 0 or (soonest > SOON_S and not probes):
                return False
            soonest = min(soonest, limit_s)
        if probes:
            timeout = None if soonest is inf else soonest
            await asyncio.wait(probes, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(soonest)
        return True

    def soonest(self, targets: Iterable[Target]) -> int:
        """Whole seconds until one of the targets may be asked again, at least 1: the Retry-After of a 503."""
        return max(1, ceil(self._breakers.soonest(map(_circuit, targets), self._clock())))

    def resting(self, target: Target) -> str:
        """For how long a target rests and what for, in words that hold nothing of anybody's request."""
        circuit = _circuit(target)
        why = self._breakers.why(circuit)
        wait = self._breakers.wait(circuit, self._clock())
        return f"{target.id} rests for {max(1, ceil(wait))} s, {_WHY.get(why, 'it said to wait')}"


def _breaks(target: Target) -> bool:
    return target.listed and target.dialect != SANDBOX


def _circuit(target: Target) -> Circuit:
    return Circuit(target.id, target.credential)


class Attempt:
    """One attempt at one target. `probe`: done when it shows whether a target works that had failed before."""

    __slots__ = ("_began", "_clock", "_leave", "_metrics", "_over", "_probe", "_target", "_ttft")

    def __init__(
        self,
        metrics: LiveMetrics,
        leave: breaker.Attempt | None,
        target: Target,
        clock: Callable[[], float],
        began: float,
        probe: "asyncio.Future[None] | None" = None,
    ) -> None:
        self._metrics = metrics
        self._leave = leave
        self._target = target
        self._clock = clock
        self._began = began
        self._ttft: float | None = None
        self._over = False
        self._probe = probe

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
        return self._probe is not None

    def content(self, *, streamed: bool) -> None:
        """The first content came: the provider works."""
        now = self._clock()
        if streamed and self._ttft is None:
            self._ttft = now - self._began
        if self._leave is not None:
            self._leave.succeeded(now)
        self._known()

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
            self._leave.failed(kind, None if error.advised else error.retry_after, self._clock())
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
        self._known()
        if self._target.credential and outcome is not Outcome.OK:
            return  # what a caller's own credential cannot do says nothing of the provider
        took = self._clock() - self._began
        seen = Observation(outcome, took, self._ttft, usage.input_total, usage.output)
        self._metrics.record(Key(self._target.model, self._target.provider.id), seen)

    def _known(self) -> None:
        if self._probe is not None and not self._probe.done():
            self._probe.set_result(None)
