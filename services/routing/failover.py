"""Runs a plan: tries targets in order and commits to one at its first content.

The beginning of an answer is no commitment while another target, or a deadline, could follow; for the last target of a stream
it is, so that its caller sees the answer begin. A caller's own mistake is not tried elsewhere, but what one wire format has no
place for is. A target that could be followed by another has only so long for its first content; the last one has as long as
the transport gives it. A caller's deadline is for the whole chain: a target may use up half of what is left before the next
one has its turn, and shortly before the end the caller is told what was tried.

Targets that rest after failures come last, and are asked by nothing but their probes (docs/decisions/0018). A call without
another choice waits a moment for one that is being probed, or makes the probe that is due soon. The last target that does not
rest keeps its time, but is not waited for alone.

With hedging, a target that is slower than it mostly is gets company: the next one is asked too, and who is first answers.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.adapters.failure import RETRY
from services.catalog.schema import Target
from services.errors import GatewayError, InvalidRequest, Overloaded, ProviderFailed, UpstreamTimeout
from services.ports import Adapters
from services.routing.asking import Asking
from services.routing.health import Attempt, LiveHealth
from services.routing.hedging import Hedging
from services.routing.metric import parse
from services.vocabulary.call import Call
from services.vocabulary.event import Event, Opened
from services.vocabulary.usage import Usage

FIRST_CONTENT_S: Final = 60.0
"""How long a target that is not the last may stay silent. Reasoning models think for long, so this is generous."""

SLOWER_MAX: Final = 4.0
LEAST_S: Final = 10.0
"""One that is known waits no longer than so many times its slowest answers took (99 % were quicker), but at least so long. Not
so where the caller asks for much thought: that takes longer than what is usual."""

PROBE_S: Final = 10.0
"""How long one may that has failed before and is asked whether it works again."""

PATIENCE_S: Final = 5.0
"""How long a call without another choice waits for targets that rest, in all."""

LOOK_AGAIN_S: Final = 0.5
"""How often a call that waits for a late target looks whether one of those that rest may be asked by now."""

FAREWELL_S: Final = 0.25
"""How long before the caller's deadline the answer is that nobody answered."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a target has used for an answer that nobody gets."""

    target: Target
    usage: Usage


@dataclass(frozen=True, slots=True)
class Opening:
    """The target that answers, and its events after `Opened`. `close` aborts; report to `attempt`.

    tried: what went wrong with the targets asked before. spent: what others used that were asked at the same time.
    asked: how many targets were asked in all. source: where `batches` come from.
    """

    target: Target
    opened: Opened
    batches: AsyncIterator[Sequence[Event]]
    attempt: Attempt
    source: Asking
    tried: Sequence[GatewayError]
    spent: Sequence[Spent]
    asked: int

    async def close(self) -> None:
        """Aborts the provider's work, also when `batches` was never read: a generator that has not begun closes nothing."""
        await self.batches.aclose()  # type: ignore[attr-defined]  # an async generator
        await self.source.close()


_SLOWEST: Final = parse("p99_latency", param="")
_SLOWEST_WHOLE: Final = parse("p99_e2e_latency", param="")


class Failover:
    """Tries targets. `first_content_s`: how long one that is not the last may stay silent."""

    def __init__(
        self,
        adapters: Adapters,
        health: LiveHealth,
        *,
        first_content_s: float = FIRST_CONTENT_S,
        hedging: Hedging | None = None,
    ) -> None:
        self._adapters = adapters
        self._health = health
        self._first_content_s = first_content_s
        self._hedging = hedging or Hedging(health)

    async def open(self, targets: Sequence[Target], call: Call, *, budget_s: float | None = None) -> Opening:
        """The first target that begins to answer, within `budget_s` seconds if given.

        Raises the error of the only attempt, or one that names them all: `UpstreamTimeout` when all stayed silent or the time
        is over, `ProviderFailed` else; `InvalidRequest` for the caller's mistake; `Overloaded` when all targets rest.
        """
        chain = _Chain(targets, call, budget_s, self._health)
        while (asking := await self._next(chain)) is not None:
            opening = await self._ask(asking, chain)
            if opening is not None:
                return opening
        raise chain.error()

    async def _next(self, chain: "_Chain") -> Asking | None:
        """The next target; None: nobody is left that may be asked now or soon, or no time."""
        while not chain.late:
            if (asking := self._free(chain)) is not None:
                return asking
            if not chain.resting or not await self._health.change(chain.resting, chain.patience_s()):
                return None
        return None

    def _free(self, chain: "_Chain") -> Asking | None:
        """The next target that may be asked now, those that rest after all others."""
        while chain.left:
            target = chain.left.popleft()
            if (attempt := self._health.begin(target)) is not None:
                return chain.ask(self._adapters, target, attempt)
            chain.resting.append(target)
        for target in chain.resting:
            if (attempt := self._health.begin(target)) is not None:
                chain.resting.remove(target)
                return chain.ask(self._adapters, target, attempt)
        return None

    async def _ask(self, asking: Asking, chain: "_Chain") -> Opening | None:
        """What the caller gets; None after a failure that another target may make up for."""
        hedge_s = self._hedging.after_s(asking.target, chain.call) if chain.left else None
        if hedge_s is not None:
            return await self._race(asking, hedge_s, chain, self._patience_s(asking, chain), hedge=True)
        if chain.resting and not chain.left and not asking.attempt.probing:
            # the others have failed lately: it may still be the only one that works
            patience = self._patience_s(asking, chain)
            return await self._race(asking, patience, chain, chain.left_s, hedge=False)
        last = chain.call.stream and not chain.more and chain.left_s is None
        failure = await asking.ready(self._patience_s(asking, chain), at_opened=last)
        return chain.opening(asking, failure)

    def _patience_s(self, asking: Asking, chain: "_Chain") -> float | None:
        """How long a target may take until it commits; None: as long as the transport gives it."""
        left = chain.left_s
        if not chain.more:
            return left
        patience = self._first_content_s
        if asking.attempt.probing:
            patience = min(patience, PROBE_S)
        elif not _thinks(chain.call):
            slowest = self._health.usual(asking.target, _SLOWEST if chain.call.stream else _SLOWEST_WHOLE)
            if slowest is not None:
                patience = min(patience, max(LEAST_S, SLOWER_MAX * slowest))
        return patience if left is None else min(patience, left / 2)

    async def _race(
        self, first: Asking, after_s: float | None, chain: "_Chain", patience_s: float | None, *, hedge: bool
    ) -> Opening | None:
        """Asks a second target when the first is late; whoever commits first answers, the other is cut off.

        patience_s: what the first has in all. hedge: a second one is a luxury, and its share is capped.
        """
        running = {asyncio.ensure_future(first.ready(patience_s)): first}
        try:
            while running:
                timeout = after_s if len(running) == 1 else None
                done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    asking = running.pop(task)
                    if (opening := chain.opening(asking, task.result())) is not None:
                        return opening
                if not done:
                    second = self._free(chain) if not hedge or self._hedging.allow() else None
                    if second is not None:
                        running[asyncio.ensure_future(second.ready(self._patience_s(second, chain)))] = second
                    after_s = None if hedge else LOOK_AGAIN_S
            return None
        finally:
            for task, asking in running.items():
                await _cut_off(task, asking, chain)


