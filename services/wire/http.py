"""The one place that opens connections to providers: aiohttp behind a small seam.

One pool per worker, kept warm; no redirects (a redirect would carry credentials elsewhere); no decompression surprises:
bodies come decoded. Failures leave as `ConnectionFailed` or `TimedOut`, whatever the library calls them.
"""

import asyncio
import base64
import ipaddress
import socket
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypedDict

import aiohttp
from yarl import URL

READ_BYTES: Final = 1 << 16
WHOLE_BYTES_MAX: Final = 64 << 20  # larger than any provider's answer (images come whole); protects memory


class ConnectionFailed(Exception):
    """No connection, or one that broke."""


class TimedOut(Exception):
    """The peer stayed silent for longer than allowed."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. connect: until the connection stands. first_byte: from the start to the status line, connection included.

    idle: between two reads of a body that comes in pieces; one that is read whole has `first_byte` seconds again.
    """

    connect: float = 10.0
    first_byte: float = 600.0
    idle: float = 120.0


class Response:
    """An answer whose body is read whole or in pieces. Header names are lower case."""

    def __init__(self, response: aiohttp.ClientResponse, timeouts: Timeouts) -> None:
        self._response = response
        self._timeouts = timeouts
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def read(self) -> bytes:
        """The whole body. Raises `ConnectionFailed` when it ends early, or is larger than any answer can be."""
        content = self._response.content
        pieces: list[bytes] = []
        size = 0
        with _failures():
            async with asyncio.timeout(self._timeouts.first_byte):
                while piece := await content.readany():
                    pieces.append(piece)
                    size += len(piece)
                    if size > WHOLE_BYTES_MAX:
                        raise ConnectionFailed(f"an answer of more than {WHOLE_BYTES_MAX >> 20} MiB")
        return b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body in the pieces it arrives in, without waiting for more."""
        content = self._response.content
        silence = _Silence(self._timeouts.idle, self._response.close)
        try:
            with _failures():
                while True:
                    silence.begins()
                    chunk = await content.readany()
                    silence.ends()
                    if not chunk:
                        return
                    yield chunk
        except ConnectionFailed:
            if silence.too_long:
                raise TimedOut from None
            raise
        finally:
            silence.forget()


class _Silence:
    """Calls `on_too_long` when a silence lasts for `limit` seconds.

    One timer for a whole answer, which looks now and then how long the present silence is: a timeout around every read costs
    more than the read.
    """

    def __init__(self, limit: float, on_too_long: Callable[[], None]) -> None:
        self._limit = limit
        self._on_too_long = on_too_long
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._timer = self._loop.call_later(limit, self._look)
        self.too_long = False

    def begins(self) -> None:
        self._since = self._loop.time()

    def ends(self) -> None:
        self._since = None

    def forget(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        left = self._limit if self._since is None else self._since + self._limit - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self.too_long = True
            self._on_too_long()


ProxyFor = Callable[[str, str], str | None]
"""Scheme and host of a URL -> the proxy to reach it by, or None."""


def environment_proxy(scheme: str, host: str) -> str | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY ask for; a loopback address is always asked directly."""
    if _is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(scheme) or proxies.get("all")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Http:
    """A pool of connections. Make it inside the event loop; close it at the end. `proxy_for` is asked once per host."""

    def __init__(self, timeouts: Timeouts = Timeouts(), proxy_for: ProxyFor = environment_proxy) -> None:
        self.timeouts = timeouts
        self._proxy_for = proxy_for
        self._proxies: dict[tuple[str, str], _Proxy] = {}
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
            trust_env=False,  # it reads the environment and ~/.netrc (in a thread) for every request
        )

    @asynccontextmanager
    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> AsyncIterator[Response]:
        """Sends a request; the body of the answer is still to be read. Leaving early aborts the exchange."""
        target = URL(url, encoded=True)
        proxy = self._proxy(target)
        if proxy["proxy_headers"] and target.scheme == "http":  # no tunnel: the proxy reads the request itself
            headers = {**headers, **proxy["proxy_headers"]}
        with _failures():
            async with asyncio.timeout(self.timeouts.first_byte):
                response = await self._session.request(
                    method, target, headers=headers, data=body, allow_redirects=False, **proxy
                )
        try:
            yield Response(response, self.timeouts)
        finally:
            # An answer that was read to its end has given its connection back already; any other is cut here.
            response.close()

    def _proxy(self, target: URL) -> "_Proxy":
        place = (target.scheme, target.host or "")
        try:
            return self._proxies[place]
        except KeyError:
            return self._proxies.setdefault(place, _proxy(self._proxy_for(*place)))

    async def close(self) -> None:
        """Closes all connections."""
        await self._session.close()


class _Proxy(TypedDict):
    proxy: URL | None
    proxy_headers: dict[str, str] | None


def _proxy(address: str | None) -> _Proxy:
    """Aiohttp's arguments for a proxy; user and password, where its URL has them, go into a header."""
    if address is None:
        return {"proxy": None, "proxy_headers": None}
    url = URL(address if "://" in address else f"http://{address}")
    if url.user is None:
        return {"proxy": url, "proxy_headers": None}
    credentials = base64.b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
    return {"proxy": url.with_user(None), "proxy_headers": {"proxy-authorization": f"Basic {credentials}"}}


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
