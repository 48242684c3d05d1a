"""The Messages API through the whole gateway: the official SDK, the edge's own answers, and an Anthropic that only listens."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import anthropic
import httpx
import pytest

from tests.fake_provider import Fake, Reply, Seen, serve
from tests.gateway import Gateway, serving
from tests.messages.claude_code import HEADERS, body

MESSAGE: dict[str, Any] = {
    "id": "msg_x",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "Hi."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]
STREAM = "".join(f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n" for event in EVENTS)


class Anthropic(Fake):
    """Says hi, `silent_s` seconds later and as soon as it may speak, and keeps the bytes it was sent."""

    silent_s = 0.0
    speaks: threading.Event | None = None

    def answer(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        time.sleep(self.silent_s)
        if self.speaks is not None:
            assert self.speaks.wait(30)
        if self.reply is not None:
            return self.reply
        if seen.json.get("stream"):
            return Reply(STREAM.encode(), headers={"content-type": "text/event-stream"})
        return Reply(json.dumps(MESSAGE).encode())


@pytest.fixture(scope="module")
def upstream() -> Iterator[Anthropic]:
    with serve(Anthropic()) as fake:
        assert isinstance(fake, Anthropic)
        yield fake


@pytest.fixture(scope="module")
def served(upstream: Anthropic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose Anthropic is the fake; silence is short."""
    environment = {"ANTHROPIC_API_KEY": "canary-key", "ANTHROPIC_BASE_URL": upstream.url, "PING_SECONDS": "0.1"}
    with serving(tmp_path_factory.mktemp("messages"), environment) as running:
        yield running