class _Chain:
    """The attempts of one call."""

    def __init__(self, targets: Sequence[Target], call: Call, budget_s: float | None, health: LiveHealth) -> None:
        self.call = call
        self.left: deque[Target] = deque()
        self.resting: list[Target] = []
        for target in targets:
            (self.left if health.open_until(target) is None else self.resting).append(target)
        self.asked = 0
        self._first = targets[0].id
        self._health = health
        self._patient_until: float | None = None
        self._until = None if budget_s is None else asyncio.get_running_loop().time() + budget_s - FAREWELL_S
        self._failures: list[GatewayError] = []
        self._refusals: list[GatewayError] = []
        self.spent: list[Spent] = []

    @property
    def more(self) -> bool:
        """Whether anybody else could be asked."""
        return bool(self.left or self.resting)

    def patience_s(self) -> float:
        """How much longer it may wait for targets that rest, from when it first had to."""
        now = asyncio.get_running_loop().time()
        if self._patient_until is None:
            self._patient_until = now + PATIENCE_S
        until = self._patient_until if self._until is None else min(self._patient_until, self._until)
        return until - now

    def ask(self, adapters: Adapters, target: Target, attempt: Attempt) -> Asking:
        """One more is asked."""
        self.asked += 1
        return Asking(adapters, self.call, target, attempt)

    @property
    def left_s(self) -> float | None:
        """Seconds until the caller must hear something."""
        return None if self._until is None else max(0.0, self._until - asyncio.get_running_loop().time())

    @property
    def late(self) -> bool:
        """Whether there is no time to ask anybody else."""
        return self._until is not None and asyncio.get_running_loop().time() >= self._until

    def opening(self, asking: Asking, failure: GatewayError | None) -> Opening | None:
        """What the caller gets; None after a failure that another target may make up for. Raises one that none can."""
        if failure is None:
            return Opening(
                asking.target,
                asking.opened,
                asking.events(),
                asking.attempt,
                asking,
                self._failures,
                self.spent,
                self.asked,
            )
        if isinstance(failure, InvalidRequest) and failure.kind is None:  # said by our own dialect: nobody was asked
            self.asked -= 1
            self._refusals.append(failure)
            return None
        if isinstance(failure, InvalidRequest) and not self._failures:
            raise failure  # where an earlier provider took the request, this one's refusal is its own
        self._failures.append(failure)
        return None

    def error(self) -> GatewayError:
        """Why nobody answers."""
        failures = self._failures
        rest = "; ".join(dict.fromkeys(map(self._health.resting, self.resting)))
        if not failures:
            if self.late:
                return UpstreamTimeout("The deadline was over before a provider could be asked.", model=self._first)
            if not rest:
                return self._refusals[0]
            message = f"No provider of this model may be asked at the moment: {rest}."
            return Overloaded(message, retry_after=self._health.soonest(self.resting))
        if len(failures) == 1 and not rest and not self.late:
            return failures[0]
        late = self.late or all(isinstance(failure, UpstreamTimeout) for failure in failures)
        waits = [failure.retry_after for failure in failures if failure.retry_after is not None]
        if rest:
            waits.append(self._health.soonest(self.resting))
        begin = "No provider answered before the deadline" if self.late else "Every provider failed"
        told = [failure.message for failure in failures] + ([f"Not asked: {rest}."] if rest else [])
        error = (UpstreamTimeout if late else ProviderFailed)(
            f"{begin}. {' '.join(told)}",
            retry_after=min(waits) if waits else None,
            model=failures[0].model or self._first,
            kind="timeout" if late else failures[0].kind,
        )
        again = [failure.headers for failure in failures if failure.headers] + ([[RETRY]] if rest else [])
        error.headers += again[0] if again else []
        return error


def _thinks(call: Call) -> bool:
    return call.reasoning is not None and call.reasoning.effort not in (None, "none", "minimal", "low")


async def _cut_off(task: "asyncio.Future[GatewayError | None]", asking: Asking, chain: _Chain) -> None:
    """Ends an attempt that is not needed any more, and notes what it is known to have used."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled() and task.exception() is None and task.result() is None:
        await asking.abandon()
    if (usage := asking.usage) is not None:
        chain.spent.append(Spent(asking.target, usage))
