"""The Responses API as a connection that lasts needs it: one turn at a time, by its body."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from services.responses import intake, sse
from services.responses.projection import Projection
from services.responses.service import Responses
from services.responses.state.asking import Asking
from services.responses.state.background import Background
from services.vocabulary.caller import Caller
from services.vocabulary.event import Finished, Opened


class Turns:
    """Answers bodies of `POST /v1/responses`."""

    def __init__(self, responses: Responses, asking: Asking, background: Background) -> None:
        self._responses = responses
        self._asking = asking
        self._background = background

    async def stream(self, body: bytes, caller: Caller) -> AsyncIterator[bytes]:
        """The answer as server-sent events, whole frames. Raises a `GatewayError` before the first."""
        asked = await self._asking.read(body, caller)
        if asked.state.background:
            async for data in await self._background.stream(asked, body, caller):
                yield data
            return
        generation = await self._responses.open(asked.call, caller, asked.state)
        async with aclosing(self._responses.sse(generation, asked.recorder)) as pieces:  # type: ignore[type-var]  # a generator
            async for data in pieces:
                yield data

    async def warm(self, body: bytes) -> AsyncIterator[bytes]:
        """An answer that nobody was asked for: the request is understood, and can be continued by its id."""
        call = intake.read(body)
        now = self._responses.now()
        projection = Projection(call, call.model, Opened("", ""), self._responses.new_id(), now)
        events = projection.start()
        events += projection.feed([Finished("stop")])
        events.append(projection.complete(None, now))
        yield sse.frames(events)
