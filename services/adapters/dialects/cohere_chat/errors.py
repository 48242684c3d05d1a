"""Cohere's errors: a bare `{"id", "message"}`, sometimes with an `error_type`, and failures told in `message-end`.

https://docs.cohere.com/reference/errors
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.retry_after import retry_after

_MESSAGE_MAX: Final = 2000

_STATUS: Final[Mapping[int, Kind]] = {
    401: Kind.CREDENTIAL,
    402: Kind.CREDENTIAL,  # our account there is out of money
    403: Kind.CREDENTIAL,
    404: Kind.UNAVAILABLE,  # no such model here; perhaps elsewhere
    408: Kind.TIMEOUT,
    429: Kind.RATE_LIMITED,
    498: Kind.CREDENTIAL,  # the token is blocked
    499: Kind.UNAVAILABLE,
    504: Kind.TIMEOUT,
}
_FINISH: Final[Mapping[str, Kind]] = {
    "TIMEOUT": Kind.TIMEOUT,
    "ERROR_LIMIT": Kind.CALLER,  # the conversation is longer than the model's context
    "NETWORK_ERROR": Kind.UNAVAILABLE,
}


class _Body(msgspec.Struct):
    message: str | None = None
    error_type: str | None = None


_body = msgspec.json.Decoder(_Body)


def http_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """An answer with a status of 400 or more."""
    try:
        given = _body.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = body.decode("utf-8", "replace").strip()
        given = _Body("" if text.startswith("<") else text[:_MESSAGE_MAX])  # an HTML page says nothing
    return UpstreamError(
        _STATUS.get(status, Kind.UNAVAILABLE if status >= 500 else Kind.CALLER),
        (given.message or "")[:_MESSAGE_MAX] or f"status {status}",
        status=status,
        retry_after=retry_after(headers),
        code=given.error_type,
    )


def failed(finish_reason: str, message: str | None, error_type: str | None) -> UpstreamError:
    """A generation that the provider says has failed: `finish_reason` is none of those that end an answer."""
    return UpstreamError(
        _FINISH.get(finish_reason, Kind.FAILED),
        message or f"the provider ended the answer with {finish_reason}",
        code=error_type or finish_reason,
    )
