"""The Responses API behind its surfaces: open, project, settle, keep. JSON and typed gRPC both end here.

A response that is to be kept is kept before its terminal event goes out, or its whole answer: who has heard of the end can
read it on every replica.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from services.errors import GatewayError, InternalError
from services.generation.generation import Generation
from services.generation.generator import Generator
from services.responses.echo import own_paths
from services.responses.keeping import STATELESS, Recorder, State
from services.responses.native import TERMINAL, NativeLane, status_of, unkept
from services.responses.objects import Response
from services.responses.projection import Projection
from services.responses.sse import ending as last_frame
from services.responses.stream_events import StreamEvent, Terminal
from services.surface import sse
from services.surface.serving import native_answer
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller
from services.vocabulary.event import NativeEvent, Opened

SURFACE: Final = "responses"

_log: Final = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()


class Responses:
    """The core of this surface. `recorder`: keeps the answer; None where it is not kept. `Kept` makes it a `Surface`."""

    ping = sse.PING

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    async def open(
        self, call: Call, caller: Caller, state: State = STATELESS, response_id: str | None = None
    ) -> Generation:
        """Starts an answer. All that can fail before its first byte fails here, as a `GatewayError`."""
        with own_paths(state):
            return await self._generator.open(call, caller, surface=SURFACE, response_id=response_id)

    def reading(self, caller: Caller) -> AbstractAsyncContextManager[None]:
        """For the time before `open`: what is refused in here says how much the caller has left, too."""
        return self._generator.reading(caller, surface=SURFACE)

    async def standing(self, caller: Caller) -> Sequence[tuple[str, str]]:
        """Headers that say how much the caller has left."""
        return await self._generator.standing(caller, surface=SURFACE)

    async def check(self, call: Call, caller: Caller, state: State) -> None:
        """Raises for a call that nobody could answer."""
        with own_paths(state):
            await self._generator.check(call, caller)

    def new_id(self) -> str:
        """A fresh `resp_…`."""
        return self._generator.new_id()

    def now(self) -> int:
        """Unix seconds."""
        return self._generator.now()

    # ---- answers -----------------------------------------------------------------------------------------------------

    async def whole(self, generation: Generation, recorder: Recorder | None = None) -> bytes:
        """The response as JSON."""
        if generation.opened.native:
            return await self._native_whole(generation, recorder)
        response = await self._folded(generation, recorder)
        return await _keep(recorder, response, -1) if recorder is not None else _encoder.encode(response)

    async def response(self, generation: Generation, recorder: Recorder | None = None) -> Response:
        """The finished response: the fold of its events. Raises what made it fail."""
        response = await self._folded(generation, recorder)
        if recorder is not None:
            await _keep(recorder, response, -1)
        return response

    def sse(self, generation: Generation, recorder: Recorder | None = None) -> AsyncIterator[bytes]:
        """The stream as SSE bytes, whole frames. Failures are events of it; it always ends with `[DONE]`."""
        if generation.opened.native:
            return self._native_sse(generation, recorder)
        return self._projected_sse(generation, recorder)

    async def events(
        self, generation: Generation, recorder: Recorder | None = None
    ) -> AsyncIterator[list[StreamEvent]]:
        """The stream as public events. Failures are events of it."""
        async with aclosing(self._projected(generation, recorder)) as batches:  # type: ignore[type-var]  # a generator
            async for events in batches:
                if recorder is not None:
                    await _recorded(events, recorder)
                yield events

    def failed(self, call: Call, error: Exception, recorder: Recorder | None = None, response_id: str = "") -> bytes:
        """The whole stream, as SSE, of an answer that failed before any provider began it."""
        public = _public(error)
        model, state = public.model or call.model, recorder.state if recorder is not None else STATELESS
        state = msgspec.structs.replace(state, stored=False)
        projection = Projection(call, model, Opened("", ""), response_id or self.new_id(), self.now(), state=state)
        return sse.frames(_failed(projection, public)) + sse.DONE

    # ---- the two ways to JSON ----------------------------------------------------------------------------------------

    async def _folded(self, generation: Generation, recorder: Recorder | None) -> Response:
        projection = _projection(generation, recorder)
        async with generation:
            async for batch in generation.batches:
                projection.feed(batch)
            cost = await generation.settle()
        projection.complete(cost, self.now())
        return projection.response

    async def _projected(self, generation: Generation, recorder: Recorder | None) -> AsyncIterator[list[StreamEvent]]:
        """The events as they are made; nothing is kept yet.

        What comes once the answer is finished goes out together with the last event: messages are what costs.
        """
        projection = _projection(generation, recorder)
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
            last.append(projection.complete(cost, self.now()))
        except Exception as error:  # noqa: BLE001  # whatever happens, the stream says so and ends properly
            cost = await generation.settle_failed()
            last += projection.fail(_public(error), cost)
        yield last

    async def _projected_sse(self, generation: Generation, recorder: Recorder | None) -> AsyncIterator[bytes]:
        async with aclosing(self._projected(generation, recorder)) as batches:  # type: ignore[type-var]  # a generator
            async for events in batches:
                frames = await _recorded(events, recorder)
                yield frames + sse.DONE if isinstance(events[-1], Terminal) else frames

    async def _native_sse(self, generation: Generation, recorder: Recorder | None) -> AsyncIterator[bytes]:
        lane = _lane(generation, recorder)
        ended = False
        try:
            async with generation:
                async for batch in generation.batches:
                    frames: list[bytes] = []
                    for event in batch:
                        if ended:
                            break
                        if isinstance(event, NativeEvent) and event.name in TERMINAL:
                            ending, body = lane.ending(event, await generation.settle()), None
                            if recorder is not None:
                                recorder.add(b"".join(frames))
                                body = await _keep_body(recorder, generation, ending.status, ending.body, ending.number)
                            frames += (ending.frame(body or ending.body), sse.DONE)
                            ended = True
                        elif isinstance(event, NativeEvent):
                            frames.append(lane.frame(event))
                    if frames:
                        data = b"".join(frames)
                        if recorder is not None and not ended:
                            recorder.add(data)
                        yield data  # after the last, the rest is still read: the connection is used again
        except Exception as error:  # noqa: BLE001  # as above
            if ended:
                return
            cost = await generation.settle_failed()
            if lane.begun:
                last = lane.fail(_public(error), generation.usage, cost, generation.created_at)
            else:
                last = _failed(_projection(generation, recorder), _public(error))
            yield await _recorded(last, recorder) + sse.DONE

    async def _native_whole(self, generation: Generation, recorder: Recorder | None) -> bytes:
        body, cost = await native_answer(generation)
        body = _lane(generation, recorder).body(body, cost)
        if recorder is not None:
            body = await _keep_body(recorder, generation, status_of(body), body, -1)
        return body


@dataclass(frozen=True, slots=True)
class Kept:
    """The core for one request whose answer is kept. Implements `surface.serving.Surface`."""

    responses: Responses
    recorder: Recorder | None
    ping = sse.PING

    async def whole(self, generation: Generation) -> bytes:
        """The response as JSON."""
        return await self.responses.whole(generation, self.recorder)

    def sse(self, generation: Generation) -> AsyncIterator[bytes]:
        """The stream as SSE bytes."""
        return self.responses.sse(generation, self.recorder)

    def failed(self, call: Call, error: Exception) -> bytes:
        """The stream of an answer that no provider began."""
        return self.responses.failed(call, error, self.recorder)


async def _recorded(events: list[StreamEvent], recorder: Recorder | None) -> bytes:
    """Some events as SSE, given to the recorder as well; with the last one, the response is kept."""
    if recorder is None:
        return sse.frames(events)
    last = events[-1]
    if not isinstance(last, Terminal):
        frames = sse.frames(events)
        recorder.add(frames)
        return frames
    frames = sse.frames(events[:-1])
    recorder.add(frames)
    body = await _keep(recorder, last.response, last.sequence_number)
    return frames + last_frame(str(last.__struct_config__.tag), body, last.sequence_number)


async def _keep(recorder: Recorder, response: Response, number: int) -> bytes:
    """Keeps a response. Its JSON; both say what could not be kept."""
    body = _encoder.encode(response)
    lost = await recorder.keep(response.id, response.created_at, response.status, body, number)
    if not lost:
        return body
    response.store = False
    response.translation_losses = [*response.translation_losses, *lost]
    return _encoder.encode(response)


async def _keep_body(recorder: Recorder, generation: Generation, status: str, body: bytes, number: int) -> bytes:
    """Keeps a response of the native lane: as it is, or as one that says what could not be kept."""
    lost = await recorder.keep(generation.response_id, generation.created_at, status, body, number)
    return unkept(body, lost) if lost else body


def _projection(generation: Generation, recorder: Recorder | None) -> Projection:
    return Projection(
        generation.call,
        generation.target.id,
        generation.opened,
        generation.response_id,
        generation.created_at,
        generation.route,
        recorder.state if recorder is not None else STATELESS,
    )


def _failed(projection: Projection, error: GatewayError) -> list[StreamEvent]:
    """The events of an answer of which nothing came."""
    return [*projection.start(), *projection.fail(error, None)]


def _lane(generation: Generation, recorder: Recorder | None) -> NativeLane:
    return NativeLane(
        generation.call,
        generation.target.id,
        generation.opened,
        generation.response_id,
        generation.route,
        recorder.state if recorder is not None else STATELESS,
    )


def _public(error: Exception) -> GatewayError:
    if isinstance(error, GatewayError):
        return error
    _log.error("stream failed", exc_info=error)
    return InternalError()
