"""Prices, worked out by hand from the providers' price lists."""

import socket
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from time import process_time

import pytest
from genai_prices import Usage as Counted
from genai_prices import calc_price
from hypothesis import given
from hypothesis import strategies as st

from services.billing.pricing import Pricing
from services.catalog.catalog import load
from services.catalog.schema import PriceRow, Provider, Rates, RateTier, Target
from services.vocabulary.usage import Usage

AT = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
PROVIDERS = load().providers
PRICING = Pricing()


def target(id: str, *, listed: bool = True) -> Target:
    provider, _, upstream = id.partition("/")
    return Target(PROVIDERS[provider], "", model=upstream, upstream=upstream, listed=listed)


@pytest.mark.parametrize(
    ("id", "usage", "nano"),
    [
        # $2.50 in, $0.25 cached, $15 out per million, so 2,500, 250 and 15,000 nano-dollars a token
        ("openai/gpt-5.4", Usage(input=1_000, output=500), 2_500_000 + 7_500_000),
        ("openai/gpt-5.4", Usage(input=1_000, cache_read=2_000, output=500), 2_500_000 + 500_000 + 7_500_000),
        # above 272,000 prompt tokens, cached ones counted, everything at $5, $0.50 and $22.50
        ("openai/gpt-5.4", Usage(input=272_000, output=1), 272_000 * 2_500 + 15_000),
        ("openai/gpt-5.4", Usage(input=272_001, output=1), 272_001 * 5_000 + 22_500),
        ("openai/gpt-5.4", Usage(input=1, cache_read=272_000, output=1), 5_000 + 272_000 * 500 + 22_500),
        # reasoning is output already
        ("openai/gpt-5-nano", Usage(input=7, output=100, reasoning=90), 7 * 50 + 100 * 400),
        # $10 per thousand searches
        ("openai/gpt-4o", Usage(input=10, output=10, web_searches=2), 25_000 + 100_000 + 20_000_000),
        # $3 in, $0.30 read, $3.75 and $6 written for 5 minutes and an hour, $15 out; 4.5 has no long-context rate at 200,000
        ("anthropic/claude-sonnet-4-6", Usage(input=100, output=10), 300_000 + 150_000),
        (
            "anthropic/claude-sonnet-4-6",
            Usage(input=1, cache_read=10, cache_write_5m=100, cache_write_1h=1_000, output=1, web_searches=1),
            3_000 + 3_000 + 375_000 + 6_000_000 + 15_000 + 10_000_000,
        ),
        ("anthropic/claude-sonnet-4-5", Usage(input=200_001, output=1), 200_001 * 6_000 + 22_500),
        # Bedrock sells Claude at 10 % more in a region than globally
        ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", Usage(input=10, output=1), 33_000 + 16_500),
        ("bedrock/global.anthropic.claude-sonnet-4-5-20250929-v1:0", Usage(input=10, output=1), 30_000 + 15_000),
        # $0.00875 per million cached: 8.75 nano-dollars, three of them rounded up once
        ("bedrock/amazon.nova-micro-v1:0", Usage(cache_read=3), 27),
        ("bedrock/amazon.nova-micro-v1:0", Usage(cache_read=4), 35),
        ("mistral/mistral-large-2512", Usage(input=3, output=2), 1_500 + 3_000),
        ("xai/grok-4-fast-reasoning", Usage(input=10, cache_read=10, output=10), 2_000 + 500 + 5_000),
        ("cohere/command-r7b-12-2024", Usage(input=1, output=0), 38),  # 37.5
        ("huggingface/meta-llama/Llama-3.3-70B-Instruct:together", Usage(input=100, output=0), 104_000),
        ("sandbox/echo", Usage(input=10**9, output=10**9), 0),
    ],
)
def test_golden_prices(id: str, usage: Usage, nano: int):
    """To the nano-dollar, cached and uncached."""
    cost = PRICING.cost(target(id), usage, AT)
    assert cost is not None
    assert cost.total == nano
    assert sum(cost.parts.values()) == nano


