"""The Responses API behind its surfaces: read, plan, open, project, settle. JSON and typed gRPC both end here."""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from services.adapters.carry import is_native
from services.catalog.schema import Target
from services.errors import GatewayError, InternalError
from services.ports import Meter, Router
from services.responses import sse
from services.responses.native import TERMINAL, NativeLane
from services.responses.objects import Response, RouteTaken
from services.responses.projection import Projection
from services.responses.stream_events import StreamEvent, Terminal
from services.routing.affinity import Affinity, prefix_of
from services.routing.failover import Failover
from services.routing.health import Attempt
from services.routing.plan import stripped
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller
from services.vocabulary.cost import Cost
from services.vocabulary.event import Event, NativeAnswer, NativeEvent, Opened, UsageReported
from services.vocabulary.usage import Usage

_log: Final = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()


@dataclass(slots=True)
class Generation:
    """One answer under way. `batches` are its events after `opened`; closing them aborts the provider's work.

    call: as it was sent, without what routing gave up. route: how the target was chosen, for the client.
    """

    response_id: str
    created_at: int
    call: Call
    caller: Caller
    target: Target
    opened: Opened
    batches: AsyncIterator[Sequence[Event]]
    attempt: Attempt
    route: RouteTaken


class Responses:
    """The core. `now` gives Unix seconds, `new_id` a fresh `resp_…`."""

    def __init__(
        self,
        router: Router,
        failover: Failover,
        meter: Meter,
        affinity: Affinity,
        *,
        now: Callable[[], float] = time.time,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        self._router = router
        self._failover = failover
        self._meter = meter
        self._affinity = affinity
        self._now = now
        self._new_id = new_id or _new_id

    async def open(self, call: Call, caller: Caller) -> Generation:
        """Starts an answer. All that can fail before its first byte fails here, as a `GatewayError`."""
        plan = await self._router.plan(call, caller)
        sent = stripped(call, plan.losses) if plan.losses else call
        opening = await self._failover.open(plan.targets, sent)
        target, opened = opening.target, opening.opened
        if plan.losses:
            opened = msgspec.structs.replace(opened, losses=[*plan.losses, *opened.losses])
        if len(plan.targets) > 1 and (prefix := prefix_of(call)) is not None:
            self._affinity.sent(prefix, target.id, self._now())
        route = RouteTaken(call.model, target.id, len(opening.tried) + 1, plan.reason)
        return Generation(
            self._new_id(),
            int(self._now()),
            sent,
            caller,
            target,
            opened,
            opening.batches,
            opening.attempt,
            route,
        )

    # ---- answers -----------------------------------------------------------------------------------------------------

    async def whole(self, generation: Generation) -> bytes:
        """The response as JSON."""
        if is_native(generation.call, generation.target.dialect):
            return await self._native_whole(generation)
        return _encoder.encode(await self.response(generation))

    async def response(self, generation: Generation) -> Response:
        """The finished response: the fold of its events. Raises what made it fail."""
        projection = _projection(generation)
        async with _closing(generation):
            async for batch in generation.batches:
                projection.feed(batch)
        projection.complete(await self._settle(generation, projection.usage), int(self._now()))
        return projection.response

    def sse(self, generation: Generation) -> AsyncIterator[bytes]:
        """The stream as SSE bytes, whole frames. Failures are events of it; it always ends with `[DONE]`."""
        if is_native(generation.call, generation.target.dialect):
            return self._native_sse(generation)
        return self._projected_sse(generation)

    async def events(self, generation: Generation) -> AsyncIterator[list[StreamEvent]]:
        """The stream as public events. Failures are events of it.

        What comes once the answer is finished goes out together with the last event: messages are what costs.
        """
        projection = _projection(generation)
        yield projection.start()
        last: list[StreamEvent] = []
        try:
            async with _closing(generation):
                async for batch in generation.batches:
                    events = projection.feed(batch)
                    if projection.finished is not None:
                        last += events
                    elif events:
                        yield events
            cost = await self._settle(generation, projection.usage)
            last.append(projection.complete(cost, int(self._now())))
        except Exception as error:  # noqa: BLE001  # whatever happens, the stream says so and ends properly
            cost = await self._settle_anyway(generation, projection.usage)
            last += projection.fail(_public(error), cost)
        yield last

    def failed(self, call: Call, error: Exception) -> bytes:
        """The whole stream, as SSE, of an answer that failed before any provider began it."""
        public = _public(error)
        model = public.model or call.model
        projection = Projection(call, model, Opened("", ""), self._new_id(), int(self._now()))
        return _failed(projection, public) + sse.DONE

    # ---- the two ways to JSON ----------------------------------------------------------------------------------------

    async def _projected_sse(self, generation: Generation) -> AsyncIterator[bytes]:
        async for events in self.events(generation):
            frames = sse.frames(events)
            yield frames + sse.DONE if isinstance(events[-1], Terminal) else frames

    async def _native_sse(self, generation: Generation) -> AsyncIterator[bytes]:
        lane = _lane(generation)
        usage: Usage | None = None
        ended = False
        try:
            async with _closing(generation):
                async for batch in generation.batches:
                    frames: list[bytes] = []
                    for event in batch:
                        if ended:
                            break
                        if isinstance(event, NativeEvent) and event.name in TERMINAL:
                            frames += (lane.frame(event, await self._settle(generation, usage)), sse.DONE)
                            ended = True
                        elif isinstance(event, NativeEvent):
                            frames.append(lane.frame(event, None))
                        elif isinstance(event, UsageReported):
                            usage = event.usage
                    if frames:
                        yield b"".join(frames)  # after the last, the rest is still read: the connection is used again
        except Exception as error:  # noqa: BLE001  # as above
            if ended:
                return
            cost = await self._settle_anyway(generation, usage)
            if lane.begun:
                frame = lane.fail(_public(error), usage, cost, generation.created_at)
            else:
                frame = _failed(_projection(generation), _public(error))
            yield frame + sse.DONE

    async def _native_whole(self, generation: Generation) -> bytes:
        usage: Usage | None = None
        body = b""
        async with _closing(generation):
            async for batch in generation.batches:
                for event in batch:
                    if isinstance(event, NativeAnswer):
                        body = event.body
                    elif isinstance(event, UsageReported):
                        usage = event.usage
        return _lane(generation).body(body, await self._settle(generation, usage))

    async def _settle(self, generation: Generation, usage: Usage | None) -> Cost | None:
        generation.attempt.finished(usage)
        if usage is None:
            return None
        return await self._meter.settle(generation.response_id, generation.caller, generation.target, usage)

    async def _settle_anyway(self, generation: Generation, usage: Usage | None) -> Cost | None:
        """After a failure: what was used still counts, but the first failure is the one the client hears of."""
        try:
            return await self._settle(generation, usage)
        except Exception as error:  # noqa: BLE001
            _log.error("usage not settled", response_id=generation.response_id, usage=usage, exc_info=error)
            return None


def _projection(generation: Generation) -> Projection:
    return Projection(
        generation.call,
        generation.target.id,
        generation.opened,
        generation.response_id,
        generation.created_at,
        generation.route,
    )


def _failed(projection: Projection, error: GatewayError) -> bytes:
    """The frames of an answer of which nothing came."""
    return sse.frames([*projection.start(), *projection.fail(error, None)])


def _lane(generation: Generation) -> NativeLane:
    return NativeLane(
        generation.call, generation.target.id, generation.opened, generation.response_id, generation.route
    )


class _closing:  # noqa: N801  # reads as a statement
    """Closes a generation's batches on the way out, so that a client that leaves stops the provider too."""

    def __init__(self, generation: Generation) -> None:
        self._batches = generation.batches
        self._attempt = generation.attempt

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._attempt.over()
        await self._batches.aclose()  # type: ignore[attr-defined]  # failover gives async generators


def _public(error: Exception) -> GatewayError:
    if isinstance(error, GatewayError):
        return error
    _log.error("stream failed", exc_info=error)
    return InternalError()


def _new_id() -> str:
    """`resp_` and 36 hex digits, the first 12 of which are the time, so that ids sort."""
    return f"resp_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(12)}"
