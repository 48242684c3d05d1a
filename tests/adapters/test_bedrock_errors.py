"""Bedrock's HTTP errors: whose fault they are, and that they never tell whose account it is."""

import json

import pytest

from services.adapters.dialect import Kind
from tests.adapters.bedrock_kit import CONVERSE

CORAL = ":http://internal.amazon.com/coral/com.amazon.bedrock/"


@pytest.mark.parametrize(
    ("status", "type", "kind"),
    [
        (400, "ValidationException", Kind.CALLER),
        (400, "SerializationException", Kind.CALLER),
        (400, "ServiceQuotaExceededException", Kind.RATE_LIMITED),
        (403, "AccessDeniedException", Kind.CREDENTIAL),
        (403, "ExpiredTokenException", Kind.CREDENTIAL),
        (403, "UnrecognizedClientException", Kind.CREDENTIAL),
        (403, "InvalidSignatureException", Kind.CREDENTIAL),
        (404, "ResourceNotFoundException", Kind.UNAVAILABLE),
        (408, "ModelTimeoutException", Kind.TIMEOUT),
        (424, "ModelErrorException", Kind.UNAVAILABLE),
        (429, "ThrottlingException", Kind.RATE_LIMITED),
        (429, "ModelNotReadyException", Kind.UNAVAILABLE),
        (500, "InternalServerException", Kind.UNAVAILABLE),
        (503, "ServiceUnavailableException", Kind.UNAVAILABLE),
        (401, "", Kind.CREDENTIAL),
        (418, "TeapotException", Kind.CALLER),
        (429, "", Kind.RATE_LIMITED),
        (504, "", Kind.TIMEOUT),
        (599, "", Kind.UNAVAILABLE),
    ],
)
def test_kinds(status: int, type: str, kind: Kind) -> None:
    """The type says whose fault it is, else the status."""
    error = CONVERSE.error(status, {"X-Amzn-ErrorType": type + CORAL if type else ""}, b'{"message":"Because."}')
    assert (error.kind, error.message, error.status, error.code) == (kind, "Because.", status, type or None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"No."}', "AccessDeniedException"),
        (b'{"message":null}', None),
        (b"<html>Bad gateway</html>", None),
        (b"", None),
        (b'{"message":{"deep":1}}', None),
    ],
)
def test_every_body_is_an_error_with_a_message(body: bytes, code: str | None) -> None:
    """An unreadable error is an error of its status too."""
    error = CONVERSE.error(403, {}, body)
    assert error.kind is Kind.CREDENTIAL
    assert error.message
    assert error.code == code


def test_the_wait_a_provider_asks_for() -> None:
    """Retry-After, in seconds or as a date, is carried."""
    assert CONVERSE.error(429, {"retry-after": "7"}, b"{}").retry_after == 7
    headers = {"Retry-After": "Wed, 21 Oct 2026 07:28:10 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert CONVERSE.error(429, headers, b"{}").retry_after == 10


def test_a_models_own_status_says_more() -> None:
    """A model error tells what the model's own server said."""
    body = json.dumps({"message": "x", "originalStatusCode": 429}).encode()
    assert CONVERSE.error(424, {"x-amzn-errortype": "ModelErrorException"}, body).kind is Kind.RATE_LIMITED


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (
            (
                "User: arn:aws:sts::123456789012:assumed-role/Deploy/i-1 is not authorized to perform: bedrock:InvokeModel on "
                "resource: arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.x"
            ),
            (
                "User: (an AWS identity) is not authorized to perform: bedrock:InvokeModel on "
                "resource: arn:aws:bedrock:us-east-1:************:inference-profile/us.x"
            ),
        ),
        (
            "Account 123456789012 is over its quota of 1234567890123 tokens.",
            "Account ************ is over its quota of 1234567890123 tokens.",
        ),
        (
            (
                "The request signature we calculated does not match the signature you provided.\n\n"
                "The Canonical String for this request should have been\n'POST\n/model/x\n\nx-amz-security-token:SECRET\n'"
            ),
            "The request signature we calculated does not match the signature you provided.",
        ),
    ],
)
def test_accounts_and_identities_are_masked(given: str, shown: str) -> None:
    """Messages name accounts, roles and even session tokens; clients must not see them."""
    assert CONVERSE.error(403, {}, json.dumps({"message": given}).encode()).message == shown
