"""Bedrock's errors: of a response by its type (`x-amzn-errortype`), of a stream by its exception frames.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors and
https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.retry_after import retry_after
from services.wire.frame import Frame

_KINDS: Final[dict[str, Kind]] = {
    "ValidationException": Kind.CALLER,
    "ValidationError": Kind.CALLER,
    "SerializationException": Kind.CALLER,
    "RequestEntityTooLargeException": Kind.CALLER,
    "ConflictException": Kind.CALLER,
    "AccessDeniedException": Kind.CREDENTIAL,
    "UnrecognizedClientException": Kind.CREDENTIAL,
    "ExpiredTokenException": Kind.CREDENTIAL,
    "ExpiredToken": Kind.CREDENTIAL,
    "InvalidSignatureException": Kind.CREDENTIAL,
    "SignatureDoesNotMatch": Kind.CREDENTIAL,
    "IncompleteSignature": Kind.CREDENTIAL,
    "IncompleteSignatureException": Kind.CREDENTIAL,
    "InvalidClientTokenId": Kind.CREDENTIAL,
    "MissingAuthenticationToken": Kind.CREDENTIAL,
    "MissingAuthenticationTokenException": Kind.CREDENTIAL,
    "NotAuthorized": Kind.CREDENTIAL,
    "OptInRequired": Kind.CREDENTIAL,
    "ThrottlingException": Kind.RATE_LIMITED,
    "TooManyRequestsException": Kind.RATE_LIMITED,
    "ServiceQuotaExceededException": Kind.RATE_LIMITED,
    "ResourceNotFoundException": Kind.UNAVAILABLE,  # not here or no longer; another provider may have the model
    "ModelNotReadyException": Kind.UNAVAILABLE,
    "ModelErrorException": Kind.UNAVAILABLE,
    "ModelStreamErrorException": Kind.UNAVAILABLE,
    "InternalServerException": Kind.UNAVAILABLE,
    "InternalFailure": Kind.UNAVAILABLE,
    "ServiceUnavailableException": Kind.UNAVAILABLE,
    "ServiceUnavailable": Kind.UNAVAILABLE,
    "ModelTimeoutException": Kind.TIMEOUT,
}
_ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")
_IDENTITY = re.compile(r"arn:aws[\w-]*:(?:iam|sts)::[^\s,]+")
_STRING_TO_SIGN = re.compile(r"\s*The (?:Canonical String|String-to-Sign)\b.*", re.DOTALL)


class _Body(msgspec.Struct):
    message: str | None = None
    upper_message: str | None = msgspec.field(name="Message", default=None)
    type_: str | None = msgspec.field(name="__type", default=None)
    code: str | None = None
    original_status: int | None = msgspec.field(name="originalStatusCode", default=None)


_body = msgspec.json.Decoder(_Body)


def error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """An HTTP error."""
    given = _read(body)
    lower = {name.lower(): value for name, value in headers.items()}
    code = _short(lower.get("x-amzn-errortype") or given.type_ or given.code or "")
    return _error(code, given, status, retry_after(lower))


def exception(frame: Frame) -> UpstreamError:
    """An exception or error frame in the middle of a stream."""
    given = _read(frame.data)
    if not given.message and (told := frame.headers.get(":error-message")):
        given.message = told
    code = _short(frame.event)
    return _error(code[:1].upper() + code[1:], given, None, None)


def public(message: str) -> str:
    """The message without account numbers, identities and the canonical request (which quotes the session token)."""
    message = _STRING_TO_SIGN.sub("", message)
    return _ACCOUNT.sub("************", _IDENTITY.sub("(an AWS identity)", message))


def _error(code: str, given: _Body, status: int | None, wait: int | None) -> UpstreamError:
    kind = _KINDS.get(code)
    if kind is None or given.original_status is not None:  # a model's own status says more than "model error"
        kind = _kind_of_status(given.original_status or status)
    message = public(given.message or given.upper_message or "") or code or f"HTTP status {status} without a message"
    return UpstreamError(kind, message, status=status, retry_after=wait, code=code or None)


def _kind_of_status(status: int | None) -> Kind:
    match status:
        case 401 | 403:
            return Kind.CREDENTIAL
        case 404:
            return Kind.UNAVAILABLE
        case 408 | 504:
            return Kind.TIMEOUT
        case 429:
            return Kind.RATE_LIMITED
        case None:
            return Kind.UNAVAILABLE
        case _:
            return Kind.CALLER if 400 <= status < 500 else Kind.UNAVAILABLE


def _read(body: bytes) -> _Body:
    try:
        return _body.decode(body)
    except msgspec.MsgspecError:
        return _Body()


def _short(code: str) -> str:
    """`ValidationException` of `com.amazon…#ValidationException` and `ValidationException:http://…`."""
    return code.partition(":")[0].rpartition("#")[2].strip()
