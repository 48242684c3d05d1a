"""How long a client waits, as far as it says so."""

from typing import Any, Final

import grpc

Context = grpc.aio.ServicerContext[Any, Any]

_ADVICE: Final = frozenset({"x-stainless-read-timeout", "x-stainless-timeout"})
"""What the SDKs of OpenAI and Anthropic say: seconds without a byte (of the whole answer, for a whole answer) after which they
give up and try again. Of a stream it says nothing, because pings come in between."""


def patience_s(context: Context, *, stream: bool) -> float | None:
    """Seconds until the client gives up: its gRPC deadline, or what its SDK says; None: it does not say."""
    left: float | None = context.time_remaining()
    if stream:
        return left
    for name, value in context.invocation_metadata() or ():
        if name in _ADVICE and (said := _seconds(str(value))) is not None:
            left = said if left is None else min(left, said)
    return left


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if seconds > 0 else None  # so that NaN, and a client that says no limit, are none
