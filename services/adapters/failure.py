"""What a provider's error is to our caller: whose fault, in whose words, and never with a secret in it."""

import re
from collections.abc import Sequence
from typing import Final

from services.adapters.dialect import Kind, UpstreamError
from services.catalog.schema import Target
from services.errors import GatewayError, InvalidRequest, ProviderFailed, UpstreamTimeout

_MESSAGE_MAX: Final = 2000
_SUMMARY: Final = {
    Kind.CREDENTIAL: "refused the gateway's credential",
    Kind.RATE_LIMITED: "is rate limited",
    Kind.UNAVAILABLE: "is unavailable",
    Kind.TIMEOUT: "timed out",
    Kind.TRUNCATED: "broke off its answer",
    Kind.PROTOCOL: "sent an answer that cannot be read",
    Kind.FAILED: "failed to answer",
}
# Things in a provider's words that are the operator's business: keys (also half masked), project and account ids, hosts.
_PRIVATE: Final = re.compile(
    r"\b(?:sk|pk|xai|gsk|hf|AIza|AKIA|ASIA)[-_A-Za-z0-9*.]{8,}"
    r"|\b(?:org|proj|user)-[A-Za-z0-9]{8,}"
    r"|\b\d{12}\b"
    r"|https?://(?:localhost|127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)[^\s\"']*"
)


def of_status(error: UpstreamError) -> UpstreamError:
    """An HTTP error. A model this provider does not have may be had elsewhere, so its 404 is not the caller's mistake."""
    if error.status == 404 and error.kind is Kind.CALLER:
        error.kind = Kind.UNAVAILABLE
    return error


def public(error: UpstreamError, target: Target, secrets: Sequence[str]) -> GatewayError:
    """The gateway error for an upstream one."""
    words = clean(error.message, secrets)
    if error.kind is Kind.CALLER:
        return InvalidRequest(words, param=error.param, model=target.id)
    message = f"{target.id} {_SUMMARY[error.kind]}: {words}"
    if error.kind is Kind.CREDENTIAL and target.provider.auth.secret:
        message += f" (The operator should check {' or '.join(target.provider.auth.secret)}.)"
    if error.kind is Kind.TIMEOUT:
        return UpstreamTimeout(message, model=target.id)
    return ProviderFailed(message, retry_after=error.retry_after, model=target.id)


def clean(text: str, secrets: Sequence[str]) -> str:
    """A provider's words without secrets, shortened."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[redacted]")
    return _PRIVATE.sub("[redacted]", text)[:_MESSAGE_MAX]
