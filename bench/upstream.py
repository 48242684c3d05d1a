"""A fake provider: HTTP/1.1 on loopback, prepared bytes, as little work per request as asyncio allows.

    python -m bench.upstream --port 9500

A model id that holds "paced" gets a stream chunk every 10 ms; any other gets them one after the other without waiting.
`GET /_/aborts` tells when clients broke off streams (monotonic seconds), and forgets it.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from typing import Final, cast

import uvloop

from bench.answers import ANSWERS, STREAMED

PACE_S: Final = 0.010

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream" *: *true')
_PACED = re.compile(rb'"model" *: *"[^"]*paced')

_aborts: list[float] = []


def _whole(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


_STREAM_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

_AWS_HEAD: Final = _STREAM_HEAD.replace(b"text/event-stream", b"application/vnd.amazon.eventstream")


class Connection(asyncio.Protocol):
    """One client. Requests on a connection come one after the other."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            _aborts.append(time.monotonic())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._buffer, 0, end)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < total:
                return
            request, self._buffer = self._buffer[:total], self._buffer[total:]
            self._answer(request, end)

    def _answer(self, request: bytes, head_end: int) -> None:
        assert self._transport is not None
        path = request.split(b" ", 2)[1].split(b"?")[0].decode()
        if path == "/_/aborts":
            self._transport.write(_whole(json.dumps(_aborts).encode()))
            _aborts.clear()
            return
        wire = next((wire for ending, wire in _WIRE.items() if path.endswith(ending)), None)
        if wire is None:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        elif path.endswith(STREAMED) or _STREAM.search(request, head_end):
            self._transport.write(_AWS_HEAD if path.endswith("/converse-stream") else _STREAM_HEAD)
            self._stream(wire[1], 0, PACE_S if _PACED.search(request, head_end) else 0)
        else:
            self._transport.write(wire[0])

    def _stream(self, chunks: list[bytes], index: int, pace: float) -> None:
        if self._transport is None:
            return
        self._transport.write(chunks[index])
        if index + 1 == len(chunks):
            self._timer = None
            self._transport.write(b"0\r\n\r\n")
            return
        loop = asyncio.get_running_loop()
        self._timer = (
            loop.call_later(pace, self._stream, chunks, index + 1, pace)
            if pace
            else loop.call_soon(self._stream, chunks, index + 1, pace)
        )


def _chunk(piece: bytes) -> bytes:
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


_WIRE: Final = {
    ending: (_whole(answers.whole), [_chunk(piece) for piece in answers.stream]) for ending, answers in ANSWERS.items()
}


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=1024)
    sys.stdout.write(f"ready {server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(parser.parse_args().port))
