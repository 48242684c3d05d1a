"""What a provider's error is to our caller: whose fault, in whose words, never with a secret in it."""

from collections.abc import Sequence
from typing import Final

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.redaction import clean
from services.catalog.schema import Target
from services.errors import GatewayError, InvalidRequest, ProviderFailed, UpstreamTimeout

_SUMMARY: Final = {
    Kind.CREDENTIAL: "refused the gateway's credential",
    Kind.RATE_LIMITED: "is rate limited",
    Kind.UNAVAILABLE: "is unavailable",
    Kind.TIMEOUT: "timed out",
    Kind.TRUNCATED: "broke off its answer",
    Kind.PROTOCOL: "sent an answer that cannot be read",
    Kind.FAILED: "failed to answer",
}


def of_status(error: UpstreamError) -> UpstreamError:
    """An HTTP error. A model this provider does not have may be had elsewhere, so its 404 is not the caller's mistake."""
    if error.status == 404 and error.kind is Kind.CALLER:
        error.kind = Kind.UNAVAILABLE
    return error


def public(error: UpstreamError, target: Target, secrets: Sequence[str]) -> GatewayError:
    """The gateway error for an upstream one."""
    words = clean(error.message, secrets)
    if error.kind is Kind.CALLER:
        return InvalidRequest(words, param=error.param, model=target.id, kind=error.kind.value)
    message = f"{target.id} {_SUMMARY[error.kind]}: {words}"
    auth = target.provider.auth
    if error.kind is Kind.CREDENTIAL and (variables := [*auth.secret, *auth.token]):
        message += f" (The operator should check {' or '.join(variables)}.)"
    if error.kind is Kind.TIMEOUT:
        return UpstreamTimeout(message, model=target.id, kind=error.kind.value)
    return ProviderFailed(message, retry_after=error.retry_after, model=target.id, kind=error.kind.value)
