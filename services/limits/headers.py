"""Rate limits in the headers of answers: OpenAI's, which every surface has, and Anthropic's for clients that look for those.

OpenAI knows one limit of tokens: here it is whichever of input and output has fewer left.
https://platform.openai.com/docs/guides/rate-limits, https://docs.claude.com/en/api/rate-limits
"""

import time
from datetime import UTC, datetime, timedelta

from services.limits.standing import Standing, Window, seconds

Headers = list[tuple[str, str]]


def openai(standing: Standing) -> Headers:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`; reset is the time until the bucket is full."""
    tokens = _tighter(standing.input_tokens, standing.output_tokens)
    return [
        header
        for kind, window in (("requests", standing.requests), ("tokens", tokens))
        if window is not None
        for header in (
            (f"x-ratelimit-limit-{kind}", str(window.limit)),
            (f"x-ratelimit-remaining-{kind}", str(window.remaining)),
            (f"x-ratelimit-reset-{kind}", seconds(window.reset_ms)),
        )
    ]


def anthropic(standing: Standing, now: float) -> Headers:
    """`anthropic-ratelimit-{requests,input-tokens,output-tokens,tokens}-{limit,remaining,reset}`; reset is a time."""
    tokens = _tighter(standing.input_tokens, standing.output_tokens)
    kinds = (
        ("requests", standing.requests),
        ("input-tokens", standing.input_tokens),
        ("output-tokens", standing.output_tokens),
        ("tokens", tokens),
    )
    at = datetime.fromtimestamp(now, UTC)
    return [
        (f"anthropic-ratelimit-{kind}-{name}", value)
        for kind, window in kinds
        if window is not None
        for name, value in (
            ("limit", str(window.limit)),
            ("remaining", str(window.remaining)),
            ("reset", _time(at + timedelta(milliseconds=window.reset_ms))),
        )
    ]


def both(standing: Standing) -> Headers:
    """OpenAI's and Anthropic's."""
    return openai(standing) + anthropic(standing, time.time())


def _tighter(one: Window | None, other: Window | None) -> Window | None:
    if one is None or other is None:
        return one or other
    return one if one.remaining <= other.remaining else other


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
