"""The one place that opens connections to providers: aiohttp behind a small seam.

One pool per worker, kept warm; no redirects (a redirect would carry credentials elsewhere); no decompression surprises:
bodies come decoded. Failures leave as `ConnectionFailed` or `TimedOut`, whatever the library calls them.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL

READ_BYTES: Final = 1 << 16


class ConnectionFailed(Exception):
    """No connection, or one that broke."""


class TimedOut(Exception):
    """The peer stayed silent for longer than allowed."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. connect: until the connection stands. first_byte: from the start to the status line, connection included.

    idle: between two reads of the body.
    """

    connect: float = 10.0
    first_byte: float = 600.0
    idle: float = 120.0


class Response:
    """An answer whose body is read whole or in pieces. Header names are lower case."""

    def __init__(self, response: aiohttp.ClientResponse, idle: float) -> None:
        self._response = response
        self._idle = idle
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def read(self) -> bytes:
        """The whole body. Raises `ConnectionFailed` when it ends early."""
        with _failures():
            return await self._response.read()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body in the pieces it arrives in, without waiting for more."""
        content = self._response.content
        with _failures():
            while True:
                async with asyncio.timeout(self._idle):
                    chunk = await content.readany()
                if not chunk:
                    return
                yield chunk


class Http:
    """A pool of connections. Make it inside the event loop; close it at the end."""

    def __init__(self, timeouts: Timeouts = Timeouts()) -> None:
        self.timeouts = timeouts
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                ttl_dns_cache=60,
                keepalive_timeout=60,
                socket_factory=_no_delay,
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect),
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("user-agent", "accept"),
            read_bufsize=READ_BYTES,
            trust_env=True,
        )

    @asynccontextmanager
    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> AsyncIterator[Response]:
        """Sends a request; the body of the answer is still to be read. Leaving early aborts the exchange."""
        timeouts = self.timeouts
        with _failures():
            async with asyncio.timeout(timeouts.first_byte):
                response = await self._session.request(
                    method,
                    URL(url, encoded=True),
                    headers=headers,
                    data=body,
                    allow_redirects=False,
                )
        try:
            yield Response(response, timeouts.idle)
        finally:
            # An answer that was read to its end has given its connection back already; any other is cut here.
            response.close()

    async def close(self) -> None:
        """Closes all connections."""
        await self._session.close()


def _no_delay(address: tuple[int, int, int, str, object]) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


class _failures:  # noqa: N801  # reads as a statement
    """Turns the library's errors into ours."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        if isinstance(error, TimeoutError):
            raise TimedOut from error
        if isinstance(error, aiohttp.ClientError | OSError):
            raise ConnectionFailed(type(error).__name__) from error
