"""Google's errors: a `google.rpc.Status` under `error`, sometimes in a list of one.

https://cloud.google.com/apis/design/errors
https://ai.google.dev/gemini-api/docs/troubleshooting
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.retry_after import retry_after

_BY_STATUS: Final = {
    401: Kind.CREDENTIAL,
    403: Kind.CREDENTIAL,
    408: Kind.TIMEOUT,
    429: Kind.RATE_LIMITED,
    499: Kind.UNAVAILABLE,
    504: Kind.TIMEOUT,
}
# Google's name of the status, where it says more than the number: mid-stream there may be no number.
_BY_NAME: Final = {
    "UNAUTHENTICATED": Kind.CREDENTIAL,
    "PERMISSION_DENIED": Kind.CREDENTIAL,
    "FAILED_PRECONDITION": Kind.CREDENTIAL,  # no billing account, or the account's region is not served
    "RESOURCE_EXHAUSTED": Kind.RATE_LIMITED,
    "DEADLINE_EXCEEDED": Kind.TIMEOUT,
    "INVALID_ARGUMENT": Kind.CALLER,
    "OUT_OF_RANGE": Kind.CALLER,
    "NOT_FOUND": Kind.CALLER,
    "INTERNAL": Kind.UNAVAILABLE,
    "UNAVAILABLE": Kind.UNAVAILABLE,
}
_KEY_REASONS: Final = ("API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "API_KEY_EXPIRED", "ACCESS_TOKEN_EXPIRED")
# The account's name, which Google puts into resource names and links.
_ACCOUNT: Final = re.compile(r"(projects/|[?&]project=|\bproject[ _]number:? ?|\bin project )[\w.:-]*[\w-]")
_MESSAGE_MAX: Final = 2000


class _Detail(msgspec.Struct, rename="camel"):
    reason: str | None = None
    retry_delay: str | None = None


class _Status(msgspec.Struct):
    code: int | None = None
    message: str | None = None
    status: str | None = None
    details: list[_Detail] | None = None


class _Envelope(msgspec.Struct):
    error: _Status


_body = msgspec.json.Decoder(_Envelope | list[_Envelope])
_status = msgspec.json.Decoder(_Status)


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """An HTTP error. What cannot be read is judged by its status alone."""
    try:
        found = _body.decode(body)
        error = (found[0] if isinstance(found, list) else found).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError):
        text = body[:_MESSAGE_MAX].decode("utf-8", "replace").strip() if b"<html" not in body[:1000].lower() else ""
        error = _Status(message=text)
    return _upstream_error(error, status, retry_after(headers))


def read_stream_error(raw: bytes) -> UpstreamError:
    """An error in place of a chunk."""
    try:
        error = _status.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = _Status()
    return _upstream_error(error, error.code, None)


def _upstream_error(error: _Status, status: int | None, wait: int | None) -> UpstreamError:
    details = error.details or []
    reason = next((detail.reason for detail in details if detail.reason), None)
    advice = next((detail.retry_delay for detail in details if detail.retry_delay), "")
    message = _ACCOUNT.sub(r"\1…", (error.message or "").strip())[:_MESSAGE_MAX]
    return UpstreamError(
        _kind(error, status, reason),
        message or f"The provider answered with status {status}.",
        status=status,
        retry_after=wait or retry_after({"retry-after": advice.removesuffix("s")}),
        advised=wait is None and bool(advice),  # about one quota of many, which a smaller request may not meet
        code=reason or error.status,
    )


def _kind(error: _Status, status: int | None, reason: str | None) -> Kind:
    if reason in _KEY_REASONS or "api key not valid" in (error.message or "").lower():
        return Kind.CREDENTIAL
    if error.status in _BY_NAME:
        return _BY_NAME[error.status]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status is not None and 400 <= status < 500:
        return Kind.CALLER
    return Kind.UNAVAILABLE
