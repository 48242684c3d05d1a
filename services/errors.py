"""Every error a client can see, as one tree.

GatewayError
├── InvalidRequest      400  the caller's request is wrong; `param` says where
│   ├── PreviousResponseNotFound 400  what is to be continued is not there
│   ├── InputTooLong        400  more than the model's context takes
│   └── ThreadUnsupported   400  a conversation that the provider is to keep
├── InvalidKey          401  no key, or one that is malformed, unknown, revoked or expired
├── InsufficientCredits 402  a balance, key cap or budget would be exceeded
├── PermissionDenied    403  the key may not use this
├── NotFound            404  unknown id or path
│   └── ModelNotFound   404  unknown model; the message suggests the nearest names
├── Conflict            409  it exists already, or changed meanwhile
├── RequestTooLarge     413  the body is over the limit
├── NoZdrRoute          422  zero data retention leaves no route
├── ProviderFailed      424  every candidate provider failed
├── RateLimited         429  a token bucket of ours is empty
├── InternalError       500  ours
├── Overloaded          503  draining, or everything is busy
└── UpstreamTimeout     504  the provider stayed silent

`reason` is the contract for programs (an enum of proto/concentrate/errors/v1), `code` the same for REST clients; the
message is for people and never holds a secret, an internal URL or a stack. The table is `design.md` §5.
"""

from typing import ClassVar

import msgspec
from grpc import StatusCode


class GatewayError(Exception):
    """Base of all. `param`: path in the request (`input[2].content[0]`). `retry_after`: seconds. `model`: provider/model.

    kind: of a provider's failure (`adapters.dialect.Kind`), for routing; clients do not see it. advised: the same for whether
    `retry_after` is advice for this request alone.
    inside: it goes to another process of ours, which is told these too.
    headers: for the answer, besides `Retry-After`; whoever lets the error pass may add its own.
    """

    http: ClassVar[int] = 500
    grpc: ClassVar[StatusCode] = StatusCode.INTERNAL
    type: ClassVar[str] = "server_error"
    code: ClassVar[str] = "server_error"
    reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: int | None = None,
        model: str | None = None,
        kind: str | None = None,
        advised: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.advised = advised
        self.param = param
        self.retry_after = retry_after
        self.model = model
        self.headers: list[tuple[str, str]] = []
        self.inside = False

    def __str__(self) -> str:
        return self.message

    def body(self) -> bytes:
        """The REST body: `{"error": {type, code, message, param, …}}`."""
        return msgspec.json.encode({"error": self.fields()})

    def fields(self) -> dict[str, str | int | None]:
        """The inner object of the REST body and of the stream's `error` event."""
        fields: dict[str, str | int | None] = {
            "type": self.type,
            "code": self.code,
            "message": self.message,
            "param": self.param,
        }
        if self.retry_after is not None:
            fields["retry_after"] = self.retry_after
        if self.model is not None:
            fields["model"] = self.model
        return fields


class InvalidRequest(GatewayError):
    """The caller's request is wrong."""

    http, grpc = 400, StatusCode.INVALID_ARGUMENT
    type = code = "invalid_request_error"
    reason = "INVALID_REQUEST"


class PreviousResponseNotFound(InvalidRequest):
    """What is to be continued is not there."""

    code, reason = "previous_response_not_found", "PREVIOUS_RESPONSE_NOT_FOUND"


class InputTooLong(InvalidRequest):
    """More than the model's context takes. Agents go by the code: they sum up what was said, and ask again."""

    code, reason = "context_length_exceeded", "INPUT_TOO_LONG"


class ThreadUnsupported(InvalidRequest):
    """A conversation that the provider is to keep, of which the client would send no more than what is new."""

    code, reason = "thread_unsupported_request", "THREAD_UNSUPPORTED"


class InvalidKey(GatewayError):
    """No key, or one that does not work."""

    http, grpc = 401, StatusCode.UNAUTHENTICATED
    type, code, reason = "authentication_error", "invalid_api_key", "INVALID_API_KEY"


class InsufficientCredits(GatewayError):
    """A balance, key cap or budget would be exceeded."""

    http, grpc = 402, StatusCode.RESOURCE_EXHAUSTED
    type, code, reason = "billing_error", "insufficient_credits", "INSUFFICIENT_CREDITS"


class PermissionDenied(GatewayError):
    """The key may not use this."""

    http, grpc = 403, StatusCode.PERMISSION_DENIED
    type, code, reason = "permission_error", "permission_denied", "PERMISSION_DENIED"


class NotFound(GatewayError):
    """Unknown id or path."""

    http, grpc = 404, StatusCode.NOT_FOUND
    type, code, reason = "not_found_error", "not_found", "NOT_FOUND"


class ModelNotFound(NotFound):
    """Unknown model."""

    code, reason = "model_not_found", "MODEL_NOT_FOUND"


class Conflict(GatewayError):
    """It exists already, or changed meanwhile."""

    http, grpc = 409, StatusCode.ALREADY_EXISTS
    type, code, reason = "conflict_error", "conflict", "CONFLICT"


class RequestTooLarge(GatewayError):
    """The body is over the limit."""

    http, grpc = 413, StatusCode.OUT_OF_RANGE
    type, code, reason = "request_too_large", "request_too_large", "REQUEST_TOO_LARGE"


class NoZdrRoute(GatewayError):
    """Zero data retention leaves no route."""

    http, grpc = 422, StatusCode.FAILED_PRECONDITION
    type, code, reason = "invalid_request_error", "zdr_no_provider", "ZDR_NO_PROVIDER"


class ProviderFailed(GatewayError):
    """Every candidate provider failed."""

    http, grpc = 424, StatusCode.UNAVAILABLE
    type = code = "provider_error"
    reason = "PROVIDER_FAILED"


class RateLimited(GatewayError):
    """A token bucket of ours is empty."""

    http, grpc = 429, StatusCode.RESOURCE_EXHAUSTED
    type, code, reason = "rate_limit_error", "rate_limit_exceeded", "RATE_LIMIT_EXCEEDED"


class InternalError(GatewayError):
    """Ours. The message says nothing about why; the log does."""

    def __init__(self) -> None:
        super().__init__("Internal error. The request id in X-Request-Id finds it in the logs.")


class Overloaded(GatewayError):
    """Draining, or everything is busy."""

    http, grpc = 503, StatusCode.UNAVAILABLE
    type, code, reason = "overloaded_error", "overloaded", "OVERLOADED"


class UpstreamTimeout(GatewayError):
    """The provider stayed silent."""

    http, grpc = 504, StatusCode.DEADLINE_EXCEEDED
    type, code, reason = "timeout_error", "timeout", "UPSTREAM_TIMEOUT"


def forget(error: BaseException) -> None:
    """Lets go of the tracebacks of an error that has been told, and of its causes.

    They hold frames, and those the request's body and the provider's; mostly in a circle, through the task or the list that
    holds the error, which only the garbage collector would find, many requests later.
    """
    left: BaseException | None = error
    for _ in range(20):  # causes are no ring, but anybody can set them
        if left is None:
            return
        left.__traceback__ = None
        left = left.__cause__ or left.__context__
