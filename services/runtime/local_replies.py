"""Envoy's own errors in our JSON shape: what a client sees when no worker of ours wrote the answer."""

from collections.abc import Iterator
from typing import Any, Final

from services import errors_anthropic
from services.errors import (
    GatewayError,
    InternalError,
    InvalidRequest,
    NotFound,
    Overloaded,
    RequestTooLarge,
    UpstreamTimeout,
)

RETRY_AFTER_SECONDS: Final = 1  # workers are back within two seconds

_KNOWN: Final[dict[int, tuple[type[GatewayError], str]]] = {
    400: (
        InvalidRequest,
        "%LOCAL_REPLY_BODY%",
    ),  # HTTP that cannot be read, or JSON that a typed call does not understand
    404: (NotFound, "There is no %REQ(:METHOD)% %PATH(NQ)% here."),
    413: (RequestTooLarge, "The body is larger than 32 MiB."),
    500: (InternalError, "Internal error. The request id in X-Request-Id finds it in the logs."),
    502: (Overloaded, "The gateway's worker broke off. Please try again."),
    503: (Overloaded, "The gateway is not ready for this request. Please try again."),
    504: (UpstreamTimeout, "The gateway did not answer in time."),
}

_OTHER: Final[dict[int, tuple[str, str, str]]] = {
    403: ("permission_error", "permission_denied", "The gateway does not allow this."),
    408: ("timeout_error", "request_timeout", "The request did not arrive in time."),
    415: ("invalid_request_error", "unsupported_media_type", "The gateway cannot read this content type."),
    426: ("invalid_request_error", "upgrade_required", "HTTP/1.1 or HTTP/2 is needed."),
    431: (
        "invalid_request_error",
        "headers_too_large",
        "The request has more than 100 headers, or more than 64 KiB of them.",
    ),
}


_NO_WEBSOCKET: Final = "There is a WebSocket on /v1/responses only: use HTTP with server-sent events here."


def mappers() -> list[dict[str, Any]]:
    """`local_reply_config.mappers`, first match first. gRPC clients keep Envoy's text.

    A WebSocket is refused with 426, which clients such as Codex take as "use HTTP" without trying again.
    """
    plain = {"text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"}}
    grpc = _all(
        _header("content-type", string_match={"prefix": "application/grpc"}),
        _header("x-envoy-original-path", present_match=True, invert_match=True),  # REST looks like gRPC once transcoded
    )
    upgrade = _all(_status(403), _header("upgrade", present_match=True))
    return [
        {"filter": grpc, "body_format_override": plain},
        {"filter": upgrade, "status_code": 426, **_reply("invalid_request_error", "upgrade_required", _NO_WEBSOCKET)},
        *({"filter": _all(_messages(), _status(*when)), **_reply(*words, anthropic=True)} for when, words in _words()),
        *({"filter": _status(*when), **_reply(*words)} for when, words in _words()),
    ]


def _words() -> Iterator[tuple[tuple[int, str], tuple[str, str, str, bool]]]:
    """Statuses, and the type, code and message of each; whether to try again soon."""
    for status, (error, message) in _KNOWN.items():
        yield (status, "EQ"), (error.type, error.code, message, status in (502, 503))
    for status, (type, code, message) in _OTHER.items():
        yield (status, "EQ"), (type, code, message, False)
    yield (500, "GE"), ("server_error", "server_error", "%LOCAL_REPLY_BODY%", False)
    yield (400, "GE"), ("invalid_request_error", "invalid_request_error", "%LOCAL_REPLY_BODY%", False)


def _reply(type: str, code: str, message: str, retry: bool = False, *, anthropic: bool = False) -> dict[str, Any]:
    error: dict[str, Any] = {"type": type, "code": code, "message": message, "param": None}
    if retry:
        error["retry_after"] = RETRY_AFTER_SECONDS
    body: dict[str, Any] = {"error": error}
    if anthropic:
        error["type"] = errors_anthropic.TYPES.get(type, type)
        body = {"type": "error", "error": error, "request_id": "%REQ(X-REQUEST-ID)%"}
    reply: dict[str, Any] = {"body_format_override": {"json_format": body}}
    if retry:
        header = {
            "header": {"key": "retry-after", "value": str(RETRY_AFTER_SECONDS)},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
        reply["headers_to_add"] = [header]
    return reply


def _messages() -> dict[str, Any]:
    """The paths of the Messages API, before and after the transcoder."""
    begins = {"string_match": {"prefix": errors_anthropic.PATH}}
    return {"or_filter": {"filters": [_header(":path", **begins), _header("x-envoy-original-path", **begins)]}}


def _status(status: int, op: str = "EQ") -> dict[str, Any]:
    runtime = {"default_value": status, "runtime_key": "unused"}
    return {"status_code_filter": {"comparison": {"op": op, "value": runtime}}}


def _header(name: str, **match: Any) -> dict[str, Any]:
    return {"header_filter": {"header": {"name": name, **match}}}


def _all(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"and_filter": {"filters": filters}}
