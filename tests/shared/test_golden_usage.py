"""What recorded answers used and cost: our classes beside the provider's own totals, and our price beside one typed by hand."""

import json
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from services.adapters import carry
from services.adapters.dialect import UpstreamError
from services.adapters.registry import dialect as dialect_named
from services.billing.pricing import Pricing
from services.catalog.catalog import load
from services.errors import GatewayError
from services.responses import intake
from services.vocabulary.event import UsageReported
from services.vocabulary.usage import Usage
from services.wire.frame import FramingError
from tests.shared_replay import _body, _events, recordings, target_of

AT = datetime(2026, 11, 23, tzinfo=UTC)

# Dollars per million tokens, from the providers' price pages: fresh input, cache read, cache write for 5 minutes and for an
# hour, output. The longest prefix of the id (without its region) counts.
ANTHROPIC = {
    "claude-haiku-4-5": "1 0.10 1.25 2 5",
    "claude-sonnet-4": "3 0.30 3.75 6 15",
    "claude-opus-4-8": "5 0.50 6.25 10 25",
    "claude-3-7-sonnet": "3 0.30 3.75 6 15",
}
PRICES = {
    "anthropic": ANTHROPIC,
    "vertex": ANTHROPIC
    | {
        "gemini-2.0-flash": "0.10 0.025 - - 0.40",
        "gemini-2.5-flash": "0.30 0.03 - - 2.50",
        "gemini-2.5-flash-lite": "0.10 0.01 - - 0.40",
        "gemini-2.5-pro": "1.25 0.125 - - 10",
        "gemini-3-flash-preview": "0.50 0.05 - - 3",
    },
    "openai": {
        "gpt-4.1": "2 0.50 - - 8",
        "gpt-4.1-nano": "0.10 0.025 - - 0.40",
        "gpt-4o": "2.50 1.25 - - 10",
        "gpt-4o-mini": "0.15 0.075 - - 0.60",
        "gpt-5": "1.25 0.125 - - 10",
        "gpt-5-mini": "0.25 0.025 - - 2",
        "gpt-5-nano": "0.05 0.005 - - 0.40",
        "o3": "2 0.50 - - 8",
        "o3-mini": "1.10 0.55 - - 4.40",
    },
    "azure": {"gpt-5-mini": "0.25 0.025 - - 2", "gpt-5-nano": "0.05 0.005 - - 0.40", "o4-mini": "1.10 0.275 - - 4.40"},
    "bedrock": {
        "amazon.nova-lite": "0.06 0.015 - - 0.24",
        "amazon.nova-micro": "0.035 0.00875 - - 0.14",
        "anthropic.claude-3-haiku": "0.25 - - - 1.25",
        "anthropic.claude-3-sonnet": "3 - - - 15",
        "anthropic.claude-3-7-sonnet": "3 0.30 3.75 - 15",
        "anthropic.claude-opus-4-20250514": "15 1.50 18.75 - 75",
        "anthropic.claude-sonnet-4-2025": "3 0.30 3.75 - 15",
        "anthropic.claude-haiku-4-5": "1.10 0.11 1.375 2.20 5.50",  # regional endpoints cost a tenth more
        "anthropic.claude-sonnet-4-5": "3.30 0.33 4.125 6.60 16.50",
    },
    "cohere": {
        "command-a-03": "2.50 - - - 10",
        "command-r": "0.15 - - - 0.60",
        "command-r7b": "0.0375 - - - 0.15",
        "command-r-plus": "2.50 - - - 10",
    },
    "xai": {
        "grok-3": "3 0.75 - - 15",
        "grok-3-mini": "0.30 0.075 - - 0.50",
        "grok-4": "3 0.75 - - 15",
        "grok-4-fast": "0.20 0.05 - - 0.50",
        "grok-code-fast-1": "0.20 0.02 - - 1.50",
    },
    "mistral": {"mistral-small": "0.15 0.015 - - 0.60", "magistral-medium": "2 - - - 5"},
}
UNKNOWN = {"gpt-5.", "grok-4.", "grok-3-mini-fast", "gpt-4o-mini-search", "o3-deep", "claude-sonnet-5"}
"""Models whose prices were not on paper when this was typed: longer ids than those above, with prices of their own."""

CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


def used(recording: dict[str, Any]) -> tuple[Usage, Any, Any, bool] | None:
    """Our usage, the provider's own facts, the target and whether it was streamed; None where nothing can be compared."""
    from replay import convert, facts

    want = facts.facts(recording).usage
    body = convert.convert(recording).body
    if want is None or want.uncertain or body is None:
        return None
    target = msgspec.structs.replace(target_of(recording, body["model"].partition("/")[2]), listed=True)
    dialect = dialect_named(target.dialect)
    try:
        call = intake.read(json.dumps(body).encode())
        call, _ = carry.prepare(call, target, dialect.name, "scope")
        events = _events(dialect, call, target, _body(recording["response"]), 0)
    except (GatewayError, UpstreamError, FramingError):
        return None
    reported = [event.usage for event in events if isinstance(event, UsageReported) and not event.partial]
    if not reported:
        return None
    assert len(reported) == 1
    return reported[0], want, target, call.stream


def by_hand(provider: str, upstream: str, usage: Usage) -> int | None:
    """Nano-dollars, from the list above; None for a model that is not on it, or whose searches cost extra."""
    id = upstream.removeprefix("us.").removeprefix("eu.")
    table = PRICES.get(provider, {})
    names = [name for name in table if id.startswith(name)]
    if not names or usage.web_searches or usage.tier or any(id.startswith(name) for name in UNKNOWN):
        return None
    rates = table[max(names, key=len)].split()
    total = Fraction(0)
    for name, rate in zip(CLASSES, rates, strict=True):
        if count := getattr(usage, name):
            if rate == "-":
                return None
            total += count * Fraction(rate) * 1000  # a dollar per million is a thousand nano-dollars each
    return -(-total.numerator // total.denominator)


@pytest.fixture(scope="module")
def answers() -> list[tuple[dict[str, Any], Usage, Any, Any, bool]]:
    found = [(recording, used(recording)) for recording in recordings()]
    return [(recording, *usage) for recording, usage in found if usage is not None]


def test_our_classes_add_up_to_the_providers_totals(answers: list[Any]):
    """Fresh, read from and written to a cache, generated, and how much of that was thought: for every recording."""
    assert len(answers) > 300
    for recording, usage, want, _, _ in answers:
        ours = (usage.input, usage.cache_read, usage.cache_write, usage.output)
        counted = (want.fresh, want.cache_read, want.cache_write, want.output)
        assert ours == counted or (usage.input_total, usage.output) == want.billed, recording["id"]
        if want.reasoning is not None:
            assert usage.reasoning == want.reasoning, recording["id"]
        if want.provider_total is not None and ours == counted:
            assert usage.total == want.provider_total, recording["id"]


def test_prices_are_those_typed_by_hand_to_the_nano_dollar(answers: list[Any]):
    """Cached and not, streamed and not."""
    pricing = Pricing(load().prices)
    seen: dict[tuple[bool, bool], int] = {}
    for recording, usage, _, target, streamed in answers:
        expected = by_hand(target.provider.id, target.upstream, usage)
        if expected is None:
            continue
        cost = pricing.cost(target, usage, AT)
        assert cost is not None, recording["id"]
        assert (cost.total, sum(cost.parts.values())) == (expected, expected), recording["id"]
        kind = (bool(usage.cache_read or usage.cache_write), streamed)
        seen[kind] = seen.get(kind, 0) + 1
    assert len(seen) == 4
    assert sum(seen.values()) > 200, seen
