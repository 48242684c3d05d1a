"""HTTP errors: all the shapes, and whose fault they are."""

import json

import pytest

from services.adapters.dialect import Kind
from services.adapters.dialects.openai_chat import OpenAIChat

CASES = [
    (400, {"error": {"message": "bad", "type": "invalid_request_error"}}, Kind.CALLER, "bad"),
    (400, {"error": {"message": "filtered", "code": "content_filter", "status": 400}}, Kind.CALLER, "filtered"),
    (401, {"error": {"message": "wrong key", "code": "invalid_api_key"}}, Kind.CREDENTIAL, "wrong key"),
    (402, {"error": "You have exceeded your monthly credits"}, Kind.CREDENTIAL, "You have exceeded your monthly credits"),
    (403, {"error": {"message": "not allowed", "type": "invalid_request_error"}}, Kind.CREDENTIAL, "not allowed"),
    (404, {"error": {"message": "no such model", "code": "model_not_found"}}, Kind.UNAVAILABLE, "no such model"),
    (404, {"error": {"code": "DeploymentNotFound", "message": "no deployment"}}, Kind.UNAVAILABLE, "no deployment"),
    (400, {"error": {"message": "not offered", "code": "model_not_supported"}}, Kind.UNAVAILABLE, "not offered"),
    (400, {"code": "invalid argument", "error": "Incorrect API key."}, Kind.CREDENTIAL, "Incorrect API key."),
    (400, {"code": "invalid argument", "error": "bad effort"}, Kind.CALLER, "bad effort"),
    (429, {"error": {"message": "slow", "type": "requests", "code": "rate_limit_exceeded"}}, Kind.RATE_LIMITED, "slow"),
    (429, {"error": {"message": "no money", "code": "insufficient_quota"}}, Kind.CREDENTIAL, "no money"),
    (401, {"detail": "Invalid API Key"}, Kind.CREDENTIAL, "Invalid API Key"),
    (422, {"detail": [{"loc": ["body", "stop"], "msg": "not a list", "type": "x"}]}, Kind.CALLER, "stop: not a list"),
    (
        422,
        {"object": "error", "message": {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs"}]}},
        Kind.CALLER,
        "seed: Extra inputs",
    ),
    (400, {"object": "error", "message": "order", "type": "invalid_request_message_order", "code": "3230"}, Kind.CALLER, "order"),
    (429, {"object": "error", "message": "capacity", "code": "1300"}, Kind.RATE_LIMITED, "capacity"),
    (403, {"success": False, "errors": [{"code": 10000, "message": "no access"}]}, Kind.CREDENTIAL, "no access"),
    (400, {"success": False, "errors": [{"code": 5006, "message": "bad input"}]}, Kind.CALLER, "bad input"),
    (400, [{"error": {"code": 400, "message": "a list", "status": "INVALID_ARGUMENT"}}], Kind.CALLER, "a list"),
    (413, "too large", Kind.CALLER, "too large"),
    (408, {}, Kind.TIMEOUT, "status 408"),
    (424, {"error": "model is down"}, Kind.UNAVAILABLE, "model is down"),
    (500, {"error": {"message": "oops"}}, Kind.UNAVAILABLE, "oops"),
    (503, None, Kind.UNAVAILABLE, "status 503"),
    (504, [], Kind.TIMEOUT, "status 504"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind", "message"), CASES)
def test_kind_and_words(status, body, kind, message):
    """Each provider's shape gives its words; the status, or a code that says more, gives the kind."""
    error = OpenAIChat().error(status, {}, json.dumps(body).encode())
    assert (error.kind, error.message, error.status) == (kind, message, status)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "status 502"),
        (b"<html>Bad gateway</html>", "status 502"),
        (b"Not Found", "Not Found"),
        (b"\xff", "\ufffd"),
    ],
)
def test_bodies_that_are_not_json(body, message):
    """Plain words are shown, pages are not."""
    assert OpenAIChat().error(502, {}, body).message == message


def test_retry_after():
    """Carried, for the client and for the breaker."""
    assert OpenAIChat().error(429, {"retry-after": "7"}, b"{}").retry_after == 7


@pytest.mark.parametrize(
    ("param", "ours"),
    [
        ("max_completion_tokens", "max_output_tokens"),
        ("messages[3].content", "input"),
        ("response_format", "text.format"),
        ("tools[1].function.parameters", "tools[1].parameters"),
        ("temperature", "temperature"),
        (None, None),
    ],
)
def test_parameters_are_named_as_the_caller_knows_them(param, ours):
    """Positions of messages are not the caller's positions."""
    body = json.dumps({"error": {"message": "bad", "param": param, "code": "c"}}).encode()
    error = OpenAIChat().error(400, {}, body)
    assert (error.param, error.code) == (ours, "c")
