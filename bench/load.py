"""The load: a fixed number of requests over a fixed number of connections to a port of this machine, and then it stops."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

HOST: Final = "127.0.0.1"  # never anything else
SECONDS_MAX: Final = 120
PROMPT: Final = "Tell me something about gateways. " * 28  # a request of about 1 kB


@dataclass(frozen=True)
class Work:
    """What to send. count: requests in all; connections: how many at a time."""

    body: bytes
    count: int
    connections: int
    ends_with: bytes  # what a complete answer has near its end
    key: str = ""
    path: str = "/v1/responses"

    def request(self, port: int) -> bytes:
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: {HOST}:{port}\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {self.key}\r\ncontent-length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@dataclass
class Done:
    """seconds: wall time. latencies and first_bytes: seconds per request, in the order of their ends."""

    seconds: float = 0
    latencies: list[float] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)


class _Client(asyncio.Protocol):
    """One connection: request, whole answer, next request, until none is left."""

    def __init__(self, work: Work, request: bytes, left: list[int], done: Done, finished: asyncio.Future[None]) -> None:
        self._work, self._request, self._left, self._done, self._finished = work, request, left, done, finished
        self._answer: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        assert self._transport is not None
        if not self._left[0]:
            self._transport.close()
            self._finish(None)
            return
        self._left[0] -= 1
        self._answer.clear()
        self._length = self._received = 0
        self._started = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._answer:
            self._done.first_bytes.append(time.perf_counter() - self._started)
            self._length = _content_length(data)
        self._answer.append(data)
        self._received += len(data)
        if self._received < self._length if self._length else not data.endswith(b"0\r\n\r\n"):
            return
        whole = b"".join(self._answer)
        if not whole.startswith(b"HTTP/1.1 200") or self._work.ends_with not in whole[-4000:]:
            self._finish(RuntimeError(f"unexpected answer: {whole[:600]!r} … {whole[-300:]!r}"))
            return
        self._done.latencies.append(time.perf_counter() - self._started)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(exc or RuntimeError("the server closed a connection"))

    def _finish(self, error: Exception | None) -> None:
        if self._finished.done():
            return
        if error is None:
            self._finished.set_result(None)
        else:
            self._finished.set_exception(error)


def _content_length(data: bytes) -> int:
    """Bytes of the whole answer, head included; 0 when it is chunked."""
    head, _, _ = data.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(head) + 4 + int(value)
    return 0


async def run(port: int, work: Work) -> Done:
    """Sends it all. Raises `RuntimeError` for any answer but a complete 200."""
    done, left = Done(), [work.count]
    request, loop = work.request(port), asyncio.get_running_loop()
    finished: list[asyncio.Future[None]] = [loop.create_future() for _ in range(work.connections)]
    started = time.perf_counter()
    async with asyncio.timeout(SECONDS_MAX):
        for future in finished:
            await loop.create_connection(partial(_Client, work, request, left, done, future), HOST, port)
        await asyncio.gather(*finished)
    done.seconds = time.perf_counter() - started
    assert len(done.latencies) == work.count
    return done


def body(model: str, *, stream: bool) -> bytes:
    """A Responses request of about 1 kB."""
    return json.dumps({"model": model, "input": PROMPT, "stream": stream, "store": False}).encode()
