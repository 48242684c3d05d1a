"""Log lines: what they say, and that no secret is among them."""

import io
import json
import sys

import pytest
import structlog

from services.runtime import logs

CANARY = "canary-provider-5d1f"


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
