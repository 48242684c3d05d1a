"""Errors in OpenAI's shape: `{"error": {message, type, param, code}}`, and xAI's `{"code", "error": "text"}`."""

from collections.abc import Mapping

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.openai_responses.shapes import WireError
from services.adapters.retry_after import retry_after

_CREDENTIAL_CODES = frozenset({"invalid_api_key", "invalid_organization", "account_deactivated", "billing_not_active"})


class _Body(msgspec.Struct):
    error: WireError | str | None = None
    message: str | None = None
    code: str | int | None = None


_body = msgspec.json.Decoder(_Body)


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """An HTTP error. A body of any other shape is shown as text, shortened."""
    try:
        given = _body.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        given = _Body(body[:500].decode("utf-8", "replace").strip() or None)
    error = given.error if isinstance(given.error, WireError) else WireError(given.error or given.message, given.code)
    message = error.message or f"HTTP status {status}"
    return UpstreamError(
        kind_of(status, error),
        message,
        status=status,
        retry_after=retry_after(headers),
        param=error.param,
        code=_code(error),
    )


def failed(error: WireError | None) -> UpstreamError:
    """The error of a stream or of a response whose status is `failed`."""
    error = error or WireError()
    message = error.message or "The provider says that this generation failed."
    code = _code(error)
    kind = {
        "rate_limit_exceeded": Kind.RATE_LIMITED,
        "server_error": Kind.UNAVAILABLE,
        "server_overloaded": Kind.UNAVAILABLE,
        "slow_down": Kind.RATE_LIMITED,
        "context_length_exceeded": Kind.CALLER,
        "invalid_prompt": Kind.CALLER,
        "invalid_image": Kind.CALLER,
        "invalid_base64_image": Kind.CALLER,
        "invalid_image_url": Kind.CALLER,
        "image_too_large": Kind.CALLER,
        "image_content_policy_violation": Kind.CALLER,
    }.get(code or "", Kind.FAILED)
    return UpstreamError(kind, message, param=error.param, code=code)


def kind_of(status: int, error: WireError) -> Kind:
    """Whose fault it is. xAI answers 400 to a wrong key, so its words decide there."""
    if status in (401, 403) or _code(error) in _CREDENTIAL_CODES:
        return Kind.CREDENTIAL
    if status == 400 and "api key" in (error.message or "").lower():
        return Kind.CREDENTIAL
    if status == 429:
        return Kind.RATE_LIMITED
    if status in (408, 504):
        return Kind.TIMEOUT
    return Kind.CALLER if status < 500 else Kind.UNAVAILABLE


def _code(error: WireError) -> str | None:
    code = error.code if error.code is not None else error.type
    return str(code) if code is not None else None
