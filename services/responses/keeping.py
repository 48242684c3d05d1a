"""What a request says about keeping its answer, and the interface of what keeps it."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from services.vocabulary.event import Loss


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for one request. stored: its answer is kept. background: it is made without a client.

    previous_response_id, conversation_id: what it continues. context: how many items of the call come from there, before
    its own. losses: what was asked of the gateway itself and did not happen as asked.
    """

    stored: bool = False
    background: bool = False
    previous_response_id: str | None = None
    conversation_id: str | None = None
    context: int = 0
    losses: Sequence[Loss] = ()


STATELESS: Final = State()


class Recorder(Protocol):
    """Keeps one response, and the events of its stream. state: what was asked."""

    state: State

    def add(self, frames: bytes) -> None:
        """Takes the next events, as server-sent events; all but the last."""
        ...

    async def keep(self, response_id: str, created_at: int, status: str, body: bytes, number: int) -> Sequence[Loss]:
        """Keeps the response; to be awaited before the client hears of its end. What could not be kept; mostly nothing.

        number: of the last event, -1 where there was no stream.
        """
        ...


class Unkept:
    """Keeps nothing, but says what holds for the request. Implements `Recorder`."""

    def __init__(self, state: State) -> None:
        self.state = state

    def add(self, frames: bytes) -> None:
        """See `Recorder.add`."""

    async def keep(
        self,
        response_id: str,  # noqa: ARG002
        created_at: int,  # noqa: ARG002
        status: str,  # noqa: ARG002
        body: bytes,  # noqa: ARG002
        number: int,  # noqa: ARG002
    ) -> Sequence[Loss]:
        """See `Recorder.keep`."""
        return ()
