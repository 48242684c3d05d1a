"""One answer under way, whatever surface asked for it: its events, and its one settlement.

Metering is here and not in the surfaces, so that no way to leave an answer leaves it unpaid: settled after its last event,
after a failure, or when the client has gone; in any order, once.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import structlog

from services.catalog.schema import Target
from services.errors import GatewayError
from services.generation.draining import Drains, Relay
from services.generation.heads import Headers
from services.generation.tally import Tally
from services.ports import Admission, Meter, Outcome, OutcomeStatus
from services.routing.failover import Opening
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller
from services.vocabulary.cost import Cost
from services.vocabulary.event import Event, Opened
from services.vocabulary.routing import RouteTaken
from services.vocabulary.usage import Usage

_PLAIN: Final = "/:@+~="
"""What may stand in a model's name as it is, besides letters, digits and `-_.`; a local server's may have any character."""

_log: Final = structlog.get_logger(__name__)


class Generation:
    """One answer. Enter it, read `batches` to their end, `settle`; leaving it early aborts the provider's work.

    call: as it was sent, without what routing gave up. created_at: Unix seconds. route: how the target was chosen.
    opened: what the provider began with; `batches` are its events after that. headers: for the answer, on every surface.
    """

    def __init__(
        self,
        response_id: str,
        surface: str,
        created_at: float,
        call: Call,
        caller: Caller,
        opening: Opening,
        opened: Opened,
        route: RouteTaken,
        meter: Meter,
        input_tokens: int,
        admission: Admission | None = None,
        drains: Drains | None = None,
    ) -> None:
        """`input_tokens`: an estimate, for a client that leaves before the provider has counted.

        drains: who reads on when the client leaves; None: nobody does.
        """
        self.response_id = response_id
        self.surface = surface
        self.created_at = int(created_at)
        self.call = call
        self.caller = caller
        self.target = opening.target
        self.opened = opened
        self.route = route
        self._tally = Tally()
        self._source = self._metered(opening.batches)
        self._drains = drains
        self._relay = None if drains is None else Relay(self._source)
        self.batches = self._source if self._relay is None else self._relay.batches()
        self._opening = opening
        self._attempt = opening.attempt
        self._meter = meter
        self._input_tokens = input_tokens
        self._admission = admission
        self.headers = _headers(opening.target, route, admission)
        self._began_at = created_at
        self._outcome: Outcome | None = None
        self._cost: Cost | None = None
        self._settled = False

    @property
    def usage(self) -> Usage | None:
        """What the provider has counted; None as long as it has not."""
        return self._tally.usage

    async def settle(self) -> Cost | None:
        """What the answer costs, once it is in the books; None when it has no price or nothing was counted.

        To be awaited before the client hears of the end. Raises what the meter raises.
        """
        self._attempt.finished(self.usage)
        self._release(self.usage)
        return await self._settle("completed", self.usage, estimated=False)

    async def settle_failed(self) -> Cost | None:
        """The same after a failure: what was counted still counts, but the first failure is the one to hear of."""
        try:
            return await self._settle("failed", self.usage, estimated=False)
        except Exception as error:  # noqa: BLE001
            _log.error("usage not settled", response_id=self.response_id, usage=self.usage, exc_info=error)
            return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind in (asyncio.CancelledError, GeneratorExit):
            await self.leave()
            return
        if kind is not None:
            self._attempt.over()
        self._release(self.usage)
        await self._close()

    async def leave(self) -> None:
        """The client has gone: aborts, and settles what was generated for it. Nothing keeps that from being done.

        Where the caller's policy says so, what the provider still sends is read first, without anybody waiting for it.
        """
        if self._relay is not None and self._drains is not None:
            self._drains.add(self._drained(self._relay))
            return
        self._attempt.over()
        await asyncio.shield(asyncio.ensure_future(self._left()))

    async def _drained(self, relay: Relay) -> None:
        try:
            async with asyncio.timeout(self.caller.policy.drain_seconds):
                await relay.finish()
            self._attempt.finished(self.usage)
        except (GatewayError, TimeoutError):
            self._attempt.over()  # what has come until now counts
        finally:
            await self._left()

    async def _left(self) -> None:
        await self._close()
        usage, estimated = self.usage, False
        if usage is None:
            usage = self._tally.reckoned(self._input_tokens)
            estimated = usage is not None
        self._release(usage)
        try:
            await self._settle("cancelled", usage, estimated=estimated)
        except Exception as failure:  # noqa: BLE001
            _log.error("usage not settled", response_id=self.response_id, usage=usage, exc_info=failure)

    async def _settle(self, status: OutcomeStatus, usage: Usage | None, *, estimated: bool) -> Cost | None:
        if self._settled:
            return self._cost
        if self._outcome is None:  # else an earlier try was cancelled or failed: the same again, which posts it once
            self._outcome = Outcome(
                response_id=self.response_id,
                surface=self.surface,
                model=self.route.requested,
                target=self.target,
                usage=usage,
                estimated=estimated,
                status=status,
                streamed=self.call.stream,
                attempts=self.route.attempts,
                began_at=self._began_at,
                first_content_ms=self._attempt.first_content_ms,
                total_ms=self._attempt.lasted_ms,
                byok=bool(self.target.credential),
            )
        self._cost = await self._meter.settle(self._outcome, self.caller)
        self._settled = True
        return self._cost

    def _release(self, usage: Usage | None) -> None:
        """Tells the limiter what was used. Only the first call counts, so each way to the end may say what it knows."""
        if self._admission is None:
            return
        if self.target.credential:
            self._admission.exempt()
        else:
            self._admission.settle(usage, self.target.model)

    async def _close(self) -> None:
        if self._relay is not None:
            await self._relay.close()
        await self.batches.aclose()
        await self._source.aclose()
        await self._opening.close()

    async def _metered(self, batches: AsyncIterator[Sequence[Event]]) -> AsyncGenerator[Sequence[Event], None]:
        tally = self._tally
        async for batch in batches:
            tally.feed(batch)
            yield batch


def _headers(target: Target, route: RouteTaken, admission: Admission | None) -> Headers:
    """Who answers, and what is left of the caller's limits."""
    served = [
        ("x-concentrate-provider", target.provider.id),
        ("x-concentrate-model", quote(target.model, safe=_PLAIN)),
        ("x-concentrate-attempts", str(route.attempts)),
    ]
    return served if admission is None else [*served, *admission.headers]
