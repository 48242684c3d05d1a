"""One connection to Redis on which questions do not wait for each other's answers.

redis-py's asyncio client costs 50 µs of CPU per script call, this costs 11: a request makes one, and a connection that all
requests of a process share needs no pool. It reads only what scripts answer: integers, lists of them, words and errors.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

Reply = int | bytes | None | list[int]

_CONNECT_S: Final = 1.0
_PORT: Final = 6379


class LinkError(OSError):
    """The server said no, or said nothing."""


class Link(asyncio.Protocol):
    """A connection that is open, until `closed` is done.

    unclaimed: is told of replies to questions that nobody waits for any more.
    """

    def __init__(self) -> None:
        self.unclaimed: Callable[[asyncio.Future[Reply], Reply], None] = lambda _answer, _reply: None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[asyncio.Future[Reply]] = deque()
        self._unread = b""

    def call(self, *command: bytes) -> "asyncio.Future[Reply]":
        """Sends a command. The future fails with `LinkError`; whoever does not care may let it go."""
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self._transport is None or self.closed.done():
            _fail(answer, "not connected")
            return answer
        self._waiting.append(answer)
        self._transport.write(b"*%d\r\n" % len(command) + b"".join([b"$%d\r\n%b\r\n" % (len(p), p) for p in command]))
        return answer

    def close(self) -> None:
        """Ends the connection and fails what waits."""
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(None)

    # ---- asyncio.Protocol ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        while self._waiting:
            _fail(self._waiting.popleft(), f"the connection ended{f': {exc}' if exc else ''}")

    def data_received(self, data: bytes) -> None:
        data = self._unread + data if self._unread else data
        start = 0
        try:
            while start < len(data) and self._waiting:
                reply, start = _read(data, start)
                answer = self._waiting.popleft()
                if isinstance(reply, LinkError):
                    _fail(answer, str(reply))
                elif answer.done():
                    self.unclaimed(answer, reply)
                else:
                    answer.set_result(reply)
        except IndexError:
            pass  # the rest is still to come
        except ValueError:
            self.close()  # not Redis
            return
        self._unread = data[start:]


async def connect(url: str) -> Link:
    """Opens a connection, with the password and the database of the URL. Raises `LinkError`, `ValueError` for the URL."""
    from redis.connection import parse_url  # noqa: PLC0415 - an optional dependency

    parts: dict[str, Any] = dict(parse_url(url))  # type: ignore[no-untyped-call]
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_S):
            if (path := parts.get("path")) is not None:
                _, link = await loop.create_unix_connection(Link, path)
            else:
                tls = _tls(parts) if url.startswith("rediss") else None
                host, port = parts.get("host") or "localhost", parts.get("port") or _PORT
                _, link = await loop.create_connection(Link, host, port, ssl=tls)
            try:
                if (password := parts.get("password")) is not None:
                    user = [parts["username"].encode()] if parts.get("username") else []
                    await link.call(b"AUTH", *user, password.encode())
                if database := parts.get("db"):
                    await link.call(b"SELECT", str(database).encode())
            except BaseException:
                link.close()
                raise
            return link
    except TimeoutError:
        raise LinkError("no connection in time") from None
    except LinkError:
        raise
    except OSError as error:
        raise LinkError(error.strerror or str(error)) from None


def _tls(parts: Mapping[str, Any]) -> ssl.SSLContext:
    """As redis-py reads the parameters of the URL."""
    context = ssl.create_default_context(cafile=parts.get("ssl_ca_certs"))
    if parts.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if (certificate := parts.get("ssl_certfile")) is not None:
        context.load_cert_chain(certificate, parts.get("ssl_keyfile"))
    return context


def _read(data: bytes, start: int) -> tuple[Reply | LinkError, int]:
    """One reply and where it ends. Raises `IndexError` when more must come, `ValueError` for what is none."""
    end = data.find(b"\r\n", start)
    if end < 0:
        raise IndexError
    kind, line, after = data[start : start + 1], data[start + 1 : end], end + 2
    if kind == b":":
        return int(line), after
    if kind == b"*":
        numbers: list[int] = []
        for _ in range(int(line)):
            number, after = _read(data, after)
            if not isinstance(number, int):
                raise ValueError(number)
            numbers.append(number)
        return numbers, after
    if kind == b"+":
        return line, after
    if kind == b"-":
        return LinkError(line.decode(errors="replace")), after
    if kind == b"$":
        size = int(line)
        if size < 0:
            return None, after
        if len(data) < after + size + 2:
            raise IndexError
        return data[after : after + size], after + size + 2
    raise ValueError(line)


def _fail(answer: "asyncio.Future[Reply]", why: str) -> None:
    if not answer.done():
        answer.set_exception(LinkError(why))
        answer.exception()  # seen: whoever let it go does not want to hear of it
