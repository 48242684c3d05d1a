"""The chat surface at the edge: statuses, headers, pings in silence, and what a client that leaves ends."""

import httpx
import openai
import pytest

from tests.gateway import Gateway

SAID = [{"role": "user", "content": "Good morning"}]


@pytest.fixture(scope="module")
def client(gateway: Gateway):
    with httpx.Client(base_url=gateway.url, headers=gateway.headers, timeout=30) as made:
        yield made


def test_a_completion_and_a_stream_have_their_types(client: httpx.Client):
    """JSON, and server-sent events that end with `[DONE]`."""
    body = {"model": "sandbox/echo", "messages": SAID}
    whole = client.post("/v1/chat/completions", json=body)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "application/json")
    assert whole.json()["object"] == "chat.completion"
    streamed = client.post("/v1/chat/completions", json={**body, "stream": True})
    assert streamed.headers["content-type"] == "text/event-stream"
    assert streamed.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"model": "sandbox/echo"}, 400, "invalid_request_error", "messages"),
        (
            {"model": "sandbox/echo", "messages": [{"role": "user"}]},
            400,
            "invalid_request_error",
            "messages[0].content",
        ),
        ({"model": "sandbox/echo", "messages": SAID, "n": 2}, 400, "invalid_request_error", "n"),
        ({"model": "nobody/knows", "messages": SAID}, 404, "model_not_found", None),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_mistakes_are_real_statuses(client: httpx.Client, body, status, code, param, stream):
    """Found before the first byte, so in a stream too; in OpenAI's shape."""
    answer = client.post("/v1/chat/completions", json={**body, "stream": stream})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    error = answer.json()["error"]
    assert error["code"] == code
    assert param is None or error["param"] == param


def test_a_key_is_needed(gateway: Gateway):
    """The SDK's own class of error."""
    made = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-wrong", max_retries=0)
    with made as sdk, pytest.raises(openai.AuthenticationError):
        sdk.chat.completions.create(model="sandbox/echo", messages=SAID)  # type: ignore[arg-type]
