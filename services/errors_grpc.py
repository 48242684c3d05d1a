"""Errors as gRPC says them: `google.rpc.Status` with `ErrorInfo(reason, domain, metadata)`, and back.

The reason is the contract (`concentrate.errors.v1.ErrorReason`); `metadata` holds `param`, `model` and `retry_after` as
far as the error has them, and `RetryInfo` says the same wait to clients that know only gRPC.
"""

from typing import Final

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from services import errors
from services.errors import GatewayError, InternalError, Overloaded

DOMAIN: Final = "concentrate"
DETAILS: Final = "grpc-status-details-bin"
"""The trailing metadata that carries the status."""

_CLASSES: Final[dict[str, type[GatewayError]]] = {
    value.reason: value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, GatewayError) and value is not GatewayError
}
_NOT_REACHED: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def rich_status(error: GatewayError) -> Status:
    """The status of an error. Its bytes are the value of the trailing metadata `DETAILS`."""
    about = {"param": error.param, "model": error.model, "retry_after": error.retry_after}
    if error.inside:
        about |= {"kind": error.kind, "advised": error.advised or None}
    info = ErrorInfo(
        reason=error.reason,
        domain=DOMAIN,
        metadata={name: str(value) for name, value in about.items() if value is not None},
    )
    status = Status(code=error.grpc.value[0], message=error.message)
    status.details.append(_packed(info))
    if error.retry_after is not None:
        retry = RetryInfo()
        retry.retry_delay.FromSeconds(error.retry_after)
        status.details.append(_packed(retry))
    return status


def from_rpc_error(error: grpc.aio.AioRpcError) -> GatewayError:
    """The error another of our services raised: the same class, with the same fields.

    A service that cannot be reached is `Overloaded`; anything that is not our status is `InternalError`.
    """
    for name, value in error.trailing_metadata() or ():
        if name == DETAILS and isinstance(value, bytes):
            found = _from_status(Status.FromString(value))
            if found is not None:
                return found
    if error.code() in _NOT_REACHED:
        return Overloaded("A service of the gateway cannot be reached. Try again.", retry_after=1)
    return InternalError()


def _from_status(status: Status) -> GatewayError | None:
    info = ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info) and info.domain == DOMAIN and info.reason in _CLASSES:
            return _rebuilt(_CLASSES[info.reason], status.message, info)
    return None


def _rebuilt(kind: type[GatewayError], message: str, info: ErrorInfo) -> GatewayError:
    if kind is InternalError:
        return InternalError()
    retry_after = info.metadata.get("retry_after")
    return kind(
        message,
        param=info.metadata.get("param"),
        retry_after=int(retry_after) if retry_after is not None else None,
        model=info.metadata.get("model"),
        kind=info.metadata.get("kind"),
        advised="advised" in info.metadata,
    )


def _packed(detail: ErrorInfo | RetryInfo) -> Packed:
    packed = Packed()
    packed.Pack(detail)
    return packed
