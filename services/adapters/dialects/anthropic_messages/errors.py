"""Errors of Anthropic's, as HTTP answers and in streams -> `UpstreamError`.

https://platform.claude.com/docs/en/api/errors. Vertex and Bedrock answer in shapes of their own for what fails before
the model is reached: `{"error": {"status", "message"}}` (or an array of it) and `{"message"}`.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.retry_after import retry_after

_TYPES: Final = {
    "invalid_request_error": Kind.CALLER,
    "not_found_error": Kind.CALLER,
    "request_too_large": Kind.CALLER,
    "conflict_error": Kind.CALLER,
    "authentication_error": Kind.CREDENTIAL,
    "permission_error": Kind.CREDENTIAL,
    "billing_error": Kind.CREDENTIAL,
    "rate_limit_error": Kind.RATE_LIMITED,
    "overloaded_error": Kind.UNAVAILABLE,
    "api_error": Kind.UNAVAILABLE,
    "timeout_error": Kind.TIMEOUT,
    # Bedrock's exceptions
    "validationException": Kind.CALLER,
    "throttlingException": Kind.RATE_LIMITED,
    "internalServerException": Kind.UNAVAILABLE,
    "serviceUnavailableException": Kind.UNAVAILABLE,
    "modelTimeoutException": Kind.TIMEOUT,
    "modelStreamErrorException": Kind.FAILED,
}
_STATUSES: Final = {
    401: Kind.CREDENTIAL,
    402: Kind.CREDENTIAL,
    403: Kind.CREDENTIAL,
    408: Kind.TIMEOUT,
    424: Kind.FAILED,  # Bedrock: the model failed
    429: Kind.RATE_LIMITED,
    504: Kind.TIMEOUT,
}
_NO_CREDIT: Final = "credit balance is too low"  # a 400, though it is the account that lacks money
_TEXT_MAX: Final = 500  # of a body that is no JSON


class _Inner(msgspec.Struct):
    message: str = ""
    type: str | None = None
    status: str | None = None


class _Outer(msgspec.Struct):
    error: _Inner | str | None = None
    message: str | None = None
    Message: str | None = None  # some of AWS's own services write it so


_outer = msgspec.json.Decoder(_Outer)
_outers = msgspec.json.Decoder(list[_Outer])


def http_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """An HTTP error. Never raises."""
    message, code = _read(body)
    kind = _STATUSES.get(status) or (Kind.UNAVAILABLE if status >= 500 else Kind.CALLER)
    if kind is Kind.CALLER and _NO_CREDIT in message:
        kind = Kind.CREDENTIAL
    return UpstreamError(kind, message or f"HTTP {status}", status=status, retry_after=retry_after(headers), code=code)


def stream_error(code: str, message: str) -> UpstreamError:
    """An error in the middle of a stream, by its type."""
    return UpstreamError(_TYPES.get(code, Kind.FAILED), message or code, code=code)


def _read(body: bytes) -> tuple[str, str | None]:
    try:
        outer = _outers.decode(body)[0] if body.lstrip().startswith(b"[") else _outer.decode(body)
    except (msgspec.DecodeError, IndexError, RecursionError, UnicodeDecodeError):
        return body[:_TEXT_MAX].decode("utf-8", "replace").strip(), None
    if isinstance(outer.error, _Inner):
        return outer.error.message, outer.error.type or outer.error.status
    return outer.error or outer.message or outer.Message or "", None