@pytest.fixture
def sdk(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    """The official SDK, but that it tries once."""
    with anthropic.Anthropic(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=20) as made:
        yield made


ASKED: dict[str, Any] = {
    "model": "sandbox/echo",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello."}],
}


def test_the_sdk_gets_a_message(sdk: anthropic.Anthropic):
    """With what the gateway adds: what it costs, how it was routed, what was lost."""
    message = sdk.messages.create(**ASKED)
    assert (message.type, message.stop_reason, message.model) == ("message", "end_turn", "sandbox/echo")
    assert message.content[0].type == "text"
    assert message.usage.output_tokens > 0
    assert set(message.model_extra or {}) >= {"cost", "routing", "translation_losses"}


def test_the_sdk_follows_a_stream(sdk: anthropic.Anthropic):
    """Text comes in pieces, and the last event says what it costs."""
    with sdk.messages.stream(**ASKED) as stream:
        events = list(stream)
    assert "".join(event.text for event in events if event.type == "text")
    [last] = [event for event in events if event.type == "message_delta"]
    assert {"cost", "routing", "translation_losses"} <= set(last.model_extra or {})
    assert events[-1].type == "message_stop"


def test_the_sdk_counts_tokens_and_lists_models(sdk: anthropic.Anthropic):
    """The sandbox does not count, so the number is an estimate and says so."""
    count = sdk.messages.count_tokens(model="sandbox/echo", messages=ASKED["messages"])
    assert count.input_tokens > 0
    assert count.model_extra == {"estimated": True}
    page = sdk.models.list(limit=1000)
    assert (page.has_more, page.first_id, page.last_id) == (False, page.data[0].id, page.data[-1].id)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_root_answers(gateway: Gateway, method: str):
    """Claude Code asks it first, without a key."""
    assert httpx.request(method, f"{gateway.url}/").status_code == 200


def test_a_bearer_key_is_taken_too(gateway: Gateway):
    """ANTHROPIC_AUTH_TOKEN sends one."""
    with anthropic.Anthropic(base_url=gateway.url, auth_token=gateway.key, api_key=None, max_retries=0) as client:
        assert client.messages.create(**ASKED).content


ERRORS: dict[str, tuple[dict[str, Any], type[anthropic.APIStatusError], str, str | None]] = {
    "no messages": ({"messages": []}, anthropic.BadRequestError, "invalid_request_error", None),
    "an unknown model": ({"model": "sandbox/none"}, anthropic.NotFoundError, "not_found_error", "model_not_found"),
    "a failing provider": (
        {"messages": [{"role": "user", "content": "[[fail 503]]"}]},
        anthropic.APIStatusError,
        "api_error",
        None,
    ),
    "a thread": (
        {"extra_body": {"thread": {"type": "create"}}},
        anthropic.BadRequestError,
        "invalid_request_error",
        "thread_unsupported_request",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_have_anthropics_shape(sdk: anthropic.Anthropic, name: str):
    """The SDK reads type, message and code, and the request id finds it in the logs."""
    fields, kind, word, code = ERRORS[name]
    with pytest.raises(kind) as raised:
        sdk.messages.create(**{**ASKED, **fields})
    body = raised.value.body
    assert isinstance(body, dict)
    assert (body["type"], body["error"]["type"], raised.value.error_code) == ("error", word, code)
    assert body["request_id"] == raised.value.response.headers["x-request-id"] == raised.value.request_id


def test_a_wrong_key_is_an_authentication_error(sdk: anthropic.Anthropic):
    """Before anything of the body is looked at."""
    with pytest.raises(anthropic.AuthenticationError) as raised:
        sdk.with_options(api_key="sk-cn-v1-wrong").messages.create(**ASKED)
    assert "authentication_error" in str(raised.value)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/messages"), ("POST", "/v1/messages/batches")])
def test_the_edge_speaks_anthropics_shape_too(gateway: Gateway, method: str, path: str):
    """Where no worker of ours wrote the answer."""
    answer = httpx.request(method, f"{gateway.url}{path}")
    assert answer.status_code == 404
    error = answer.json()
    assert (error["type"], error["error"]["type"]) == ("error", "not_found_error")
    assert error["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_claude_codes_bytes_reach_anthropic(served: Gateway, upstream: Anthropic, stream: bool):
    """85 kB, 25 tools: every byte as it came, but for the model's name; the headers of the format with it."""
    given = body("anthropic/claude-opus-4-8", stream=stream)
    assert 80_000 < len(given) < 100_000
    url = f"{served.url}/v1/messages?beta=true"
    answer = httpx.post(url, content=given, headers={**served.headers, **HEADERS})
    assert answer.status_code == 200
    sent = upstream.seen[-1]
    assert sent.path == "/v1/messages"
    assert sent.body == given.replace(b'"model":"anthropic/claude-opus-4-8"', b'"model":"claude-opus-4-8"')
    for name in ("anthropic-version", "anthropic-beta"):
        assert sent.headers[name] == HEADERS[name]
    assert sent.headers["x-api-key"] == "canary-key"
    assert "x-app" not in sent.headers


@contextlib.contextmanager
def silence(upstream: Anthropic, reply: Reply | None = None) -> Iterator[threading.Event]:
    """The provider says nothing until the event is set, and then this."""
    upstream.speaks, upstream.reply = threading.Event(), reply
    try:
        yield upstream.speaks
    finally:
        upstream.speaks.set()
        upstream.speaks = upstream.reply = None


def named(lines: Iterator[str], count: int | None = None) -> list[str]:
    """The names of so many events, or of all that are left."""
    names = (line.removeprefix("event: ") for line in lines if line.startswith("event: "))
    return list(islice(names, count))


def test_a_silent_provider_is_covered_by_pings(served: Gateway, upstream: Anthropic):
    """Before it has said anything, and again; then the answer comes as it is."""
    given = body("anthropic/claude-opus-4-8")
    with (
        silence(upstream) as speaks,
        httpx.stream("POST", f"{served.url}/v1/messages", content=given, headers=served.headers, timeout=30) as answer,
    ):
        lines = answer.iter_lines()
        assert (next(lines), next(lines)) == ("event: ping", 'data: {"type": "ping"}')
        assert named(lines, 2) == ["ping", "ping"]
        speaks.set()
        assert [name for name in named(lines) if name != "ping"] == [event["type"] for event in EVENTS]


def test_a_failure_after_the_first_ping_is_an_error_event(served: Gateway, upstream: Anthropic):
    """The status is out by then."""
    given = body("anthropic/claude-opus-4-8")
    with (
        silence(upstream, Reply(b'{"error":{"message":"bad"}}', 400)) as speaks,
        httpx.stream("POST", f"{served.url}/v1/messages", content=given, headers=served.headers, timeout=30) as answer,
    ):
        lines = answer.iter_lines()
        assert (answer.status_code, named(lines, 1)) == (200, ["ping"])
        speaks.set()
        name, data = [line for line in lines if line][-2:]
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["type"] == "invalid_request_error"
