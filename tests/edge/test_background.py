"""Responses in the background: begun at once, polled, followed, continued, cancelled, and not lost with the worker."""

import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from concentrate.responses.v1 import response_pb2
from concentrate.responses.v1 import responses_service_pb2 as pb
from concentrate.responses.v1.responses_service_pb2_grpc import ResponsesServiceStub

from bench.state_kit import UNDER_WAY, begin_many, cut_many, events_of, wait_for_all
from tests.edge.conftest import Pair
from tests.gateway import Gateway, serving, together

MODEL = "sandbox/echo"


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers=gateway.headers) as client:
        yield client


def begun(client: httpx.Client, text: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/responses", json={"model": MODEL, "input": text, "background": True, **more})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def ended(client: httpx.Client, response_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        found: dict[str, Any] = client.get(f"/v1/responses/{response_id}").json()
        if found["status"] not in UNDER_WAY:
            return found
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_is_accepted_at_once_and_made_to_its_end(client: httpx.Client):
    """Queued, then in progress, then as any other response; and others can continue it."""
    response = begun(client, "Slowly then [[wait 500]]")
    assert (response["status"], response["background"], response["store"], response["output"]) == (
        "queued", True, True, [],
    )  # fmt: skip
    early = client.post("/v1/responses", json={"model": MODEL, "input": "x", "previous_response_id": response["id"]})
    assert (early.status_code, early.json()["error"]["param"]) == (400, "previous_response_id")
    final = ended(client, response["id"])
    assert (final["status"], final["output"][0]["content"][0]["text"].split()) == ("completed", ["Slowly", "then"])
    assert final["usage"]["output_tokens"] > 0
    later = client.post("/v1/responses", json={"model": MODEL, "input": "x", "previous_response_id": response["id"]})
    assert later.status_code == 200


def test_its_stream_can_be_followed_from_anywhere(client: httpx.Client):
    """As it is made and when it is done, from any event on."""
    body = {"model": MODEL, "input": "one two three four [[delay 20]]", "background": True, "stream": True}
    streamed = client.post("/v1/responses", json=body)
    events = events_of(streamed.text)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert (events[0]["type"], events[0]["response"]["status"]) == ("response.created", "queued")
    response_id = events[0]["response"]["id"]
    for cut in (-1, 0, 3, len(events) - 2, len(events) - 1):
        rest = client.get(f"/v1/responses/{response_id}?stream=true&starting_after={cut}")
        assert events_of(rest.text) == events[cut + 1 :]
    assert client.get(f"/v1/responses/{response_id}").json() == events[-1]["response"]


def test_a_failure_is_told_in_the_response(client: httpx.Client):
    """There is nobody to raise it to."""
    final = ended(client, begun(client, "[[fail 429]] x")["id"])
    assert (final["status"], final["error"]["code"]) == ("failed", "provider_error")
    events = events_of(client.get(f"/v1/responses/{final['id']}?stream=true").text)
    assert [event["type"] for event in events] == ["response.created", "error", "response.failed"]


def test_it_can_be_cancelled(client: httpx.Client):
    """With what was whole by then; once more changes nothing, and what has ended stays."""
    response = begun(client, "a b c d e f [[delay 100]] [[wait 200]]")
    cancelled = client.post(f"/v1/responses/{response['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert client.post(f"/v1/responses/{response['id']}/cancel").json() == cancelled.json()
    events = events_of(client.get(f"/v1/responses/{response['id']}?stream=true").text)
    assert events[-1]["response"]["status"] == "cancelled"
    time.sleep(0.5)
    assert client.get(f"/v1/responses/{response['id']}").json() == cancelled.json()
    done = ended(client, begun(client, "Hi")["id"])
    assert client.post(f"/v1/responses/{done['id']}/cancel").json() == done
    plain = client.post("/v1/responses", json={"model": MODEL, "input": "Hi"}).json()
    assert client.post(f"/v1/responses/{plain['id']}/cancel").status_code == 400


def test_typed_clients_do_the_same(gateway: Gateway):
    """Create, follow, resume and cancel, as messages."""
    key = (("authorization", gateway.headers["authorization"]),)
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        stub = ResponsesServiceStub(channel)
        asked = pb.CreateResponseRequest(model=MODEL, input_text="one two [[delay 20]]", background=True)
        events = list(stub.StreamResponse(asked, metadata=key))
        response_id = events[0].response_created.response.id
        again = stub.ResumeResponse(pb.ResumeResponseRequest(response_id=response_id, starting_after=2), metadata=key)
        assert list(again) == events[3:]
        queued = stub.CreateResponse(
            pb.CreateResponseRequest(model=MODEL, input_text="x [[wait 3000]]", background=True), metadata=key
        )
        assert queued.status == response_pb2.RESPONSE_STATUS_QUEUED
        cancelled = stub.CancelResponse(pb.CancelResponseRequest(response_id=queued.id), metadata=key)
        assert cancelled.status == response_pb2.RESPONSE_STATUS_CANCELLED


@pytest.fixture
async def replicas(tmp_path: Path, postgres_url: str) -> AsyncIterator[list[Gateway]]:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    shared = {"DATABASE_URL": postgres_url, "CONCENTRATE_SECRET": "s" * 40, "CONCENTRATE_ACCESS_LOG": "off"}
    with together(serving(tmp_path / "a", shared), serving(tmp_path / "b", shared)) as gateways:
        yield gateways


async def test_a_cut_stream_continues_on_another_replica(replicas: list[Gateway]):
    """Cut at any event, the joined events are those of a client that was not cut. `python -m bench.state resume`: 1,000."""
    urls = [replica.url for replica in replicas]
    assert await cut_many(urls, replicas[0].headers, 24, at_once=12) > 24
    async with httpx.AsyncClient(base_url=urls[0], headers=replicas[0].headers) as first:
        made = (await first.post("/v1/responses", json={"model": MODEL, "input": "Hi"})).json()
    async with httpx.AsyncClient(base_url=urls[1], headers=replicas[0].headers) as second:
        assert (await second.get(f"/v1/responses/{made['id']}")).json() == made  # at once
        body = {"model": MODEL, "input": "And?", "previous_response_id": made["id"]}
        assert (await second.post("/v1/responses", json=body)).status_code == 200
        (slow,) = await begin_many(first := second, 1, "a b c [[delay 2000]]")
    async with httpx.AsyncClient(base_url=urls[0], headers=replicas[0].headers) as first:
        assert (await first.post(f"/v1/responses/{slow}/cancel")).json()["status"] == "cancelled"


async def test_a_killed_worker_loses_no_response(pair: Pair):
    """What it had begun is made elsewhere, or fails where it was seen. `python -m bench.state kill`: 100 of them."""
    gateway = pair.gateway
    async with httpx.AsyncClient(base_url=gateway.url, headers=gateway.headers, timeout=20) as client:
        ids = await begin_many(client, 4, "a b c d [[delay 400]]")
        ids += await begin_many(client, 10, "{} word [[wait 1500]]")
        os.kill(gateway.workers()[0], signal.SIGKILL)
        states = Counter((await wait_for_all(client, ids, 60)).values())
    assert states["completed", None] >= 10
    assert sum(states.values()) == len(ids)
    assert set(states) <= {("completed", None), ("failed", "server_error")}
