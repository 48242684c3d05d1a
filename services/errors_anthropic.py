"""Errors in the shape of Anthropic's API, for the paths where its clients ask.

    {"type": "error", "error": {"type", "message", …}, "request_id"}

Their types are a list of their own (https://platform.claude.com/docs/en/api/errors), which clients go by together with the
status; ours has the same words where it means the same. `code`, `param`, `retry_after` and `model` stand beside them; a code
that says more than the type is also `details.error_code`, where Anthropic's SDKs look for it.
"""

from typing import Final

import msgspec

from services.errors import GatewayError, InputTooLong

PATH: Final = "/v1/messages"
"""What the paths of this API begin with."""

TOO_LONG: Final = "prompt is too long"
"""What Anthropic's message begins with when it is; Claude Code and others know it by these words alone, and sum up."""

TYPES: Final = {"provider_error": "api_error", "server_error": "api_error"}
"""Our words that theirs are different from."""


def speaks(path: str) -> bool:
    """Whether the clients of a path expect this shape."""
    return path.startswith(PATH) and path[len(PATH) : len(PATH) + 1] in ("", "/", "?")


def error_type(error: GatewayError) -> str:
    """Anthropic's word for it."""
    return TYPES.get(error.type, error.type)


def body(error: GatewayError, request_id: str | None) -> bytes:
    """The REST body, and the data of a stream's `error` event."""
    fields: dict[str, object] = {**error.fields(), "type": error_type(error)}
    if isinstance(error, InputTooLong) and TOO_LONG not in error.message.lower():
        fields["message"] = f"{TOO_LONG}: {error.message}"
    if error.code != error.type:
        fields["details"] = {"error_code": error.code}
    return msgspec.json.encode({"type": "error", "error": fields, "request_id": request_id})