@pytest.mark.parametrize(
    ("tier", "nano"), [("", 2_500), ("default", 2_500), ("standard", 2_500), ("flex", 1_250), ("priority", 5_000)]
)
def test_the_service_tier_that_served_decides(tier: str, nano: int):
    """Priority costs more and flex less; an unknown word is the usual price."""
    cost = PRICING.cost(target("openai/gpt-5.4"), Usage(input=1, output=0, tier=tier), AT)
    assert cost is not None
    assert cost.total == nano


def test_anthropics_fast_mode_is_a_tier():
    """`speed: fast` doubles the price of Opus 4.8."""
    cost = PRICING.cost(target("anthropic/claude-opus-4-8"), Usage(input=1, output=1, tier="fast"), AT)
    assert cost is not None
    assert cost.total == 10_000 + 50_000


def test_prices_change_on_their_date():
    """The price of the day the answer was given counts."""
    usage = Usage(input=1, output=1)
    for day, nano in ((datetime(2026, 8, 20, 23, 59, tzinfo=UTC), 35_000), (datetime(2026, 8, 21, tzinfo=UTC), 24_000)):
        cost = PRICING.cost(target("openai/gpt-5.6-sol"), usage, day)
        assert cost is not None
        assert cost.total == nano


@pytest.mark.parametrize(
    ("id", "usage"),
    [
        ("openai/no-such-model", Usage(input=1)),
        ("huggingface/meta-llama/Llama-3.3-70B-Instruct", Usage(input=1)),  # the router chooses who runs it
        ("mistral/mistral-large-2512", Usage(input=1, web_searches=1)),  # no price for the search is known
        ("bedrock/us.anthropic.claude-3-7-sonnet-20250219-v1:0", Usage(cache_write_1h=1)),
    ],
)
def test_what_has_no_price_costs_none_and_not_zero(id: str, usage: Usage):
    """An unknown price is said to be unknown."""
    assert PRICING.cost(target(id), usage, AT) is None


def test_an_unlisted_model_has_no_price():
    """Though the data knows the model, what no row of ours lists is not priced."""
    assert PRICING.cost(target("openai/gpt-5.4", listed=False), Usage(input=1), AT) is None
    assert PRICING.cost(target("sandbox/any", listed=False), Usage(input=1), AT) is not None


class TestOurOwnRows:
    """prices.yaml and the operator's file."""

    def total(self, rows: list[PriceRow], id: str, usage: Usage, at: datetime = AT) -> int | None:
        cost = Pricing(rows).cost(target(id), usage, at)
        return None if cost is None else cost.total

    def test_a_rate_replaces_that_of_the_data(self):
        """What the row gives is ours, the rest stays, in every tier."""
        rows = [PriceRow("openai", "gpt-5.4", Rates(output=Decimal(1)))]
        assert self.total(rows, "openai/gpt-5.4", Usage(input=1, output=1)) == 2_500 + 1_000
        assert self.total(rows, "openai/gpt-5.4", Usage(input=300_000, output=1)) == 300_000 * 5_000 + 1_000

    def test_a_whole_price_for_what_the_data_lacks(self):
        """Input and output make a price; cached input costs like input unless the row says otherwise."""
        rows = [PriceRow("cohere", "brand-new*", Rates(input=Decimal(1), output=Decimal(2)))]
        assert self.total(rows, "cohere/brand-new-1", Usage(input=1, cache_read=1, output=1)) == 4_000
        assert self.total(rows, "cohere/old", Usage(input=1)) is None
        assert self.total([PriceRow("cohere", "x", Rates(input=Decimal(1)))], "cohere/x", Usage(input=1)) is None

    def test_what_cost_as_much_as_input_still_does(self):
        """Classes that have no rate of their own follow the input, also in tiers, and so does what a call may cost."""
        cheaper = [PriceRow("mistral", "mistral-large-latest", Rates(input=Decimal("0.5")))]
        assert self.total(cheaper, "mistral/mistral-large-latest", Usage(cache_write_5m=10)) == 5_000
        tiers = [RateTier(10, Rates(input=Decimal(2)))]
        rows = [PriceRow("cohere", "x", Rates(input=Decimal(1), output=Decimal(2)), tiers)]
        assert self.total(rows, "cohere/x", Usage(cache_read=11)) == 22_000

    def test_tiers_of_our_own(self):
        """A tier's rates count for the whole call."""
        tiers = [RateTier(10, Rates(input=Decimal(2)))]
        rows = [PriceRow("cohere", "x", Rates(input=Decimal(1), output=Decimal(2)), tiers)]
        assert self.total(rows, "cohere/x", Usage(input=10, output=1)) == 10_000 + 2_000
        assert self.total(rows, "cohere/x", Usage(input=11, output=1)) == 22_000 + 2_000

    def test_rows_go_on_top_of_each_other(self):
        """A row for many models adds what a row for one does not say."""
        rows = [
            PriceRow("cohere", "x", Rates(input=Decimal(1), output=Decimal(2))),
            PriceRow("cohere", "*", Rates(web_searches=Decimal(3))),
        ]
        assert self.total(rows, "cohere/x", Usage(input=1, web_searches=1)) == 1_000 + 3_000_000
        assert self.total(rows, "cohere/y", Usage(input=1, web_searches=1)) is None

    def test_the_latest_row_that_applies_wins(self):
        """Effective dates are days in UTC."""
        rates = {"": 1, "2026-11-20": 2, "2026-11-21": 3}
        rows = [PriceRow("openai", "gpt-5.4", Rates(input=Decimal(usd)), since=since) for since, usd in rates.items()]
        assert self.total(rows, "openai/gpt-5.4", Usage(input=1)) == 2_000
        assert self.total(rows, "openai/gpt-5.4", Usage(input=1), AT.replace(day=19)) == 1_000
        cost = Pricing(rows).cost(target("openai/gpt-5.4"), Usage(input=1), AT)
        assert cost is not None
        assert cost.price_version.endswith("catalog 2026-11-20")


