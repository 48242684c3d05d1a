"""WebSocket upgrades of `/v1/responses`, on a unix socket beside the worker's gRPC one, because gRPC knows no upgrade.

The edge brings only requests with `Upgrade: websocket` here, and passes their bytes as they are. What is said on a connection
is `responses/session.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final, Protocol

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from services.errors import GatewayError, InternalError, InvalidRequest, Overloaded
from services.runtime.paths import SOCKETS
from services.vocabulary.caller import Caller

MESSAGE_BYTES_MAX: Final = 40 << 20
"""A larger one ends the connection. From 32 MiB on a message is read and refused (responses/session.py), as HTTP bodies are."""

WAITING_MAX: Final = 8  # turns that a client asks for before the one at work has ended
PING_SECONDS: Final = 30.0  # half of it without an answer, and the client is gone

_log = structlog.get_logger("sockets")


class Session(Protocol):
    """One conversation."""

    def answer(self, message: bytes) -> AsyncIterator[bytes]:
        """The frames that answer one message. Raises nothing."""
        ...


class Sessions(Protocol):
    """Begins conversations."""

    async def verify(self, authorization: str | None, api_key: str | None) -> Caller:
        """The owner of the key. Raises `InvalidKey`."""
        ...

    def begin(self, caller: Callable[[], Awaitable[Caller]]) -> Session:
        """A new conversation. `caller`: verifies the key again."""
        ...


class Sockets:
    """The connections of one worker. `ping_s`: seconds between pings."""

    def __init__(self, sessions: Sessions, *, ping_s: float = PING_SECONDS) -> None:
        self._sessions = sessions
        self._ping_s = ping_s
        self._open: set[_Connection] = set()
        self._stopping = False
        app = web.Application()
        app.router.add_get(SOCKETS, self._upgrade)
        app.router.add_get(f"{SOCKETS}/", self._upgrade)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self, path: Path) -> None:
        """Listens. Raises `OSError` when it cannot."""
        await self._runner.setup()
        await web.UnixSite(self._runner, path).start()

    async def stop(self, grace: float) -> None:
        """Sends away who is idle, lets turns end for `grace` seconds, and ends those that are left."""
        self._stopping = True
        ending = [asyncio.ensure_future(connection.leave()) for connection in self._open]
        if ending:
            await asyncio.wait(ending, timeout=max(grace, 0.01))
        self.cut()
        await self._runner.cleanup()

    def cut(self) -> None:
        """Ends all turns at work."""
        for connection in self._open:
            connection.cut()

    async def _upgrade(self, request: web.Request) -> web.StreamResponse:
        authorization, api_key = request.headers.get("authorization"), request.headers.get("x-api-key")

        async def caller() -> Caller:
            return await self._sessions.verify(authorization, api_key)

        try:
            if self._stopping:
                raise Overloaded("The gateway is going down; please try again.", retry_after=1)
            await caller()
        except GatewayError as error:
            return _refused(error)
        except Exception:  # noqa: BLE001  # whatever happened, the client is told no more
            _log.exception("upgrade failed")
            return _refused(InternalError())
        socket = web.WebSocketResponse(max_msg_size=MESSAGE_BYTES_MAX, heartbeat=self._ping_s, compress=False)
        if not socket.can_prepare(request):
            return _refused(InvalidRequest("The WebSocket handshake is not complete."))
        await socket.prepare(request)
        connection = _Connection(socket, self._sessions.begin(caller))
        self._open.add(connection)
        try:
            await connection.serve()
        finally:
            self._open.discard(connection)
        return socket


class _Connection:
    """One client. Its messages are read all the time, so that pings are answered and its leaving is seen at once."""

    def __init__(self, socket: web.WebSocketResponse, session: Session) -> None:
        self._socket = socket
        self._session = session
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(WAITING_MAX)
        self._turns: asyncio.Task[None] | None = None
        self._busy = False
        self._leaving = False
        self._left = asyncio.Event()

    async def serve(self) -> None:
        """Until either side closes. A client that leaves stops the turn at work."""
        self._turns = asyncio.create_task(self._answer_all())
        try:
            async for message in self._socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                data = message.data.encode() if isinstance(message.data, str) else message.data
                try:
                    self._waiting.put_nowait(data)
                except asyncio.QueueFull:
                    await self._close(WSCloseCode.POLICY_VIOLATION, "too many turns at once")
                    break
        finally:
            self._turns.cancel()
            await asyncio.gather(self._turns, return_exceptions=True)
            self._left.set()

    async def leave(self) -> None:
        """Closes once no turn is at work; returns when the client has gone."""
        self._leaving = True
        if not self._busy:
            await self._close(WSCloseCode.GOING_AWAY, "going down")
        await self._left.wait()

    def cut(self) -> None:
        """Stops the turn at work."""
        if self._turns is not None:
            self._turns.cancel()

    async def _answer_all(self) -> None:
        while True:
            message = await self._waiting.get()
            self._busy = True
            try:
                await self._answer(message)
            except (ConnectionError, RuntimeError):  # the client has gone in the middle of a frame
                return
            finally:
                self._busy = False
            if self._leaving:
                await self._close(WSCloseCode.GOING_AWAY, "going down")
                return

    async def _answer(self, message: bytes) -> None:
        async with aclosing(self._session.answer(message)) as frames:  # type: ignore[type-var]  # a generator
            async for frame in frames:
                await self._socket.send_str(frame.decode())

    async def _close(self, code: WSCloseCode, why: str) -> None:
        await self._socket.close(code=code, message=why.encode())


def _refused(error: GatewayError) -> web.Response:
    headers = {"retry-after": str(error.retry_after)} if error.retry_after is not None else None
    return web.Response(status=error.http, body=error.body(), content_type="application/json", headers=headers)
