"""The Responses API behind its surfaces: open, project, settle. JSON and typed gRPC both end here."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

import msgspec
import structlog

from services.errors import GatewayError, InternalError
from services.generation.generation import Generation
from services.generation.generator import Generator
from services.responses import sse
from services.responses.native import TERMINAL, NativeLane
from services.responses.objects import Response
from services.responses.projection import Projection
from services.responses.stream_events import StreamEvent, Terminal
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller
from services.vocabulary.event import NativeAnswer, NativeEvent, Opened

SURFACE: Final = "responses"

_log: Final = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()


class Responses:
    """The core of this surface. Implements `surface.serving.Surface`."""

    ping = sse.PING

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    async def open(self, call: Call, caller: Caller) -> Generation:
        """Starts an answer. All that can fail before its first byte fails here, as a `GatewayError`."""
        return await self._generator.open(call, caller, surface=SURFACE)

    def new_id(self) -> str:
        """A fresh `resp_…`."""
        return self._generator.new_id()

    def now(self) -> int:
        """Unix seconds."""
        return self._generator.now()

    # ---- answers -----------------------------------------------------------------------------------------------------

    async def whole(self, generation: Generation) -> bytes:
        """The response as JSON."""
        if generation.opened.native:
            return await self._native_whole(generation)
        return _encoder.encode(await self.response(generation))

    async def response(self, generation: Generation) -> Response:
        """The finished response: the fold of its events. Raises what made it fail."""
        projection = _projection(generation)
        async with generation:
            async for batch in generation.batches:
                projection.feed(batch)
            cost = await generation.settle()
        projection.complete(cost, self._generator.now())
        return projection.response

    def sse(self, generation: Generation) -> AsyncIterator[bytes]:
        """The stream as SSE bytes, whole frames. Failures are events of it; it always ends with `[DONE]`."""
        if generation.opened.native:
            return self._native_sse(generation)
        return self._projected_sse(generation)

    async def events(self, generation: Generation) -> AsyncIterator[list[StreamEvent]]:
        """The stream as public events. Failures are events of it.

        What comes once the answer is finished goes out together with the last event: messages are what costs.
        """
        projection = _projection(generation)
        last: list[StreamEvent] = []
        try:
            async with generation:
                yield projection.start()
                async for batch in generation.batches:
                    events = projection.feed(batch)
                    if projection.finished is not None:
                        last += events
                    elif events:
                        yield events
                cost = await generation.settle()
            last.append(projection.complete(cost, self._generator.now()))
        except Exception as error:  # noqa: BLE001  # whatever happens, the stream says so and ends properly
            cost = await generation.settle_failed()
            last += projection.fail(_public(error), cost)
        yield last

    def failed(self, call: Call, error: Exception) -> bytes:
        """The whole stream, as SSE, of an answer that failed before any provider began it."""
        public = _public(error)
        model = public.model or call.model
        projection = Projection(call, model, Opened("", ""), self._generator.new_id(), self._generator.now())
        return _failed(projection, public) + sse.DONE

    # ---- the two ways to JSON ----------------------------------------------------------------------------------------

    async def _projected_sse(self, generation: Generation) -> AsyncIterator[bytes]:
        async with aclosing(self.events(generation)) as batches:  # type: ignore[type-var]  # a generator
            async for events in batches:
                frames = sse.frames(events)
                yield frames + sse.DONE if isinstance(events[-1], Terminal) else frames

    async def _native_sse(self, generation: Generation) -> AsyncIterator[bytes]:
        lane = _lane(generation)
        ended = False
        try:
            async with generation:
                async for batch in generation.batches:
                    frames: list[bytes] = []
                    for event in batch:
                        if ended:
                            break
                        if isinstance(event, NativeEvent) and event.name in TERMINAL:
                            frames += (lane.frame(event, await generation.settle()), sse.DONE)
                            ended = True
                        elif isinstance(event, NativeEvent):
                            frames.append(lane.frame(event, None))
                    if frames:
                        yield b"".join(frames)  # after the last, the rest is still read: the connection is used again
        except Exception as error:  # noqa: BLE001  # as above
            if ended:
                return
            cost = await generation.settle_failed()
            if lane.begun:
                frame = lane.fail(_public(error), generation.usage, cost, generation.created_at)
            else:
                frame = _failed(_projection(generation), _public(error))
            yield frame + sse.DONE

    async def _native_whole(self, generation: Generation) -> bytes:
        body = b""
        async with generation:
            async for batch in generation.batches:
                for event in batch:
                    if isinstance(event, NativeAnswer):
                        body = event.body
            cost = await generation.settle()
        return _lane(generation).body(body, cost)


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


def _public(error: Exception) -> GatewayError:
    if isinstance(error, GatewayError):
        return error
    _log.error("stream failed", exc_info=error)
    return InternalError()
