"""One request's way out: its answer as a message, or as the stream of one."""

from collections.abc import AsyncIterator
from typing import Final

import msgspec
import structlog

from services import errors_anthropic
from services.errors import GatewayError, InternalError, InvalidRequest
from services.generation.generation import Generation
from services.messages.intake import Reading
from services.messages.native import NativeLane
from services.messages.objects import AnthropicMessage, message_id, public_usage
from services.messages.projection import Projection
from services.surface import sse
from services.surface.serving import native_answer
from services.tokens.estimate import prompt_tokens
from services.vocabulary.call import Call
from services.vocabulary.event import Loss, NativeEvent
from services.vocabulary.usage import Usage

PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'

_log: Final = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()


class MessagesSurface:
    """Implements `surface.serving.Surface` for one request. `request_id`: what errors name it by."""

    ping = PING

    def __init__(self, reading: Reading, request_id: str | None) -> None:
        self._reading = reading
        self._request_id = request_id

    async def whole(self, generation: Generation) -> bytes:
        """The message as JSON. Raises what made it fail."""
        if generation.opened.native:
            return await self._native_whole(generation)
        projection = self._projection(generation)
        async with generation:
            async for batch in generation.batches:
                projection.feed(batch)
            cost = await generation.settle()
        projection.complete(cost)
        return _encoder.encode(projection.message)

    def sse(self, generation: Generation) -> AsyncIterator[bytes]:
        """The stream. A failure is its last event."""
        if generation.opened.native:
            return self._native_sse(generation)
        return self._projected_sse(generation)

    def failed(self, call: Call, error: Exception) -> bytes:  # noqa: ARG002  # nothing of the call is repeated here
        """The stream of an answer that no provider began."""
        return self._error(error)

    # ---- another format's answer -------------------------------------------------------------------------------------

    async def _projected_sse(self, generation: Generation) -> AsyncIterator[bytes]:
        """What comes once the answer is finished goes out together with its end: messages are what costs."""
        projection = self._projection(generation)
        last = b""
        try:
            async with generation:
                yield sse.frames([projection.start()])
                async for batch in generation.batches:
                    frames = sse.frames(projection.feed(batch))
                    if projection.finished is not None:
                        last += frames
                    elif frames:
                        yield frames
                cost = await generation.settle()
            last += sse.frames(projection.complete(cost))
        except Exception as error:  # noqa: BLE001  # whatever happens, the stream says so and ends properly
            await generation.settle_failed()
            last += self._error(error)
        yield last

    # ---- this format's own answer ------------------------------------------------------------------------------------

    async def _native_sse(self, generation: Generation) -> AsyncIterator[bytes]:
        lane = NativeLane(self._message(generation), generation.opened)
        ending: NativeEvent | None = None  # held back until the books are closed
        ended = False
        try:
            async with generation:
                async for batch in generation.batches:
                    frames: list[bytes] = []
                    for event in batch:
                        if not isinstance(event, NativeEvent):
                            continue
                        if event.name == "message_delta":
                            ending = event
                        elif event.name == "message_stop":
                            cost = await generation.settle()
                            if ending is not None:
                                frames.append(lane.ending(ending, cost))
                            frames.append(lane.frame(event))
                            ended = True
                        else:
                            frames.append(lane.frame(event))
                    if frames:
                        yield b"".join(frames)
        except Exception as error:  # noqa: BLE001  # as above
            if not ended:
                await generation.settle_failed()
                yield self._error(error)

    async def _native_whole(self, generation: Generation) -> bytes:
        body, cost = await native_answer(generation)
        return NativeLane(self._message(generation), generation.opened).body(body, cost)

    # ---- what both begin with ----------------------------------------------------------------------------------------

    def _projection(self, generation: Generation) -> Projection:
        return Projection(self._message(generation), generation.opened)

    def _message(self, generation: Generation) -> AnthropicMessage:
        native = generation.opened.native
        losses = [*(() if native else self._reading.losses), *map(self._reading.places.loss, generation.opened.losses)]
        return AnthropicMessage(
            id=message_id(generation.response_id),
            model=generation.target.id,
            usage=public_usage(Usage(input=0 if native else _tokens(generation), output=1)),
            routing=generation.route,
            translation_losses=_once(losses),
        )

    def _error(self, error: Exception) -> bytes:
        if isinstance(error, InvalidRequest):
            public: GatewayError = self._reading.places.error(error)
        elif isinstance(error, GatewayError):
            public = error
        else:
            _log.error("stream failed", exc_info=error)
            public = InternalError()
        return sse.frame("error", errors_anthropic.body(public, self._request_id))


def _tokens(generation: Generation) -> int:
    return prompt_tokens(generation.call, generation.target.upstream)


def _once(losses: list[Loss]) -> list[Loss]:
    """One loss per parameter."""
    return list({loss.param: loss for loss in losses}.values())
