"""HTTP clients side by side: CPU time per JSON call and per streamed chunk, time to the first chunk, time to abort.

    python -m bench.http_clients            # those of aiohttp, pyreqwest and httpx that are installed

Each client runs in a process of its own, in turn, over several rounds; the numbers are medians. The streams are read as
the gateway reads them: every piece as soon as it is there.
"""

import argparse
import asyncio
import importlib.util
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import uvloop

from bench.answers import CHUNKS

ROUNDS: Final = 3
CALLS, STREAMS, PACED = 1500, 200, 100
CONCURRENCY: Final = 20
ABORTS: Final = 10

HEADERS: Final = {"content-type": "application/json", "authorization": "Bearer sk-none"}
PROMPT: Final = "Tell me something about gateways. " * 28  # about 1 kB

Send = Callable[[bytes], Any]
"""An async context manager: sends the body, gives an async iterator over the pieces of the answer."""


@asynccontextmanager
async def with_aiohttp(url: str) -> AsyncIterator[Send]:
    import aiohttp  # noqa: PLC0415 - only the measured one is loaded

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=True)

    @asynccontextmanager
    async def send(body: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        async with session.post(url, data=body, headers=HEADERS) as response:
            yield response.content.iter_any()

    async with session:
        yield send


@asynccontextmanager
async def with_httpx(url: str) -> AsyncIterator[Send]:
    import httpx  # noqa: PLC0415 - only the measured one is loaded

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    client = httpx.AsyncClient(limits=limits, timeout=60)

    @asynccontextmanager
    async def send(body: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        async with client.stream("POST", url, content=body, headers=HEADERS) as response:
            yield response.aiter_bytes()

    async with client:
        yield send


@asynccontextmanager
async def with_pyreqwest(url: str) -> AsyncIterator[Send]:
    from pyreqwest.client import ClientBuilder  # noqa: PLC0415 - only the measured one is loaded

    async def pieces(response: Any) -> AsyncIterator[bytes]:
        while (piece := await response.body_reader.read_chunk()) is not None:
            yield piece

    @asynccontextmanager
    async def send(body: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        request = client.post(url).headers(HEADERS).body_bytes(body).streamed_read_buffer_limit(0)
        async with request.build_streamed() as response:
            yield pieces(response)

    async with ClientBuilder().build() as client:
        yield send


CLIENTS: Final = {"aiohttp": with_aiohttp, "pyreqwest": with_pyreqwest, "httpx": with_httpx}


def body(*, stream: bool, model: str = "bench") -> bytes:
    return json.dumps({"model": model, "stream": stream, "input": PROMPT}).encode()


async def read(send: Send, request: bytes) -> tuple[float, int]:
    """Seconds to the first piece, and bytes read."""
    started, first, total = time.perf_counter(), 0.0, 0
    async with send(request) as pieces:
        async for piece in pieces:
            first = first or time.perf_counter() - started
            total += len(piece)
    assert total > 1000
    return first, total


async def batch(send: Send, request: bytes, count: int, concurrency: int) -> tuple[float, float]:
    """CPU seconds of this process for `count` requests, and the median seconds to the first piece."""
    firsts: list[float] = []
    left = count

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            firsts.append((await read(send, request))[0])

    started = time.process_time()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return time.process_time() - started, statistics.median(firsts)


async def abort_ms(send: Send, upstream: str) -> float:
    """Median milliseconds from leaving a stream after three pieces until the provider sees the connection close."""
    left: list[float] = []
    for _ in range(ABORTS):
        async with send(body(stream=True, model="paced")) as pieces:
            for _ in range(3):
                await anext(pieces)
            left.append(time.monotonic())
        await asyncio.sleep(0.05)
    seen = await asyncio.to_thread(_aborts_seen, upstream)
    if len(seen) != len(left):
        return float("nan")
    return statistics.median((after - before) * 1000 for before, after in zip(left, seen, strict=True))


def _aborts_seen(upstream: str) -> list[float]:
    with urllib.request.urlopen(f"{upstream}/_/aborts") as response:  # our own process, on loopback
        seen: list[float] = json.load(response)
    return seen


async def measure(name: str, upstream: str) -> dict[str, float]:
    async with CLIENTS[name](f"{upstream}/v1/responses") as send:
        await batch(send, body(stream=False), 100, CONCURRENCY)  # warm: connections, imports
        whole, _ = await batch(send, body(stream=False), CALLS, CONCURRENCY)
        unpaced, _ = await batch(send, body(stream=True), STREAMS, CONCURRENCY)
        paced, first = await batch(send, body(stream=True, model="paced"), PACED, PACED)
        return {
            "call_us": whole / CALLS * 1e6,
            "chunk_us": unpaced / STREAMS / CHUNKS * 1e6,
            "paced_chunk_us": paced / PACED / CHUNKS * 1e6,
            "first_chunk_ms": first * 1000,
            "abort_ms": await abort_ms(send, upstream),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", help="measure one client in this process, and print JSON")
    parser.add_argument("--upstream")
    arguments = parser.parse_args()
    if arguments.child:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(json.dumps(runner.run(measure(arguments.child, arguments.upstream))))
        return
    server = subprocess.Popen([sys.executable, "-m", "bench.upstream"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    upstream = f"http://127.0.0.1:{server.stdout.readline().split()[1]}"
    names = [name for name in CLIENTS if importlib.util.find_spec(name)]
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    try:
        for _ in range(ROUNDS):
            for name in names:
                command = [sys.executable, "-m", "bench.http_clients", "--child", name, "--upstream", upstream]
                done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
                results[name].append(json.loads(done.stdout))
    finally:
        server.terminate()
        server.wait(5)
    columns = list(results[names[0]][0])
    print(f"{'':12}" + "".join(f"{column:>24}" for column in columns))
    for name in names:
        cells = []
        for column in columns:
            values = [row[column] for row in results[name]]
            cells.append(f"{statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f})")
        print(f"{name:12}" + "".join(f"{cell:>24}" for cell in cells))


if __name__ == "__main__":
    main()
