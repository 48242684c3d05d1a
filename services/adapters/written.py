"""A call as one target gets it: without what it must not see, its tools in words the target has; and the way back."""

from collections.abc import Sequence
from dataclasses import replace

from services.adapters import carry
from services.adapters.dialect import Dialect, HttpRequest, UrlNotTaken
from services.adapters.spread import Spread, lacks
from services.catalog.schema import Target
from services.errors import InvalidRequest
from services.vocabulary.call import Call
from services.vocabulary.event import Event, Loss


class Written:
    """For one attempt. call: what the dialect writes. losses: what it does without; paths are of the client's request."""

    def __init__(self, call: Call, losses: list[Loss], spread: Spread | None) -> None:
        self.call = call
        self.losses = losses
        self._spread = spread

    def request(self, dialect: Dialect, target: Target) -> HttpRequest:
        """What to send. Raises `InvalidRequest` with the path in the client's request."""
        if self._spread is None:
            return dialect.request(self.call, target)
        try:
            request = dialect.request(self.call, target)
        except UrlNotTaken:
            raise
        except InvalidRequest as error:
            raise self._spread.error(error) from None
        return replace(request, losses=self._spread.told(request.losses))

    def restored(self, events: Sequence[Event]) -> Sequence[Event]:
        """The events of an answer as the client asked for them."""
        return events if self._spread is None else self._spread.restored(events)


def written_for(call: Call, target: Target, dialect: str, scope: str) -> Written:
    """The call for one target. `dialect` is its wire format's name. Raises `InvalidRequest`."""
    native_elsewhere = dialect != "openai_responses" and carry.is_native(call, dialect)
    if native_elsewhere or not lacks(call, target):
        return Written(*carry.prepare(call, target, dialect, scope), None)
    spread = Spread(call, target)
    try:
        prepared, losses = carry.prepare(spread.call, target, dialect, scope)
    except InvalidRequest as error:
        raise spread.error(error) from None
    return Written(prepared, [*spread.losses, *spread.told(losses)], spread)
