"""The HTTP client's seam: pieces as they arrive, silences, breaks, aborts, proxies. The peer is a real socket."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from services.wire.http import ConnectionFailed, Http, TimedOut, Timeouts, environment_proxy

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

DEFAULT = Timeouts()
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nX-Some: Thing\r\n\r\n"


def piece(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@asynccontextmanager
async def peer(answer: Peer) -> AsyncIterator[str]:
    """A server that reads one request and lets `answer` write."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"


async def chunks(url: str, timeouts: Timeouts = DEFAULT) -> list[bytes]:
    http = Http(timeouts, proxy_for=lambda scheme, host: None)
    got = []
    try:
        async with http.send("POST", url, {}, b"") as response:
            async for chunk in response.chunks():
                got.append(chunk)
    finally:
        await http.close()
    return got


async def test_pieces_come_one_by_one_and_names_are_lower_case() -> None:
    """Nothing waits for more."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for data in (HEAD, piece(b"one"), piece(b"two"), b"0\r\n\r\n"):
            writer.write(data)
            await asyncio.sleep(0.02)

    async with peer(answer) as url:
        assert await chunks(url) == [b"one", b"two"]


async def test_a_silence_within_a_stream_times_out() -> None:
    """After `idle` seconds, counted from the last piece."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + piece(b"one"))
        await reader.read()

    async with peer(answer) as url:
        with pytest.raises(TimedOut):
            await chunks(url, Timeouts(idle=0.1))


async def test_a_reader_that_takes_its_time_is_no_silence() -> None:
    """Only waiting for the provider counts."""

    read = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + piece(b"one"))
        await read.wait()
        writer.write(piece(b"two") + b"0\r\n\r\n")

    http = Http(Timeouts(idle=0.3), proxy_for=lambda scheme, host: None)
    async with peer(answer) as url, http.send("POST", url, {}, b"") as response:
        pieces = response.chunks()
        assert await anext(pieces) == b"one"
        read.set()
        await asyncio.sleep(0.5)
        assert [each async for each in pieces] == [b"two"]
    await http.close()


@pytest.mark.parametrize("sent", [b"", HEAD])
async def test_silence_before_an_answer_or_within_a_whole_one_times_out(sent: bytes) -> None:
    """After `first_byte` seconds."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await reader.read()

    http = Http(Timeouts(first_byte=0.1))

    async def ask(url: str) -> bytes:
        async with http.send("POST", url, {}, b"") as response:
            return await response.read()

    async with peer(answer) as url:
        with pytest.raises(TimedOut):
            await ask(url)
    await http.close()


async def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it fills the memory, also where it came small and grows when it is unpacked."""
    monkeypatch.setattr("services.wire.http.WHOLE_BYTES_MAX", 8 << 20)
    packed = gzip.compress(bytes(50 << 20))

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(piece(bytes(1 << 16)))
                await writer.drain()

    async def small(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n"
        writer.write(head.encode() + packed)
        await writer.drain()

    http = Http(Timeouts(first_byte=20), proxy_for=lambda scheme, host: None)
    for answer in (endless, small):
        async with peer(answer) as url, http.send("POST", url, {}, b"") as response:
            with pytest.raises(ConnectionFailed, match="more than 8 MiB"):
                await response.read()
    await http.close()


@pytest.mark.parametrize("sent", [b"", HEAD + piece(b"one")])
async def test_a_break_is_a_failed_connection(sent: bytes) -> None:
    """Before the answer, or within it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()

    async with peer(answer) as url:
        with pytest.raises(ConnectionFailed):
            await chunks(url)


async def test_leaving_early_closes_the_connection() -> None:
    """So that the provider stops generating."""
    closed = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + piece(b"one"))
        assert await reader.read() == b""
        closed.set()

    http = Http()
    async with peer(answer) as url:
        async with http.send("POST", url, {}, b"") as response:
            assert response.headers["x-some"] == "Thing"
            async for _ in response.chunks():
                break
        await asyncio.wait_for(closed.wait(), 20)
    await http.close()


async def test_a_proxy_is_used_with_its_credentials() -> None:
    """User and password of the proxy's URL become its header; the target's URL is in the request line."""
    seen: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    address = f"http://me:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    http = Http(proxy_for=lambda scheme, host: address)
    async with server, http.send("POST", "http://provider.example/v1", {}, b"") as response:
        assert await response.read() == b"ok"
    await http.close()
    assert seen[0].startswith(b"POST http://provider.example/v1 ")
    assert b"roxy-authorization: basic bwu6c2vjcmv0" in seen[0].lower()


def test_the_environment_names_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that curl and Python know."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert environment_proxy("https", "provider.example") is None
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "localhost,.internal")
    assert environment_proxy("https", "provider.example") == "http://proxy:3128"
    assert environment_proxy("https", "host.internal") is None
    assert environment_proxy("http", "provider.example") is None
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "")
    for host in ("127.0.0.1", "::1", "localhost"):
        assert environment_proxy("http", host) is None, "a proxy elsewhere would look for it on its own machine"
