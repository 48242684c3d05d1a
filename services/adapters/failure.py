"""What a provider's error is to our caller: whose fault, in whose words, never with a secret in it."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from services.adapters.dialect import Dialect, Kind, UpstreamError
from services.adapters.redaction import clean
from services.catalog.schema import Target
from services.errors import GatewayError, InputTooLong, InvalidRequest, ProviderFailed, UpstreamTimeout
from services.vocabulary.call import Call

_SUMMARY: Final = {
    Kind.CREDENTIAL: "refused the gateway's credential",
    Kind.RATE_LIMITED: "is rate limited",
    Kind.UNAVAILABLE: "is unavailable",
    Kind.TIMEOUT: "timed out",
    Kind.TRUNCATED: "broke off its answer",
    Kind.PROTOCOL: "sent an answer that cannot be read",
    Kind.FAILED: "failed to answer",
}

RETRY: Final = ("x-should-retry", "true")
"""What the SDKs of OpenAI and Anthropic, and Claude Code, go by where the status does not say it: 424 is none of theirs."""

# What providers say of an input that is longer than the model's context; most have no code for it.
_TOO_LONG: Final = re.compile(
    r"(?:prompt|input) is too long|too many (?:input )?tokens|input token count|too large for model"
    r"|maximum (?:context|prompt) length|exceed\w* (?:the|this)\b[\w' ]{0,20}\bcontext|context length exceeded"
    r"|reduce the length of the (?:messages|prompt)",
    re.IGNORECASE,
)
_TOO_LONG_CODE: Final = "context_length_exceeded"

# Statuses that can be about what the caller asked for. The others are about what only the operator chooses (address, method,
# account) or about the provider's own state; a model it does not have (404) or has no more (410) may be had elsewhere.
_ABOUT_THE_CALL: Final = frozenset({400, 413, 415, 422})


def of_status(dialect: Dialect, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """An HTTP answer with a status of 300 or more."""
    if status < 400:
        return UpstreamError(Kind.UNAVAILABLE, f"It redirects (status {status}), which is not followed.", status=status)
    if is_page(headers):  # of a proxy in between: it says nothing to a client, and may name hosts
        body = b""
    error = dialect.error(status, headers, body)
    if error.kind is Kind.CALLER and status not in _ABOUT_THE_CALL:
        error.kind = Kind.CREDENTIAL if status == 402 else Kind.UNAVAILABLE
    return error


def of_whole(dialect: Dialect, call: Call, target: Target, body: bytes) -> UpstreamError:
    """A whole answer where a stream was asked for: what it says went wrong, or else that it is no stream."""
    try:
        dialect.answer(body, call, target)
    except UpstreamError as error:
        return error
    return UpstreamError(Kind.PROTOCOL, "a whole answer where a stream was asked for")


def is_page(headers: Mapping[str, str]) -> bool:
    """Whether the body is a web page."""
    return headers.get("content-type", "").startswith("text/html")


def public(error: UpstreamError, target: Target, secrets: Sequence[str]) -> GatewayError:
    """The gateway error for an upstream one."""
    words = clean(error.message, secrets)
    if error.kind is Kind.CALLER:
        too_long = error.code == _TOO_LONG_CODE or _TOO_LONG.search(words)
        return (InputTooLong if too_long else InvalidRequest)(
            words, param=error.param, model=target.id, kind=error.kind.value
        )
    message = f"{target.id} {_SUMMARY[error.kind]}: {words}"
    auth = target.provider.auth
    if error.kind is Kind.CREDENTIAL and (variables := [*auth.secret, *auth.token]):
        message += f" (The operator should check {' or '.join(variables)}.)"
    if error.kind is Kind.TIMEOUT:
        return UpstreamTimeout(message, model=target.id, kind=error.kind.value)
    failed = ProviderFailed(
        message, retry_after=error.retry_after, advised=error.advised, model=target.id, kind=error.kind.value
    )
    if _passes(error):
        failed.headers.append(RETRY)
    return failed


def _passes(error: UpstreamError) -> bool:
    """Whether the same call may go well a little later."""
    if error.kind is Kind.UNAVAILABLE:
        return error.status is None or error.status >= 500
    return error.kind in (Kind.RATE_LIMITED, Kind.TRUNCATED)
