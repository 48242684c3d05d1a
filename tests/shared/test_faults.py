"""Every fault of a provider ends in the right error, streamed and not, and the gateway stays in service."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.gateway import Gateway

# No row lists them, so that failing again and again, they do not rest.
MODELS = {"openai": "openai/gpt-faulty", "anthropic": "anthropic/claude-faulty"}

FAULTS = [
    # fault, status when whole, code when whole, code in a stream that had begun (None: fails before)
    ("reset_after:150", 424, "provider_error", "provider_error"),
    ("truncate_after:400", 424, "provider_error", "provider_error"),
    ("status:429", 424, "provider_error", None),
    ("status:500", 424, "provider_error", None),
    ("status:401", 424, "provider_error", None),
    ("status:400", 400, "invalid_request_error", None),
    ("malformed", 424, "provider_error", "provider_error"),
]


def queue(replay: str, provider: str, *, streamed: bool, **fault: Any) -> None:
    """What the provider does next: gives a plain answer of its own, with this fault."""
    httpx.delete(f"{replay}/_/queue?provider={provider}")
    recording = recording_of(replay, provider, streamed=streamed)
    answer = {"provider": provider, "recording": recording, "on_mismatch": "serve", "count": 3, **fault}
    httpx.post(f"{replay}/_/queue", json=answer).raise_for_status()


def recording_of(replay: str, provider: str, *, streamed: bool) -> str:
    """The id of a plain, successful recording of the provider's default API."""
    api = {"openai": "openai.responses", "anthropic": "anthropic.messages"}[provider]
    for entry in httpx.get(f"{replay}/_/recordings").json():
        features = set(entry["features"])
        plain = not {f for f in features if f.startswith("error_")} and "response_only" not in features
        if entry["api"] == api and plain and ("stream" in features) is streamed and "text" in features:
            return entry["id"]
    raise AssertionError("no such recording")


def ask(gateway: Gateway, provider: str, *, stream: bool) -> httpx.Response:
    body = {"model": MODELS[provider], "input": "hi", "stream": stream}
    return httpx.post(f"{gateway.url}/v1/responses", json=body, headers=gateway.headers, timeout=30)


def events_of(text: str) -> list[dict[str, Any]]:
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    return [json.loads(line) for line in data[:-1]]


def judge_whole(gateway: Gateway, replay: str, provider: str, fault: str, status: int, code: str) -> None:
    """The right status, our error shape, the model's name, and no credential."""
    queue(replay, provider, streamed=False, fault=fault, retry_after=7)
    answer = ask(gateway, provider, stream=False)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), error
    assert error["model"] == MODELS[provider]
    assert "canary" not in answer.text
    if fault == "status:429":
        assert answer.headers["retry-after"] == "7"
        assert error["retry_after"] == 7


def judge_stream(
    gateway: Gateway, replay: str, provider: str, fault: str, status: int, code: str, late: str | None
) -> None:
    """Before anything came a real status, later `error` and `response.failed`, then the stream ends."""
    queue(replay, provider, streamed=True, fault=fault)
    answer = ask(gateway, provider, stream=True)
    assert "canary" not in answer.text
    if late is None:
        assert answer.status_code == status
        assert answer.json()["error"]["code"] == code
        return
    assert answer.status_code == 200
    events = events_of(answer.text)
    failed = [event for event in events if event["type"] in ("error", "response.failed")]
    assert failed[0]["type"] == "error", answer.text[-500:]
    assert failed[0]["error"]["code"] == late
    assert events[0]["type"] == "response.created"
    assert failed[-1]["type"] == "response.failed"
    assert failed[-1]["response"]["status"] == "failed"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


def for_both(judge: Callable[[str], None]) -> None:
    """At the same time, because it takes seconds."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(judge, MODELS))


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize(("fault", "status", "code", "late"), FAULTS, ids=str)
def test_a_fault_of_a_whole_answer_is_an_honest_status(replayed, replay, provider, fault, status, code, late):
    """Not streamed."""
    judge_whole(replayed, replay, provider, fault, status, code)


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize(("fault", "status", "code", "late"), FAULTS, ids=str)
def test_a_fault_of_a_stream_is_a_status_or_an_event(replayed, replay, provider, fault, status, code, late):
    """Streamed."""
    judge_stream(replayed, replay, provider, fault, status, code, late)


def test_silence_before_a_whole_answer_is_a_504(replayed, replay):
    """The provider has so long for its first byte."""
    for_both(lambda provider: judge_whole(replayed, replay, provider, "slow_first_byte:6000", 504, "timeout"))


@pytest.mark.parametrize("fault", ["slow_first_byte:6000", "hang"])
def test_silence_of_a_stream_ends_it(replayed, replay, fault):
    """Before its first byte, or in the middle."""
    for_both(lambda provider: judge_stream(replayed, replay, provider, fault, 504, "timeout", "timeout"))


def test_a_slow_first_byte_within_the_limit_is_waited_for_with_pings(replayed, replay):
    """A provider that thinks for two seconds is fine; the client gets comments meanwhile."""

    def judge(provider: str) -> None:
        queue(replay, provider, streamed=True, fault="slow_first_byte:2000")
        answer = ask(replayed, provider, stream=True)
        assert answer.text.startswith(": ping\n\n")
        assert events_of(answer.text)[-1]["type"] in ("response.completed", "response.incomplete")

    for_both(judge)


@pytest.mark.parametrize("provider", MODELS)
def test_a_client_that_leaves_stops_the_provider(replayed, replay, provider):
    """A client that disconnects after three chunks aborts the upstream request."""
    queue(replay, provider, streamed=True, delay_ms=300)
    httpx.delete(f"{replay}/_/requests")
    body = {"model": MODELS[provider], "input": "hi", "stream": True}
    with httpx.stream("POST", f"{replayed.url}/v1/responses", json=body, headers=replayed.headers) as answer:
        chunks = answer.iter_raw()
        for _ in range(3):
            next(chunks)
    left = time.monotonic()
    while time.monotonic() < left + 20:
        seen = [each for each in httpx.get(f"{replay}/_/requests").json() if each["kind"]]
        if seen and seen[-1]["client_gone"]:
            break
        time.sleep(0.05)
    assert seen[-1]["client_gone"]
