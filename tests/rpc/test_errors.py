"""What gRPC clients see of an error: code, message, reason, and how long to wait."""

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.rpc.error_details_pb2 import ErrorInfo, Help, RetryInfo
from google.rpc.status_pb2 import Status
from grpc.aio import AioRpcError, Metadata

from services import errors
from services.errors_grpc import DETAILS, from_rpc_error, rich_status

# One row per line of the error table: gRPC code, reason.
TABLE = [
    (errors.InvalidRequest, "INVALID_ARGUMENT", "INVALID_REQUEST"),
    (errors.InvalidKey, "UNAUTHENTICATED", "INVALID_API_KEY"),
    (errors.InsufficientCredits, "RESOURCE_EXHAUSTED", "INSUFFICIENT_CREDITS"),
    (errors.PermissionDenied, "PERMISSION_DENIED", "PERMISSION_DENIED"),
    (errors.NotFound, "NOT_FOUND", "NOT_FOUND"),
    (errors.ModelNotFound, "NOT_FOUND", "MODEL_NOT_FOUND"),
    (errors.Conflict, "ALREADY_EXISTS", "CONFLICT"),
    (errors.RequestTooLarge, "OUT_OF_RANGE", "REQUEST_TOO_LARGE"),
    (errors.NoZdrRoute, "FAILED_PRECONDITION", "ZDR_NO_PROVIDER"),
    (errors.ProviderFailed, "UNAVAILABLE", "PROVIDER_FAILED"),
    (errors.RateLimited, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"),
    (errors.Overloaded, "UNAVAILABLE", "OVERLOADED"),
    (errors.UpstreamTimeout, "DEADLINE_EXCEEDED", "UPSTREAM_TIMEOUT"),
]


def detail(status: Status, kind: type[ErrorInfo] | type[RetryInfo]):
    """The one detail of a type, or None."""
    found = kind()
    return next((found for packed in status.details if packed.Unpack(found)), None)


@pytest.mark.parametrize(("kind", "code", "reason"), TABLE, ids=[reason for _, _, reason in TABLE])
def test_each_error_has_its_code_and_reason(kind, code, reason):
    """ErrorInfo is always there, with our domain, and holds what the error knows."""
    status = rich_status(kind("what went wrong", param="input[0]", model="acme/m1"))
    info = detail(status, ErrorInfo)
    assert (status.code, status.message) == (grpc.StatusCode[code].value[0], "what went wrong")
    assert (info.reason, info.domain) == (reason, "concentrate")
    assert dict(info.metadata) == {"param": "input[0]", "model": "acme/m1"}
    assert detail(status, RetryInfo) is None


@pytest.mark.parametrize("kind", [errors.RateLimited, errors.Overloaded])
def test_a_wait_is_said_in_both_ways(kind):
    """RetryInfo is for clients that know only gRPC; the metadata is for ours."""
    status = rich_status(kind("later", retry_after=7))
    assert detail(status, RetryInfo).retry_delay.seconds == 7
    assert detail(status, ErrorInfo).metadata["retry_after"] == "7"


def failure(code: grpc.StatusCode, status: Status | None = None) -> AioRpcError:
    trailers = Metadata() if status is None else Metadata((DETAILS, status.SerializeToString()))
    return AioRpcError(code, Metadata(), trailers, details="said the peer")


def foreign() -> Status:
    """A status of somebody else's."""
    status = Status(code=5, message="no such thing")
    for about in (Help(), ErrorInfo(reason="SERVICE_DISABLED", domain="example.com")):
        packed = Packed()
        packed.Pack(about)
        status.details.append(packed)
    return status


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (failure(grpc.StatusCode.UNAVAILABLE), errors.Overloaded),
        (failure(grpc.StatusCode.DEADLINE_EXCEEDED), errors.Overloaded),
        (failure(grpc.StatusCode.UNIMPLEMENTED), errors.InternalError),
        (failure(grpc.StatusCode.RESOURCE_EXHAUSTED), errors.InternalError),
        (failure(grpc.StatusCode.NOT_FOUND, foreign()), errors.InternalError),
        (failure(grpc.StatusCode.UNAVAILABLE, foreign()), errors.Overloaded),
    ],
    ids=["unavailable", "deadline", "unimplemented", "message too large", "foreign details", "foreign and away"],
)
def test_what_is_not_ours_does_not_pass_for_ours(error, kind):
    """Only our own details are believed; the peer's words are not shown."""
    found = from_rpc_error(error)
    assert type(found) is kind
    assert "said the peer" not in found.message
