"""Clients that read slowly or not at all, and answers larger than what the edge holds: nobody else notices."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
from concentrate.http.v1.http_service_pb2_grpc import HttpServiceServicer
from concentrate.models.v1.models_service_pb2_grpc import ModelsServiceServicer
from google.api.httpbody_pb2 import HttpBody

from tests.edge.kit import edge
from tests.gateway import Gateway

MIB = 1 << 20
READERS = 6  # all streams of a worker share a connection, whose window Envoy leaves at 24 MiB unless told otherwise


class Flood(HttpServiceServicer):
    """Answers with 100 MiB, or briefly; counts what it could get rid of."""

    sent = 0

    async def CreateResponse(self, request: HttpBody, context: Any) -> AsyncIterator[HttpBody]:
        if request.data == b"little":
            yield HttpBody(content_type="text/event-stream", data=b"little")
            return
        for _ in range(100):
            yield HttpBody(content_type="text/event-stream", data=b"." * MIB)
            self.sent += 1


async def test_readers_that_stopped_hold_little_and_stop_nobody(tmp_path: Path):
    """A laptop that fell asleep over its stream holds a few megabytes, and not the connection to the worker."""
    flood = Flood()
    async with edge(tmp_path, flood, ModelsServiceServicer()) as port:
        stopped = [await asyncio.open_connection("127.0.0.1", port, limit=1) for _ in range(READERS)]
        try:
            for _, writer in stopped:
                writer.write(b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nmuch")
            before = -1
            while flood.sent > before:  # until all buffers are full
                before = flood.sent
                await asyncio.sleep(0.5)
            async with httpx.AsyncClient(timeout=30) as client:
                answer = await client.post(f"http://127.0.0.1:{port}/v1/responses", content=b"little")
            assert answer.text == "little"
            assert 0 < flood.sent < 12 * READERS  # most of it in the kernel's buffers, which grow to 6 MiB
        finally:
            for _, writer in stopped:
                writer.transport.abort()


def test_an_answer_larger_than_what_the_edge_holds_comes_whole(gateway: Gateway):
    """The last events of a stream repeat its text, and are ready at the same moment."""
    words = "x" * (24 * MIB)
    body = {"model": "sandbox/echo", "input": words, "stream": True}
    answer = httpx.post(f"{gateway.url}/v1/responses", json=body, headers=gateway.headers, timeout=60)
    assert len(answer.content) > 4 * len(words)
    last, done = answer.text.split("\n\n")[-3:-1]
    assert done == "data: [DONE]"
    response = json.loads(last.partition("data: ")[2])["response"]
    assert response["output"][0]["content"][0]["text"] == words
