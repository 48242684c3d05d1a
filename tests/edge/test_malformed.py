"""Five hundred bodies that no client should send: each gets an answer of the 2xx or 4xx kind, in our shape, at once."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway import Gateway

VALID: dict[str, Any] = {
    "model": "sandbox/echo",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
    ],
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}],
    "tool_choice": {"type": "function", "name": "f"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}}, "verbosity": "low"},
    "metadata": {"a": "b"},
    "temperature": 1,
    "max_output_tokens": 20,
    "include": ["reasoning.encrypted_content"],
    "stream": False,
}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "auto", "sandbox/echo"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid body with one to three values replaced, taken out, or put elsewhere."""
    body = json.loads(json.dumps(VALID))
    for _ in range(draw(st.integers(1, 3))):
        at: Any = body
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and at[key] and draw(st.booleans()):
                at = at[key]
                continue
            if draw(st.booleans()):
                at[key] = draw(JSON)
            else:
                del at[key]
            break
    return json.dumps(body).encode()


@st.composite
def cut(draw: st.DrawFn) -> bytes:
    """A valid body with bytes cut out or put in."""
    text = json.dumps(VALID).encode()
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.binary(max_size=8)) + text[at + draw(st.integers(0, 20)) :]


@pytest.fixture(scope="module")
def client(gateway: Gateway):
    with httpx.Client(base_url=gateway.url, headers=gateway.headers, timeout=10) as made:
        yield made


@pytest.mark.parametrize(
    ("bodies", "count"),
    [
        (damaged(), 300),
        (cut(), 100),
        (st.binary(max_size=200), 50),
        (JSON.map(lambda value: json.dumps(value).encode()), 50),
    ],
    ids=["damaged", "cut", "bytes", "json"],
)
def test_no_body_gives_a_5xx(client: httpx.Client, bodies: st.SearchStrategy[bytes], count: int):
    """And what is refused is refused by name."""

    @settings(max_examples=count)
    @given(body=bodies)
    def sent(body: bytes) -> None:
        answer = client.post("/v1/responses", content=body)
        assert answer.status_code < 500, (body, answer.text)
        if answer.status_code != 200:
            error = answer.json()["error"]
            assert (answer.status_code, bool(error["message"])) in ((400, True), (404, True)), (body, answer.text)

    sent()
