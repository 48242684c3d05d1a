"""Turns whatever a servicer raises into the error table, for gRPC clients and for REST clients.

A gRPC client gets the code, the message and `google.rpc.ErrorInfo` (and `RetryInfo`) as status details. A REST client must
get our JSON with the exact HTTP status, which gRPC cannot say: it travels in metadata that only the edge reads
(`envoy/edge.lua`). Nothing that is not a `GatewayError` is shown: it is logged, and the client gets `InternalError`.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeAlias, TypeVar
from urllib.parse import quote

import grpc
import structlog
from google.protobuf.message import DecodeError

from services import errors_anthropic
from services.errors import GatewayError, InternalError, InvalidRequest, Overloaded, forget
from services.errors_grpc import DETAILS, rich_status
from services.runtime.journal import Journal

MESSAGE_LENGTH_MAX: Final = 2000
PARAM_LENGTH_MAX: Final = 200
ENCODED_MAX: Final = 4000
"""Errors travel in headers. gRPC refuses more than 8 KiB of them, not always but with growing likelihood, and a message is
there twice: in the details, and in `grpc-message` with three characters for each byte that is not plain."""

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Request = TypeVar("Request")
Response = TypeVar("Response")

Read: TypeAlias = "Callable[[bytes], Any] | None"

_DIED: Final = "The gateway lost the process that handled this request. It is not repeated from here; please try again."

_log = structlog.get_logger("rpc")


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every unary-unary and unary-stream method. Cancellation and our own `abort` pass through.

    handling: the calls that are being handled, those included that were cut off and are cleaning up.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        """`journal`: notes what is begun, and refuses what was begun before."""
        self.handling: set[asyncio.Task[Any]] = set()
        self._journal = journal

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Request, Response] | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Request, Response] | None":
        """The method's handler, wrapped."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or handler.request_streaming:
            return handler  # unknown methods, and reflection, which has errors of its own
        read, write = handler.request_deserializer, handler.response_serializer
        if not handler.response_streaming:
            unary = self._guarded(handler.unary_unary, read, method)
            return grpc.unary_unary_rpc_method_handler(unary, None, write)
        behaviour: Any = handler.unary_stream
        if not inspect.iscoroutinefunction(behaviour):
            behaviour = _writing(behaviour)
        return grpc.unary_stream_rpc_method_handler(self._guarded(behaviour, read, method), None, write)

    def _guarded(self, behaviour: Any, read: Read, method: str) -> Callable[[bytes, Context], Awaitable[Any]]:
        async def handle(data: bytes, context: Context) -> Any:
            task = asyncio.current_task()
            assert task is not None, "grpc.aio runs each call in a task"
            self.handling.add(task)
            try:
                if self._journal is not None and not self._journal.begin(context.invocation_metadata() or ()):
                    raise Overloaded(_DIED, retry_after=1)
                return await behaviour(_message(data, read), context)
            except (asyncio.CancelledError, grpc.aio.AbortError):
                raise
            except Exception as error:  # noqa: BLE001 - the last place where an error can become an answer
                del data  # grpc keeps the abort in a circle with this frame, until the collector comes
                await _abort(context, error, method)
            finally:
                self.handling.discard(task)

        return handle


def _writing(behaviour: Any) -> Callable[[Any, Context], Awaitable[None]]:
    """A handler that yields, as one that writes: it is closed at once when the caller leaves, not when it is collected."""

    async def write(request: Any, context: Context) -> None:
        async with aclosing(behaviour(request, context)) as answers:
            async for answer in answers:
                await context.write(answer)

    return write


def _message(data: bytes, read: Read) -> Any:
    """The request, read here and not by grpc, which would answer UNKNOWN with a Python class in its text."""
    if read is None:
        return data
    try:
        return read(data)
    except DecodeError:
        raise InvalidRequest("The message is not of the type that this method takes.") from None


async def _abort(context: Context, error: Exception, method: str) -> NoReturn:
    metadata = {str(key): value for key, value in context.invocation_metadata() or ()}
    if not isinstance(error, GatewayError):
        _log.exception("unexpected error", method=method, request_id=metadata.get("x-request-id"))
        forget(error)
        error = InternalError()
    forget(error)
    error.message = _fitting(error.message, MESSAGE_LENGTH_MAX)
    if error.param:  # may be a provider's word, of any length
        error.param = _fitting(error.param, PARAM_LENGTH_MAX)
    if error.model:  # may be the client's
        error.model = _fitting(error.model, PARAM_LENGTH_MAX)
    if "x-envoy-original-path" in metadata:  # transcoded by the edge
        trailers = [("x-http-status", str(error.http)), ("x-error-body", quote(_body(error, metadata)))]
        if error.retry_after is not None:
            trailers.append(("retry-after", str(error.retry_after)))
    else:
        trailers = [(DETAILS, rich_status(error).SerializeToString())]
    trailers += error.headers
    await context.abort(error.grpc, error.message, tuple(trailers))


def _body(error: GatewayError, metadata: Mapping[str, Any]) -> bytes:
    """The JSON, in the shape that the clients of the path expect."""
    if errors_anthropic.speaks(str(metadata["x-envoy-original-path"])):
        return errors_anthropic.body(error, metadata.get("x-request-id"))
    return error.body()


def _fitting(text: str, length: int) -> str:
    """The beginning of a text that fits into a header, percent-encoded as gRPC does it (PROTOCOL-HTTP2, Status-Message)."""
    text = text[:length]
    room = ENCODED_MAX * length // MESSAGE_LENGTH_MAX
    for position, character in enumerate(text):
        plain = " " <= character <= "~" and character != "%"
        room -= 1 if plain else 3 * len(character.encode("utf-8", "replace"))
        if room < 0:
            return text[:position]
    return text