USAGES = st.builds(
    Usage,
    input=st.integers(0, 10**7),
    cache_read=st.integers(0, 10**7),
    cache_write_5m=st.integers(0, 10**6),
    cache_write_1h=st.integers(0, 10**6),
    output=st.integers(0, 10**6),
    web_searches=st.integers(0, 100),
)


@given(
    USAGES, st.sampled_from(["anthropic/claude-opus-4-6", "anthropic/claude-haiku-5-5", "anthropic/claude-sonnet-4-5"])
)
def test_a_cost_is_the_exact_price_rounded_up(usage: Usage, id: str):
    """Against the package's own decimal arithmetic: never below it, less than a nano-dollar above."""
    counted = Counted(
        input_tokens=usage.input_total,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write,
        cache_write_5m_tokens=usage.cache_write_5m,
        cache_write_1h_tokens=usage.cache_write_1h,
        output_tokens=usage.output,
        web_searches=usage.web_searches,
    )
    exact = Fraction(
        calc_price(counted, id.partition("/")[2], provider_id="anthropic", genai_request_timestamp=AT).total_price
    )
    cost = PRICING.cost(target(id), usage, AT)
    assert cost is not None
    assert 0 <= Fraction(cost.total, 10**9) - exact < Fraction(1, 10**9)
    assert sum(cost.parts.values()) == cost.total


def test_pricing_opens_no_socket(monkeypatch: pytest.MonkeyPatch):
    """The price data is never fetched from anywhere."""
    monkeypatch.setattr(socket, "socket", None)
    assert Pricing().cost(target("openai/gpt-4o"), Usage(input=1), AT) is not None


def test_a_priced_request_costs_microseconds():
    """A known target is priced in far less than a tenth of a millisecond."""
    known, usage = target("anthropic/claude-opus-4-6"), Usage(input=1000, cache_read=5000, output=700)
    PRICING.cost(known, usage, AT)
    began = process_time()
    for _ in range(1_000):
        PRICING.cost(known, usage, AT)
    assert (process_time() - began) / 1_000 < 100e-6


def test_a_provider_of_ones_own_without_price_data_is_unpriced():
    """A custom provider has no price until a row gives one."""
    own = Target(Provider("own", "Own", "openai_chat", "http://own"), "openai_chat", model="m", upstream="m")
    assert PRICING.cost(own, Usage(input=1), AT) is None
