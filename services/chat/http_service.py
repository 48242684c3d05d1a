"""The chat surface: bytes in, JSON or server-sent events out, through an RPC of `google.api.HttpBody`."""

from concentrate.http.v1 import chat_http_service_pb2_grpc
from google.api.httpbody_pb2 import HttpBody

from services.chat import intake
from services.chat.answer import Answer
from services.chat.intake import Asked
from services.errors import GatewayError
from services.generation.generation import Generation
from services.generation.generator import Generator
from services.ports import KeyRing
from services.surface.credentials import credentials
from services.surface.serving import Context, read_body, serve
from services.vocabulary.caller import Caller

SURFACE = "chat"


class ChatHttp(chat_http_service_pb2_grpc.ChatHttpServiceServicer):
    """Serves `concentrate.http.v1.ChatHttpService`. `ping_s`: seconds of silence after which a stream gets a ping."""

    def __init__(self, generator: Generator, keys: KeyRing, *, ping_s: float = 5.0) -> None:
        self._generator = generator
        self._keys = keys
        self._ping_s = ping_s

    async def CreateChatCompletion(  # type: ignore[override]  # noqa: N802  # grpc.aio also takes a handler that writes
        self, request: HttpBody, context: Context
    ) -> None:
        """`POST /v1/chat/completions`."""
        caller = await self._keys.verify(*credentials(context))
        async with self._generator.reading(caller, surface=SURFACE):
            asked = intake.read(read_body(request, context))
        await serve(Answer(asked), asked.call, self._open(asked, caller), context, self._ping_s)

    async def _open(self, asked: Asked, caller: Caller) -> Generation:
        try:
            return await self._generator.open(asked.call, caller, surface=SURFACE)
        except GatewayError as error:
            raise asked.names.said(error) from error.__cause__
