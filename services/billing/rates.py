"""Rates of a model at a moment: what the price data and our own rows say, in integers ready to multiply."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import msgspec
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

from services.billing.money import femto_per_unit
from services.catalog.schema import PriceRow, Rates

# Where the price data has no rate for a class, the provider charges it like the next one. A cache write for an hour is
# not in the table: it costs more than any other input, so without its own rate it has no price.
_PRICE_KEYS: Mapping[str, tuple[str, ...]] = {
    "input": ("input_mtok", "input_text_mtok"),
    "cache_read": ("cache_read_mtok", "input_mtok", "input_text_mtok"),
    "cache_write_5m": ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok", "input_text_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok",),
    "output": ("output_mtok", "output_text_mtok"),
    "web_searches": ("web_searches_kcount",),
}
_PER: Mapping[str, int] = {"web_searches": 1_000}
_PER_TOKENS = 1_000_000


class RateCard(msgspec.Struct, frozen=True):
    """Femto-dollars per unit of each class; a class that is missing has no price.

    tiers: (above, rates) in rising order; a call with more prompt tokens than `above` pays those rates for all of it.
    """

    base: dict[str, int]
    tiers: list[tuple[int, dict[str, int]]]
    version: str

    def rates(self, input_total: int) -> Mapping[str, int]:
        """The rates of a call with so many prompt tokens."""
        rates = self.base
        for above, tier in self.tiers:
            if input_total > above:
                rates = tier
        return rates


def from_data(model: ModelInfo, at: datetime, tier: str, version: str) -> RateCard:
    """The card of a model in the price data. `tier`: the provider's word for a service tier or speed."""
    context = {"service_tier": tier, "speed": tier} if tier else None
    price = model.get_prices(at, context)
    starts = {step.start for value in _values(price) if isinstance(value, TieredPrices) for step in value.tiers}
    return RateCard(
        _femto(price, 0), [(start, _femto(price, start + 1)) for start in sorted(starts)], f"genai-prices {version}"
    )


def override(card: RateCard | None, row: PriceRow) -> RateCard | None:
    """The card with the rates of our own row in place of the data's; None when that leaves no price."""
    own, version = _own(row.rates), f"catalog {row.since}".rstrip()
    if card is None:
        if "input" not in own or "output" not in own:
            return None
        base, tiers = {"cache_read": own["input"], "cache_write_5m": own["input"], **own}, []
    else:
        base, version = _over(card.base, own), f"{card.version}, {version}"
        tiers = [(above, _over(rates, own)) for above, rates in card.tiers]
    if row.tiers:
        tiers = [(tier.above, _over(base, _own(tier.rates))) for tier in sorted(row.tiers, key=lambda tier: tier.above)]
    return RateCard(base, tiers, version)


def _values(price: ModelPrice) -> list[Decimal | TieredPrices | None]:
    return [getattr(price, key) for keys in _PRICE_KEYS.values() for key in keys]


def _femto(price: ModelPrice, input_total: int) -> dict[str, int]:
    rates = {}
    for name, keys in _PRICE_KEYS.items():
        value = next((value for key in keys if (value := getattr(price, key)) is not None), None)
        if isinstance(value, TieredPrices):
            steps = [step.price for step in value.tiers if input_total > step.start]
            value = steps[-1] if steps else value.base
        if value is not None:
            rates[name] = femto_per_unit(value, _PER.get(name, _PER_TOKENS))
    return rates


def _own(rates: Rates) -> dict[str, int]:
    return {
        name: femto_per_unit(value, _PER.get(name, _PER_TOKENS))
        for name, value in msgspec.structs.asdict(rates).items()
        if value is not None
    }


def _over(rates: dict[str, int], own: dict[str, int]) -> dict[str, int]:
    """The rates with our own in their place; a class that cost what input costs still does."""
    like_input = [name for name in ("cache_read", "cache_write_5m") if rates.get(name) == rates.get("input")]
    return {**rates, **{name: own["input"] for name in like_input if "input" in own}, **own}
