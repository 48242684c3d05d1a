"""The Responses API on a WebSocket, through the real Envoy: turns, limits, leaving, draining, dying."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.edge.endless import Endless
from tests.gateway import Gateway, serving
from tests.responses.test_open_responses import _EVENTS, _validator, check_response, mistakes, specified

Socket = aiohttp.ClientWebSocketResponse

ENDED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


@asynccontextmanager
async def connected(gateway: Gateway, path: str = "/v1/responses", **headers: str) -> AsyncIterator[Socket]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"{gateway.url}{path}",
            headers=headers or gateway.headers,
            max_msg_size=0,
            timeout=aiohttp.ClientWSTimeout(ws_close=0.5),
        ) as socket,
    ):
        yield socket


async def ask(socket: Socket, text: str, **more: Any) -> None:
    await socket.send_json({"type": "response.create", "model": "sandbox/echo", "input": text, "store": False, **more})


async def answer(socket: Socket) -> list[dict[str, Any]]:
    """The frames up to the last of a turn."""
    frames = []
    while True:
        frames.append(json.loads(await socket.receive_str(timeout=20)))
        if frames[-1]["type"] in ("response.completed", "response.incomplete", "response.failed", "error"):
            return frames


def text_of(frames: list[dict[str, Any]]) -> str:
    return "".join(each["delta"] for each in frames if each["type"] == "response.output_text.delta")


async def test_turns_on_one_connection(gateway: Gateway):
    """The events of a stream as frames, numbered; the second turn continues the first, which nobody stored."""
    async with connected(gateway) as socket:
        await ask(socket, "one two three")
        first = await answer(socket)
        assert [each["sequence_number"] for each in first] == list(range(len(first)))
        assert (text_of(first), first[-1]["type"]) == ("one two three", "response.completed")
        await ask(socket, "four", previous_response_id=first[-1]["response"]["id"], stream=True)
        second = await answer(socket)
    assert text_of(second) == "four"
    usage = [frames[-1]["response"]["usage"]["input_tokens"] for frames in (first, second)]
    assert usage[1] > usage[0] + 3, "the model saw the first turn too"
    assert second[-1]["response"]["previous_response_id"] == first[-1]["response"]["id"]


async def test_stored_and_unstored_turns_follow_each_other(gateway: Gateway):
    """Each is continued from where it is known: the store, or the connection.

    One that is stored after one that is not begins a chain of its own, which holds all items.
    """
    async with connected(gateway) as socket:
        tokens, previous, was_stored = [0], None, True
        for number, store in enumerate((True, False, False, True, False)):
            await ask(socket, f"word {number}", store=store, **({"previous_response_id": previous} if previous else {}))
            last = (await answer(socket))[-1]
            assert last["type"] == "response.completed", last
            assert last["response"]["store"] is store
            assert last["response"]["previous_response_id"] == (None if store and not was_stored else previous)
            previous, was_stored = last["response"]["id"], store
            tokens.append(last["response"]["usage"]["input_tokens"])
    grown = [after - before for before, after in pairwise(tokens)]
    assert len(set(grown[1:])) == 1, "each turn adds itself and the answer before it, and nothing twice"


async def test_turns_that_wait_are_answered_in_order(gateway: Gateway):
    """One at a time."""
    async with connected(gateway, "/v1/responses/?beta=true") as socket:
        for word in ("first", "second", "third"):
            await ask(socket, f"{word} [[delay 20]]")
        assert [text_of(await answer(socket)) for _ in range(3)] == ["first", "second", "third"]


@specified
async def test_frames_are_what_open_responses_specifies(gateway: Gateway):
    """The events of a stream, the whole response, and the error that ends a turn."""
    events, error = _validator(*_EVENTS), _validator("WebSocketErrorEvent")
    async with connected(gateway) as socket:
        await ask(socket, "hello")
        frames = await answer(socket)
        for frame in frames:
            assert not mistakes(events, frame), frame["type"]
        check_response(frames[-1]["response"])
        await ask(socket, "go on", previous_response_id="resp_unknown")
        assert not mistakes(error, (await answer(socket))[0])
        await ask(socket, "[[fail 429 7]]")
        assert not mistakes(error, (await answer(socket))[0])


async def test_what_was_compacted_begins_a_new_chain(gateway: Gateway):
    """Its items are the input of a turn, which can be continued."""
    async with (
        aiohttp.ClientSession(headers=gateway.headers) as session,
        session.post(
            f"{gateway.url}/v1/responses/compact",
            json={"model": "sandbox/echo", "prompt_cache_key": "k", "input": [{"role": "user", "content": "long ago"}]},
        ) as response,
    ):
        compacted = await response.json()
        assert (response.status, compacted["object"]) == (200, "response.compaction"), compacted
    async with connected(gateway) as socket:
        await ask(socket, "", input=[*compacted["output"], {"role": "user", "content": "and now"}])
        first = await answer(socket)
        assert (text_of(first), first[-1]["type"]) == ("and now", "response.completed")
        await ask(socket, "go on", previous_response_id=first[-1]["response"]["id"])
        assert text_of(await answer(socket)) == "go on"


async def test_another_connection_does_not_know_the_answer(gateway: Gateway):
    """After a reconnect the client is told so, in the frame it waits for, and the connection is as good as new."""
    async with connected(gateway) as socket:
        await ask(socket, "one")
        known = (await answer(socket))[-1]["response"]["id"]
    async with connected(gateway) as socket:
        await ask(socket, "two", previous_response_id=known)
        (error,) = await answer(socket)
        assert (error["type"], error["status"], error["error"]["code"]) == ("error", 400, "previous_response_not_found")
        await ask(socket, "three")
        assert text_of(await answer(socket)) == "three"


async def test_a_failure_of_the_provider_is_an_error_frame(gateway: Gateway):
    """Before the answer began, with the status a POST would have had; later, as in a stream."""
    async with connected(gateway) as socket:
        await ask(socket, "[[fail 503]]")
        (error,) = await answer(socket)
        assert (error["type"], error["status"]) == ("error", 424)
        await ask(socket, "one two three [[error 2]]")
        frames = [*await answer(socket), *await answer(socket)]
        assert [each["type"] for each in frames[-2:]] == ["error", "response.failed"]


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/v1/responses", {"authorization": "Bearer sk-cn-v1-nobody"}, 401, "invalid_api_key"),
        ("/v1/responses", {"user-agent": "nobody"}, 401, "invalid_api_key"),
        ("/v1/messages", {}, 426, "upgrade_required"),
    ],
)
async def test_an_upgrade_that_is_refused_says_why(
    gateway: Gateway, path: str, headers: dict[str, str], status: int, code: str
):
    """With the status and the JSON of any other error."""
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{gateway.url}{path}", headers=upgrade | (headers or gateway.headers)) as response,
    ):
        assert response.status == status
        assert (await response.json())["error"]["code"] == code


async def test_a_key_may_come_as_x_api_key(gateway: Gateway):
    """As on every other surface."""
    async with connected(gateway, **{"x-api-key": gateway.key}) as socket:
        await ask(socket, "hi")
        assert text_of(await answer(socket)) == "hi"


async def test_a_message_that_is_too_large_is_refused(gateway: Gateway):
    """With the status a POST would have had; the connection is as good as before."""
    async with connected(gateway) as socket:
        await ask(socket, "x" * (33 << 20))
        (error,) = await answer(socket)
        assert (error["type"], error["status"], error["error"]["code"]) == ("error", 413, "request_too_large")
        await ask(socket, "hi")
        assert text_of(await answer(socket)) == "hi"


async def test_a_client_that_leaves_stops_the_provider(unending: tuple[Gateway, Endless]):
    """In the middle of a turn."""
    gateway, provider = unending
    provider.again()
    async with connected(gateway) as socket:
        await ask(socket, "hi", model="mistral/m")
        while json.loads(await socket.receive_str(timeout=20))["type"] != "response.output_text.delta":
            pass
        assert not provider.left.is_set()
    assert await asyncio.to_thread(provider.left.wait, 20)


async def test_dying_and_draining(tmp_path: Path):
    """A dead worker's connections end, and the next one takes new ones, because the one that stood by was told where.

    Draining sends the idle away and lets turns end; the gateway does not wait for who only sits there.
    """
    with serving(tmp_path, DRAIN_SECONDS="60") as gateway:
        async with connected(gateway) as socket:
            await ask(socket, "one")
            await answer(socket)
            (worker,) = gateway.workers()
            os.kill(worker, signal.SIGKILL)
            assert (await socket.receive(timeout=20)).type in ENDED
        async with connected(gateway) as idle, connected(gateway) as busy:
            await ask(busy, "one two three four five [[delay 200]]")
            await busy.receive_str(timeout=20)
            began = asyncio.get_running_loop().time()
            gateway.process.send_signal(signal.SIGTERM)
            closed = await idle.receive(timeout=20)
            assert (closed.type, idle.close_code) == (aiohttp.WSMsgType.CLOSE, 1001)
            assert text_of(await answer(busy)) == "one two three four five"
            assert (await busy.receive(timeout=20)).type == aiohttp.WSMsgType.CLOSE
        assert await asyncio.to_thread(gateway.process.wait, 50) == 0
        assert asyncio.get_running_loop().time() - began < 18
