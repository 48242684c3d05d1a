"""Log lines: what they say, and that no secret is among them."""

import io
import json
import sys
import time
from pathlib import Path

import httpx
import pytest
import structlog

from services.runtime import logs
from tests.gateway import serving

CANARY = "canary-provider-5d1f"
WRONG_KEY = "sk-cn-v1-wrong000000000000000000000000000000000"


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch):
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logs.configure("info", "json", [("OPENAI_API_KEY", CANARY), ("HOME", "/root"), ("WORKERS", "1")])
    yield written
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "line",
    [
        {"authorization": "Basic abcdefgh"},
        {"x-api-key": "whatever"},
        {"api_key": b"whatever-bytes"},
        {"client_secret": "whatever"},
        {"headers": {"Authorization": "Bearer whatever-token", "x-goog-api-key": "whatever"}},
        {"message": "the key sk-whatever-12345 does not work"},
        {"message": "sent Authorization: Bearer whatever.12345-xyz"},
        {"url": "https://x.example/?key=AIzawhateverwhatever12345678"},
        {"deep": [{"aws": "AKIAWHATEVER1234"}]},
        {"message": f"upstream said: {CANARY.upper()} / {CANARY} is wrong"},
        {"error": ValueError(f"bad key {CANARY}")},
    ],
    ids=lambda line: next(iter(line)),
)
def test_a_secret_is_redacted(stderr: io.StringIO, line: dict[str, object]):
    """By the name of its field, by its shape, and as the value of a variable that holds a secret."""
    structlog.get_logger().info("something", **line)
    written = stderr.getvalue()
    assert "[redacted]" in written
    for secret in ("whatever", "WHATEVER", CANARY):
        assert secret not in written.replace(CANARY.upper(), "")


def test_a_traceback_is_redacted(stderr: io.StringIO):
    """Also where an exception quotes what it was given."""
    try:
        raise ValueError(f"cannot use {CANARY}")
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "ValueError" in stderr.getvalue()
    assert CANARY not in stderr.getvalue()


def test_what_is_no_secret_stays(stderr: io.StringIO):
    """Counts, ids and ordinary words that only sound like secrets."""
    structlog.get_logger().info("done", key_id="key_1", token_count=7, max_tokens=5, path="/v1/responses", ok=True)
    found = json.loads(stderr.getvalue())
    assert (found["key_id"], found["token_count"], found["path"]) == ("key_1", 7, "/v1/responses")


def test_no_secret_reaches_the_logs_of_a_gateway(tmp_path: Path):
    """Keys in headers, in the query, in the environment and in the body; right ones and wrong ones."""
    with serving(
        tmp_path, OPENAI_API_KEY=CANARY, OPENAI_BASE_URL="http://127.0.0.1:9/v1", LOG_LEVEL="debug"
    ) as gateway:
        body = {"model": "sandbox/echo", "input": "private words of a user"}
        with httpx.Client(base_url=gateway.url) as client:
            assert client.post("/v1/responses", json=body, headers=gateway.headers).status_code == 200
            for headers in ({"authorization": f"Bearer {WRONG_KEY}"}, {"x-api-key": WRONG_KEY}):
                answer = client.post(
                    f"/v1/responses?key={WRONG_KEY}", json=body, headers={**headers, "x-request-id": "mine"}
                )
                assert answer.status_code == 401
            failed = client.post("/v1/responses", json={**body, "model": "openai/gpt-5"}, headers=gateway.headers)
            assert CANARY not in failed.text
        key = gateway.key
        gateway.stop()
        time.sleep(0.1)
        lines = gateway.log.read_text()
    for secret in (CANARY, key, WRONG_KEY, "private words", "127.0.0.1:9/"):
        assert secret not in lines
    requests = [json.loads(line) for line in lines.splitlines() if '"logger":"access"' in line]
    refused = [line for line in requests if line["status"] == 401]
    assert [(line["request_id"], line["method"], line["path"]) for line in refused] == [
        ("mine", "POST", "/v1/responses")
    ] * 2
    assert all(json.loads(line) for line in lines.splitlines())
