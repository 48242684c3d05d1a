"""The Responses API as a connection that lasts needs it: one turn at a time, by its body."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec

from services.errors import InvalidRequest
from services.ports import KeyRing
from services.responses.keeping import Unkept
from services.responses.projection import Projection
from services.responses.service import Responses
from services.responses.session import Sessions
from services.responses.state.asking import Asking
from services.surface import sse
from services.vocabulary.caller import Caller
from services.vocabulary.event import Finished, Opened


class Turns:
    """Answers bodies of `POST /v1/responses`."""

    def __init__(self, responses: Responses, asking: Asking) -> None:
        self._responses = responses
        self._asking = asking

    async def stream(
        self, body: bytes, caller: Caller, continued: str | None, before: list[msgspec.Raw]
    ) -> AsyncIterator[bytes]:
        """The answer as server-sent events, whole frames. Raises a `GatewayError` before the first.

        continued: the answer whose items are in the body already. before: takes the items that the store knew.
        """
        asked = await self._asking.read(body, caller)
        before += asked.context
        if asked.state.background:
            raise InvalidRequest("A response in the background is asked for over HTTP.", param="background")
        recorder = asked.recorder
        if recorder is None and continued is not None:
            recorder = Unkept(msgspec.structs.replace(asked.state, previous_response_id=continued))
        generation = await self._responses.open(asked.call, caller, asked.state)
        async with aclosing(self._responses.sse(generation, recorder)) as pieces:  # type: ignore[type-var]  # a generator
            async for data in pieces:
                yield data

    async def warm(self, body: bytes, caller: Caller, before: list[msgspec.Raw]) -> AsyncIterator[bytes]:
        """An answer that nobody was asked for: the request is understood, and can be continued by its id."""
        asked = await self._asking.read(body, caller, answered=False)
        before += asked.context
        call = msgspec.structs.replace(asked.call, store=False)
        now = self._responses.now()
        projection = Projection(call, call.model, Opened("", ""), self._responses.new_id(), now)
        events = projection.start()
        events += projection.feed([Finished("stop")])
        events.append(projection.complete(None, now))
        yield sse.frames(events)


def sessions(responses: Responses, asking: Asking, keys: KeyRing) -> Sessions:
    """Conversations on WebSockets."""
    return Sessions(Turns(responses, asking), keys)
