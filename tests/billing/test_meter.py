"""The meter."""

from datetime import UTC, datetime

from services.billing.meter import PricingMeter
from services.billing.pricing import Pricing
from services.catalog.catalog import load
from services.catalog.schema import Target
from services.vocabulary.caller import Caller
from services.vocabulary.usage import Usage

CALLER = Caller("key_1")
TARGET = Target(load().providers["openai"], "openai_responses", model="gpt-5.4", upstream="gpt-5.4")


def meter() -> PricingMeter:
    return PricingMeter(Pricing(), clock=lambda: datetime(2026, 11, 20, tzinfo=UTC))


async def test_an_answer_is_priced_once():
    """Settling the same response again, whatever it is told, gives the first cost."""
    billing = meter()
    first = await billing.settle("resp_1", CALLER, TARGET, Usage(input=1))
    assert first is not None
    assert first.total == 2_500
    assert await billing.settle("resp_1", CALLER, TARGET, Usage(input=99)) is first
    second = await billing.settle("resp_2", CALLER, TARGET, Usage(input=2))
    assert second is not None
    assert second.total == 5_000


async def test_memory_is_bounded():
    """The oldest answers are forgotten, not the newest."""
    billing = meter()
    for number in range(10_050):
        await billing.settle(f"resp_{number}", CALLER, TARGET, Usage(input=1))
    assert len(billing._settled) == 10_000
    assert "resp_10049" in billing._settled


async def test_no_price_is_none_and_stays_none():
    """An unpriced answer is remembered too."""
    billing = meter()
    unknown = Target(TARGET.provider, "", model="x", upstream="no-such-model")
    assert await billing.settle("resp_1", CALLER, unknown, Usage(input=1)) is None
    assert await billing.settle("resp_1", CALLER, TARGET, Usage(input=1)) is None
