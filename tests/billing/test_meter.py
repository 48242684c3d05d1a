"""The meter."""

from datetime import UTC, datetime

from services.billing.meter import PricingMeter
from services.billing.pricing import Pricing
from services.catalog.catalog import load
from services.catalog.schema import Target
from services.ports import Outcome
from services.vocabulary.caller import Caller
from services.vocabulary.usage import Usage

CALLER = Caller("key_1")
TARGET = Target(load().providers["openai"], "openai_responses", model="gpt-5.4", upstream="gpt-5.4")


def outcome(response_id: str, usage: Usage, target: Target = TARGET) -> Outcome:
    return Outcome(response_id, "responses", "m", target, usage, False, "completed", False, 1, 0.0, None, 1.0)


def meter() -> PricingMeter:
    return PricingMeter(Pricing(), clock=lambda: datetime(2026, 11, 20, tzinfo=UTC))


async def test_an_answer_is_priced_once():
    """Settling the same response again, whatever it is told, gives the first cost."""
    billing = meter()
    first = await billing.settle(outcome("resp_1", Usage(input=1)), CALLER)
    assert first is not None
    assert first.total == 2_500
    assert await billing.settle(outcome("resp_1", Usage(input=99)), CALLER) is first
    second = await billing.settle(outcome("resp_2", Usage(input=2)), CALLER)
    assert second is not None
    assert second.total == 5_000


async def test_memory_is_bounded():
    """The oldest answers are forgotten, not the newest."""
    billing = meter()
    for number in range(10_050):
        await billing.settle(outcome(f"resp_{number}", Usage(input=1)), CALLER)
    assert len(billing._settled) == 10_000
    assert "resp_10049" in billing._settled


async def test_no_price_is_none_and_stays_none():
    """An unpriced answer is remembered too."""
    billing = meter()
    unknown = Target(TARGET.provider, "", model="x", upstream="no-such-model")
    assert await billing.settle(outcome("resp_1", Usage(input=1), unknown), CALLER) is None
    assert await billing.settle(outcome("resp_1", Usage(input=1)), CALLER) is None
