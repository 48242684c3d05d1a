"""Routing, adapters and billing in processes of their own: the same answers, made elsewhere."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest
from concentrate.responses.v1.responses_service_pb2_grpc import ResponsesServiceStub
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.gateway import ROOT, Gateway, serving, together

# Known to one process each, so that an answer shows where it was made.
ONLY_ROUTING = "{models: [{id: sandbox/echo, aliases: [elsewhere]}], providers: [{id: sandbox, prices: null}]}"
ONLY_BILLING = (
    "prices: [{provider: sandbox, model: echo, rates: {input: 1000, output: 2000}, source: https://a.example}]"
)
IMPATIENT = [(f"grpc.{which}_reconnect_backoff_ms", 100) for which in ("initial", "min", "max")]
"""How long a channel waits before it looks again whether anybody listens."""


@contextlib.contextmanager
def worker(folder: Path, role: str, config: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """One service in a process, on `<folder>/<role>.sock`, ready."""
    rows = folder / f"{role}.yaml"
    rows.write_text(config)
    address = f"unix:{folder / role}.sock"
    process = subprocess.Popen(
        [sys.executable, "-m", "services.runtime.cli", "service", role, "--address", address],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
            "CONCENTRATE_DATA_DIR": str(folder / "data"),
            "CONCENTRATE_DISCOVER_LOCAL": "off",
            "CONCENTRATE_CONFIG": str(rows),
        },
    )
    try:
        with grpc.insecure_channel(address, IMPATIENT) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=60)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, subprocess.Popen[bytes]]]:
    """A gateway whose services are elsewhere, and the process of the adapters."""
    folder = tmp_path_factory.mktemp("apart")
    with (
        together(
            worker(folder, "routing", ONLY_ROUTING),
            worker(folder, "adapters"),
            worker(folder, "billing", ONLY_BILLING),
        ) as (_, adapters, _),
        serving(
            folder,
            ROUTING_ADDRESS=f"unix:{folder}/routing.sock",
            ADAPTERS_ADDRESS=f"unix:{folder}/adapters.sock",
            BILLING_ADDRESS=f"unix:{folder}/billing.sock",
        ) as gateway,
    ):
        yield gateway, adapters


def test_one_request_through_all_of_them(apart):
    """The alias is known to routing alone, and the price to billing alone; the text comes from the adapters."""
    gateway, _ = apart
    body = {"model": "elsewhere", "input": "Hello from afar"}
    answer = httpx.post(f"{gateway.url}/v1/responses", headers=gateway.headers, json=body).json()
    assert answer["model"] == "sandbox/echo"
    assert answer["output"][0]["content"][0]["text"] == "Hello from afar"
    usage = answer["usage"]
    spent = (usage["input_tokens"] * 1000 + usage["output_tokens"] * 2000) / 1_000_000
    assert answer["cost"]["total"] == pytest.approx(spent)


def test_a_route_is_explained_by_who_plans(apart):
    """The alias is known to routing alone, and so is that the sandbox has no price."""
    gateway, _ = apart
    body = {"model": "elsewhere", "input": "Hello from afar"}
    said = httpx.post(f"{gateway.url}/v1/routing/explain", headers=gateway.headers, json=body).json()
    (candidate,) = said["candidates"]
    assert (candidate["target"], candidate["predicted_cost"]) == ("sandbox/echo", None)


def test_a_stream_through_all_of_them(apart):
    """Typed and streamed, the events cross two process borders one by one."""
    gateway, _ = apart
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        request = CreateResponseRequest(model="elsewhere", input_text="Hello from afar")
        key = [("authorization", f"Bearer {gateway.key}")]
        events = list(ResponsesServiceStub(channel).StreamResponse(request, metadata=key))
    text = "".join(event.response_output_text_delta.delta for event in events)
    assert (text, events[-1].response_completed.response.cost.total > 0) == ("Hello from afar", True)


def test_an_error_of_routing_reaches_the_client_whole(apart):
    """A 404 made in another process names the model and the parameter as one made here does."""
    gateway, _ = apart
    body = {"model": "elsewhre", "input": "Hi"}
    answer = httpx.post(f"{gateway.url}/v1/responses", headers=gateway.headers, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "`elsewhere`" in error["message"]


def test_a_service_that_is_down_is_a_503(apart):
    """Without the adapters a request fails at once, and says when to try again."""
    gateway, adapters = apart
    adapters.kill()
    adapters.wait()
    body = {"model": "elsewhere", "input": "Hi"}
    answer = httpx.post(f"{gateway.url}/v1/responses", headers=gateway.headers, json=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["code"] == "overloaded"
