"""What all JSON surfaces share: an answer that is being opened becomes bytes, whole or streamed, through `HttpBody` RPCs.

What is raised before the first byte becomes a real HTTP status (runtime/interceptors.py and Envoy see to that); later
failures are events of the stream. A stream that stays silent gets pings, also before the provider's first byte.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Sequence
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import grpc
from google.api.httpbody_pb2 import HttpBody

from services.errors import GatewayError, InvalidRequest, RequestTooLarge, forget
from services.generation import deadline
from services.generation.generation import Generation
from services.generation.heads import collect
from services.surface.patience import patience_s
from services.surface.pump import Pump
from services.vocabulary.call import Call
from services.vocabulary.cost import Cost
from services.vocabulary.event import NativeAnswer

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"

BODY_BYTES_MAX: Final = 32 << 20
MESSAGE_BYTES_MAX: Final = 4 << 20  # the edge holds a message whole before it passes it on, and has a limit for that

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

Answer = TypeVar("Answer")


class Surface(Protocol):
    """A public format's way out. `ping`: what goes out in silence."""

    ping: bytes

    async def whole(self, generation: Generation) -> bytes:
        """The finished answer as JSON. Raises what made it fail."""
        ...

    def sse(self, generation: Generation) -> AsyncIterator[bytes]:
        """The answer as server-sent events, whole frames. Failures are events of it."""
        ...

    def failed(self, call: Call, error: Exception) -> bytes:
        """The whole stream of an answer that failed before any provider began it."""
        ...


def read_body(request: HttpBody, context: Context) -> bytes:
    """The body. Raises `RequestTooLarge`, and `InvalidRequest` for one that is packed."""
    if len(request.data) > BODY_BYTES_MAX:
        raise RequestTooLarge(f"The body is larger than {BODY_BYTES_MAX >> 20} MiB.")
    for name, value in context.invocation_metadata() or ():
        if name == "content-encoding" and value not in ("identity", ""):
            raise InvalidRequest(
                f"The body is packed ({str(value)[:40]}), which is not supported. Send it without Content-Encoding."
            )
    data: bytes = request.data
    return data


async def serve(
    surface: Surface, call: Call, opening: Coroutine[Any, Any, Generation], context: Context, ping_s: float
) -> None:
    """Writes the answer. `ping_s`: seconds of silence after which a stream gets a ping."""
    known = collect()
    deadline.begin(patience_s(context, stream=call.stream))
    if call.stream:
        await _stream(surface, call, asyncio.ensure_future(opening), context, ping_s, known)
        return
    generation = await opening
    body = await answered(generation, surface.whole(generation))
    await head(context, generation.headers)
    await write(context, JSON, body)


async def answered(generation: Generation, answer: Awaitable[Answer]) -> Answer:
    """An answer that is still to be made; should that fail, its headers go with the error."""
    try:
        return await answer
    except GatewayError as error:
        error.headers += generation.headers
        raise


async def native_answer(generation: Generation) -> tuple[bytes, Cost | None]:
    """A whole answer in the client's own format, as the provider gave it, and what it costs."""
    body = b""
    async with generation:
        async for batch in generation.batches:
            for event in batch:
                if isinstance(event, NativeAnswer):
                    body = event.body
        cost = await generation.settle()
    return body, cost


async def head(context: Context, headers: Sequence[tuple[str, str]]) -> None:
    """Sends the headers, where there are any: to be done before anything is written."""
    if headers:
        await context.send_initial_metadata(tuple(headers))


async def write(context: Context, content_type: str, data: bytes) -> None:
    """As one message, or as several when that would be too large for the edge: a picture, a very long answer."""
    if len(data) <= MESSAGE_BYTES_MAX:
        await context.write(HttpBody(content_type=content_type, data=data))
        return
    for start in range(0, len(data), MESSAGE_BYTES_MAX):
        await context.write(HttpBody(content_type=content_type, data=data[start : start + MESSAGE_BYTES_MAX]))


async def write_stream(context: Context, source: AsyncIterator[bytes], ping: bytes, ping_s: float) -> None:
    """Writes events as they come. `ping`: what goes out after each `ping_s` seconds of silence."""

    async def write_events(data: bytes) -> None:
        await write(context, EVENTS, data)

    await Pump(source, write_events, ping, ping_s).run()


async def _stream(
    surface: Surface,
    call: Call,
    begun: "asyncio.Task[Generation]",
    context: Context,
    ping_s: float,
    known: Sequence[tuple[str, str]],
) -> None:
    """Raises only while nothing has been written. `known`: headers of an answer that has not begun."""

    async def write_events(data: bytes) -> None:
        await write(context, EVENTS, data)

    try:
        done, _ = await asyncio.wait({begun}, timeout=ping_s)
        await head(context, begun.result().headers if done else known)
        source = surface.sse(begun.result()) if done else _late(surface, call, begun)
        await Pump(source, write_events, surface.ping, ping_s).run(silent=not done)
    except BaseException:
        await _leave(begun)  # also when the source has not begun to read it
        raise


async def _late(surface: Surface, call: Call, begun: "asyncio.Task[Generation]") -> AsyncIterator[bytes]:
    """A stream whose provider has not answered yet: the status is sent, so a failure is an event."""
    try:
        generation = await _or_leave(begun)
    except Exception as error:  # noqa: BLE001
        yield surface.failed(call, error)
        forget(error)
        return
    async for data in surface.sse(generation):
        yield data


async def _or_leave(begun: "asyncio.Task[Generation]") -> Generation:
    """Awaits an opening; a caller that leaves takes it along."""
    try:
        return await asyncio.shield(begun)
    except asyncio.CancelledError:
        await _leave(begun)
        raise


async def _leave(begun: "asyncio.Task[Generation]") -> None:
    """Stops an opening, or leaves what it has just opened."""
    begun.cancel()
    try:
        generation = await begun
    except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001  # nobody is left to hear of it
        forget(error)
        return
    await generation.leave()
