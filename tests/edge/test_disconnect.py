"""Who leaves early: the work at the provider ends within a second."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import grpc
import httpx
import pytest
from aiohttp import web
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest
from concentrate.responses.v1.responses_service_pb2_grpc import ResponsesServiceStub

from tests.gateway import Gateway, serving


class Provider:
    """Speaks chat completions, a word every 50 ms without end; a call that is not streamed is never answered."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        stream = (await request.json()).get("stream")
        self.asked.set()
        try:
            if not stream:
                await asyncio.sleep(60)
            response = web.StreamResponse(headers={"content-type": "text/event-stream"})
            await response.prepare(request)
            while True:
                choice = {"index": 0, "delta": {"role": "assistant", "content": "word "}, "finish_reason": None}
                chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
                await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                await asyncio.sleep(0.05)
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise


@pytest.fixture
async def provider() -> AsyncIterator[tuple[Provider, str]]:
    """The provider and its base URL."""
    found = Provider()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", found.answer)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    yield found, f"http://{host}:{port}"
    await runner.cleanup()


@pytest.fixture
def gateway(tmp_path: Path, provider: tuple[Provider, str]):
    """One whose Mistral is the provider above."""
    environment = {
        "MISTRAL_API_KEY": "k-12345678",
        "MISTRAL_BASE_URL": provider[1],
        "CONCENTRATE_UNLISTED_MODELS": "allow",
    }
    with serving(tmp_path, environment) as running:
        yield running


BODY = {"model": "mistral/m", "input": "hello"}


async def test_leaving_a_stream_aborts_it(gateway: Gateway, provider: tuple[Provider, str]):
    """After three chunks the client is gone, and so is the connection to the provider."""
    async with httpx.AsyncClient(headers=gateway.headers) as client:
        async with client.stream("POST", f"{gateway.url}/v1/responses", json={**BODY, "stream": True}) as answer:
            chunks = answer.aiter_raw()
            for _ in range(3):
                await anext(chunks)
            assert not provider[0].left.is_set()
        async with asyncio.timeout(1):
            await provider[0].left.wait()


async def test_leaving_a_call_that_is_not_streamed_aborts_it(gateway: Gateway, provider: tuple[Provider, str]):
    """Though nothing has been answered yet."""
    async with httpx.AsyncClient(headers=gateway.headers) as client:
        with suppress(httpx.ReadTimeout):
            await client.post(f"{gateway.url}/v1/responses", json=BODY, timeout=0.5)
        assert provider[0].asked.is_set()
        async with asyncio.timeout(1):
            await provider[0].left.wait()


@pytest.mark.parametrize("stream", [True, False])
async def test_cancelling_an_rpc_aborts_it(gateway: Gateway, provider: tuple[Provider, str], stream: bool):
    """Typed calls, too."""
    request = CreateResponseRequest(model="mistral/m", input_text="hello")
    metadata = (("authorization", f"Bearer {gateway.key}"),)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        stub = ResponsesServiceStub(channel)
        if stream:
            call = stub.StreamResponse(request, metadata=metadata)
            for _ in range(3):
                await call.read()
        else:
            call = stub.CreateResponse(request, metadata=metadata)
            await provider[0].asked.wait()
        assert not provider[0].left.is_set()
        call.cancel()
        async with asyncio.timeout(1):
            await provider[0].left.wait()
