"""A chat request's way out: implements `surface.serving.Surface` for one request."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec
import structlog

from services.chat.intake import Asked
from services.chat.native import NativeWriter
from services.chat.projection import Projection
from services.chat.writing import Answered, ProjectedWriter, Writer
from services.errors import GatewayError, InternalError, ProviderFailed
from services.generation.generation import Generation
from services.surface import sse
from services.surface.cost import public_cost
from services.vocabulary.call import Call
from services.vocabulary.cost import Cost
from services.vocabulary.event import Event, Loss, NativeAnswer, NativeEvent

_NOT_STORED: Final = Loss("store", "dropped", "Only answers of the Responses API are kept.")

_log: Final = structlog.get_logger(__name__)


class Answer:
    """The answer to one request, in whichever lane its provider turns out to answer."""

    ping = sse.PING

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    async def whole(self, generation: Generation) -> bytes:
        """The `chat.completion`. Raises what made it fail."""
        writer: Writer | None = None
        try:
            async with generation:
                async for batch in generation.batches:
                    writer = writer or self._writer(generation, batch)
                    writer.take(batch)
                if writer is None:
                    raise _nothing(generation)
                return writer.whole(await generation.settle())
        except GatewayError as error:
            raise self._asked.names.said(error) from error.__cause__

    async def sse(self, generation: Generation) -> AsyncIterator[bytes]:
        """The chunks as server-sent events. A failure is an error object; the last event is always `[DONE]`."""
        writer: Writer | None = None
        try:
            async with generation:
                async for batch in generation.batches:
                    if batch:
                        writer = writer or self._writer(generation, batch)
                        if data := writer.feed(batch):
                            yield data
                if writer is None:
                    raise _nothing(generation)
                cost = await generation.settle()
            last = writer.complete(cost)
        except Exception as error:  # noqa: BLE001  # whatever happens, the stream says so and ends properly
            last = self._failure(error, await generation.settle_failed())
        yield last + sse.DONE

    def failed(self, call: Call, error: Exception) -> bytes:  # noqa: ARG002  # it is in the request already
        """The whole stream of an answer that failed before any provider began it."""
        return self._failure(error, None) + sse.DONE

    def _failure(self, error: Exception, cost: Cost | None) -> bytes:
        """What the SDKs take for a failure: an object with `error`. `cost`: of what was generated before it."""
        if not isinstance(error, GatewayError):
            _log.error("stream failed", exc_info=error)
            error = InternalError()
        fields: dict[str, object] = {"error": self._asked.names.said(error).fields()}
        if cost is not None:
            fields["cost"] = public_cost(cost)
        return b"data: %b\n\n" % msgspec.json.encode(fields)

    def _writer(self, generation: Generation, batch: Sequence[Event]) -> Writer:
        """For the lane that the first events show."""
        stem = generation.response_id.removeprefix("resp_")
        native = any(isinstance(event, NativeEvent | NativeAnswer) for event in batch)
        losses = self._asked.names.losses(generation.opened.losses)
        if self._asked.call.store and not native:
            losses.append(_NOT_STORED)
        answered = Answered(f"chatcmpl-{stem}", generation.created_at, generation.target.id, generation.route, losses)
        include_usage = self._asked.include_usage
        if native:
            return NativeWriter(answered, include_usage=include_usage)
        projection = Projection(generation.opened, stem, legacy=self._asked.legacy)
        return ProjectedWriter(answered, projection, include_usage=include_usage)


def _nothing(generation: Generation) -> ProviderFailed:
    return ProviderFailed("The provider answered with nothing.", model=generation.target.id, kind="protocol")
