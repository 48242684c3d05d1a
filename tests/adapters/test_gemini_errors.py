"""How the Gemini dialect reads errors."""

import json
from typing import Any

import pytest

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.gemini import Gemini


def read(status: int, body: Any, **headers: str) -> UpstreamError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Gemini().error(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


def status(code: int, message: str, word: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": word, "details": list(details)}}


INFO = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "26.2s"}


@pytest.mark.parametrize(
    ("code", "word", "details", "kind"),
    [
        (400, "INVALID_ARGUMENT", (), Kind.CALLER),
        (400, "INVALID_ARGUMENT", (INFO,), Kind.CREDENTIAL),
        (400, "FAILED_PRECONDITION", (), Kind.CREDENTIAL),
        (401, "UNAUTHENTICATED", (), Kind.CREDENTIAL),
        (403, "PERMISSION_DENIED", (), Kind.CREDENTIAL),
        (404, "NOT_FOUND", (), Kind.CALLER),
        (429, "RESOURCE_EXHAUSTED", (RETRY,), Kind.RATE_LIMITED),
        (500, "INTERNAL", (), Kind.UNAVAILABLE),
        (503, "UNAVAILABLE", (), Kind.UNAVAILABLE),
        (504, "DEADLINE_EXCEEDED", (), Kind.TIMEOUT),
        (418, "SOMETHING_NEW", (), Kind.CALLER),
        (599, "SOMETHING_NEW", (), Kind.UNAVAILABLE),
    ],
)
def test_whose_fault_it_is(code: int, word: str, details: Any, kind: Kind):
    error = read(code, status(code, "Words.", word, *details))
    assert (error.kind, error.message, error.status) == (kind, "Words.", code)
    assert (error.retry_after, error.advised) == ((27, True) if RETRY in details else (None, False))


def test_an_error_may_come_in_a_list():
    assert read(400, [status(400, "Words.", "INVALID_ARGUMENT")]).message == "Words."


def test_a_retry_after_header_counts_where_the_body_says_nothing():
    told = read(429, status(429, "Slow.", "RESOURCE_EXHAUSTED"), retry_after="7")
    assert (told.retry_after, told.advised) == (7, False)
    assert read(429, status(429, "Slow.", "RESOURCE_EXHAUSTED"), retry_after="Fri, 01 Jan 2027").retry_after is None


@pytest.mark.parametrize(
    "body", [b"", b"<html>no</html>", b"[]", b'{"error": "words"}', b"\xff\xfe", b'{"error":{"code":"x"}}']
)
def test_a_body_that_cannot_be_read_is_an_error_of_its_status(body: bytes):
    error = read(502, body)
    assert (error.kind, error.status) == (Kind.UNAVAILABLE, 502)
    assert error.message
    assert "<html>" not in error.message


@pytest.mark.parametrize(
    "message",
    [
        "Publisher Model `projects/secret-1/locations/us/publishers/google/models/x` not found.",
        "Vertex AI API has not been used in project secret-1 before. Visit https://console.example/?project=secret-1 then retry.",
        "Quota exceeded for consumer 'project_number:secret-1'.",
    ],
)
def test_the_account_is_not_named(message: str):
    found = read(404, status(404, message, "NOT_FOUND")).message
    assert "secret-1" not in found
    assert len(found) > 20
