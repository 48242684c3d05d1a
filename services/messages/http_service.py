"""`POST /v1/messages` and `/v1/messages/count_tokens`, through RPCs of `google.api.HttpBody`."""

from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import msgspec
from concentrate.http.v1 import messages_http_service_pb2_grpc
from google.api.httpbody_pb2 import HttpBody

from services.errors import InvalidRequest
from services.generation.generator import Generator
from services.messages.counting import Counting
from services.messages.intake import HEADERS, Reading, read
from services.messages.surface import MessagesSurface
from services.ports import KeyRing
from services.surface.credentials import credentials
from services.surface.serving import JSON, Context, read_body, serve

SURFACE: Final = "messages"

T = TypeVar("T")


class MessagesHttp(messages_http_service_pb2_grpc.MessagesHttpServiceServicer):
    """Serves `concentrate.http.v1.MessagesHttpService`. `ping_s`: seconds of silence after which a stream gets a ping."""

    def __init__(self, generator: Generator, counting: Counting, keys: KeyRing, *, ping_s: float = 5.0) -> None:
        self._generator = generator
        self._counting = counting
        self._keys = keys
        self._ping_s = ping_s

    async def CreateMessage(  # type: ignore[override]  # noqa: N802  # grpc.aio also takes a handler that writes
        self, request: HttpBody, context: Context
    ) -> None:
        """`POST /v1/messages`."""
        caller = await self._keys.verify(*credentials(context))
        headers = _metadata(context)
        async with self._generator.reading(caller, surface=SURFACE):
            reading = read(read_body(request, context), _of_format(headers))
        surface = MessagesSurface(reading, headers.get("x-request-id"))
        opening = _in_its_words(reading, self._generator.open(reading.call, caller, surface=SURFACE))
        await serve(surface, reading.call, opening, context, self._ping_s)

    async def CountTokens(self, request: HttpBody, context: Context) -> HttpBody:  # noqa: N802
        """`POST /v1/messages/count_tokens`."""
        caller = await self._keys.verify(*credentials(context))
        reading = read(read_body(request, context), _of_format(_metadata(context)), counted=True)
        count = await _in_its_words(reading, self._counting.count(reading.call, caller))
        return HttpBody(content_type=JSON, data=msgspec.json.encode(count))


async def _in_its_words(reading: Reading, work: Coroutine[Any, Any, T]) -> T:
    """Errors about the request name its parameters as the client wrote them."""
    try:
        return await work
    except InvalidRequest as error:
        raise reading.places.error(error) from error.__cause__


def _metadata(context: Context) -> dict[str, str]:
    """The request's headers; of one that came twice, both values."""
    found: dict[str, str] = {}
    for name, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _of_format(headers: dict[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in HEADERS if name in headers}
